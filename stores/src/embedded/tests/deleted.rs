//! What was deleted is in none of the files of the database.

#![allow(clippy::unwrap_used)]

use std::{borrow::Cow, fs, path::Path, sync::Arc};

use lethe_core::{identity::Token, keys::WrappedKey, record::Position};
use lethe_crds::profile_pipeline::Records;

use super::table::{Event, batch, options};
use crate::{
    DayKeys, DeadLetters, Letter, LetterKey, Sink, SubjectKeys, SubjectWant,
    embedded::{EmbeddedStore, TableSink},
};

/// Returns whether a file of the directory holds these bytes.
fn holds(dir: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(dir)
        .unwrap()
        .any(|file| memchr::memmem::find(&fs::read(file.unwrap().path()).unwrap(), bytes).is_some())
}

fn event(subject: u8, id: &str, version: i64, delete: bool) -> Event {
    Event { subject, id: id.to_owned(), version, delete }
}

fn letter(number: u8) -> Letter {
    Letter {
        pipeline: "shop.profiles".to_owned(),
        key: [number; 32],
        position: Position { stream: Arc::from("events"), incarnation: Arc::from(""), offset: number.into() },
        reason: Cow::Borrowed("NotJson"),
        rule: None,
        path: None,
        sinks: vec!["people".to_owned()],
        sealed_by: LetterKey::Day("2026-11-20".to_owned()),
        sealed: format!("SEALED-LETTER-{number}.").into_bytes(),
        cut: None,
    }
}

/// Writes persons, letters and keys, among others that stay, and deletes half of each.
async fn write_and_delete(dir: &Path, records: Records) -> Arc<EmbeddedStore> {
    let store = EmbeddedStore::open("profiles", &dir.join("lethe.db")).unwrap();
    let mut sink = TableSink::open(Arc::clone(&store), &options(records)).unwrap();
    for first in [0_u8, 100] {
        let events: Vec<Event> =
            (first..first + 100).map(|n| event(n, &format!("PERSON-{}-{n}", n % 2), 1_000, false)).collect();
        sink.write(&batch(&events)).await.unwrap();
    }
    DeadLetters::write(&*store, (0..40).map(letter).collect()).await.unwrap();
    let key = |byte: u8| WrappedKey { master: 1, sealed: vec![byte; 60] };
    store.day_key("shop.profiles".into(), "2026-11-20".into(), key(0xd1)).await.unwrap();
    let want = |n: u8| SubjectWant {
        space: "customers".to_owned(),
        token: Token([n; 32]),
        candidates: vec![("profile".to_owned(), key(n))],
        aliases: vec![],
    };
    store.subjects(vec![want(0xe1), want(0xe2)]).await.unwrap();

    let deletions: Vec<Event> =
        (0..200).filter(|n| n % 2 == 0).map(|n| event(n, &format!("d-{n}"), 9_000_000, true)).collect();
    sink.write(&batch(&deletions)).await.unwrap();
    store.remove("shop.profiles".into(), (0..40).filter(|n| n % 2 == 0).map(|n| [n; 32]).collect()).await.unwrap();
    store.shred("customers".into(), Token([0xe1; 32])).await.unwrap();
    store
}

#[tokio::test]
async fn no_byte_of_a_deleted_person_letter_or_key_is_left_in_any_file() {
    for records in [Records::Latest, Records::Append] {
        let dir = tempfile::tempdir().unwrap();
        let store = write_and_delete(dir.path(), records).await;
        assert!(store.truncate_stale_log().await.unwrap());
        assert!(
            holds(dir.path(), b"PERSON-1-1") && holds(dir.path(), b"SEALED-LETTER-1") && holds(dir.path(), &[0xe2; 60])
        );
        for gone in [&b"PERSON-0-"[..], b"SEALED-LETTER-2.", b"SEALED-LETTER-38.", &[0xe1; 60]] {
            assert!(!holds(dir.path(), gone), "{records:?} {:?}", String::from_utf8_lossy(gone));
        }
        store.expire("shop.profiles".into(), "2026-11-21".into()).await.unwrap();
        store.sweep(i64::MAX / 2, 10_000).await.unwrap();
        store.truncate_stale_log().await.unwrap();
        assert!(!holds(dir.path(), b"PERSON-") && !holds(dir.path(), b"SEALED-LETTER-"), "expired");
    }
}

#[tokio::test]
async fn a_reader_delays_the_removal_and_does_not_fail_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
    DeadLetters::write(&*store, vec![letter(7)]).await.unwrap();
    let reader = rusqlite::Connection::open(dir.path().join("lethe.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM lethe_dead_letter").unwrap();
    store.remove("shop.profiles".into(), vec![[7; 32]]).await.unwrap();
    assert!(!store.truncate_stale_log().await.unwrap());
    assert!(holds(dir.path(), b"SEALED-LETTER-7"));
    drop(reader);
    assert!(store.truncate_stale_log().await.unwrap());
    assert!(!holds(dir.path(), b"SEALED-LETTER-7"));
}

#[tokio::test]
async fn what_a_killed_process_left_in_the_log_is_removed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
    DeadLetters::write(&*store, vec![letter(7)]).await.unwrap();
    store.remove("shop.profiles".into(), vec![[7; 32]]).await.unwrap();
    // The files as they are in this moment are those of a process that was killed.
    for name in ["lethe.db", "lethe.db-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    assert!(holds(copy.path(), b"SEALED-LETTER-7"));
    let next = EmbeddedStore::open("profiles", &copy.path().join("lethe.db")).unwrap();
    assert!(next.truncate_stale_log().await.unwrap());
    assert!(!holds(copy.path(), b"SEALED-LETTER-7"));
}
