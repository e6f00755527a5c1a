//! What a table holds is a function of the events written to it: not of their order, nor of how often
//! each came, nor of how they fell into batches. Checked against a model in memory.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lethe_core::{
    identity::Reference,
    outcome::Outcome,
    record::{Body, Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::Records;
use proptest::prelude::*;

use crate::{
    ErrorKind, Sink, StoreError,
    embedded::{
        EmbeddedStore, TableOptions, TableSink, ViewColumn,
        sink::order::{compare, without_rewrite},
    },
    instant::rfc3339,
};

/// An event of the model. Its version and id decide the rest, as in a real source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    subject: u8,
    id: String,
    version: i64,
    delete: bool,
}

impl Event {
    /// 2026-11-20 and some milliseconds.
    fn time(&self) -> i64 {
        1_795_132_800_000 + self.version.div_euclid(1000)
    }

    fn document(&self) -> String {
        format!("{{\"plan\":\"{}\",\"address\":{{\"city\":\"{}\"}}}}", self.id, self.version)
    }

    fn key(&self) -> (i64, &str) {
        (self.version, &self.id)
    }
}

fn batch(events: &[Event]) -> OutgoingBatch {
    let mut batch = OutgoingBatch::default();
    for event in events {
        let mut put = |text: &str| {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(text.as_bytes());
            start..batch.bytes.len()
        };
        let event_id = put(&event.id);
        let body = if event.delete { Body::Delete } else { Body::Document(put(&event.document())) };
        batch.records.push(Outgoing {
            subject: Reference([event.subject; 32]),
            event_id,
            version: event.version,
            time: event.time(),
            offset: 0,
            expires: Some(event.time() + 1000),
            body,
        });
    }
    batch
}

struct Table {
    _dir: tempfile::TempDir,
    store: Arc<EmbeddedStore>,
    sink: TableSink,
}

fn options(records: Records) -> TableOptions {
    let fields = ["/plan", "/address/city"].map(|path| ViewColumn::of(&path.parse().unwrap())).to_vec();
    TableOptions { table: "people".to_owned(), records, fields }
}

impl Table {
    fn new(records: Records) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        let sink = TableSink::open(Arc::clone(&store), &options(records)).unwrap();
        Self { _dir: dir, store, sink }
    }

    async fn write(&mut self, events: &[Event]) -> Vec<Outcome> {
        self.sink.write(&batch(events)).await.unwrap().into_iter().collect::<Result<_, _>>().unwrap()
    }

    /// Every cell of every row, as `sqlite3 .dump` would show them.
    async fn dump(&self, from: &str) -> Vec<String> {
        let sql = format!("SELECT * FROM {from}");
        let rows = self.store.read(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| {
                let cells: Vec<String> =
                    (0..columns).map(|i| row.get_ref(i).map(|cell| format!("{cell:?}"))).collect::<Result<_, _>>()?;
                Ok(cells.join("|"))
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        });
        rows.await.unwrap()
    }

    /// (subject, id, version, document or none) of every row.
    async fn rows(&self) -> BTreeSet<(String, String, i64, Option<String>)> {
        let rows = self.store.read(|connection| {
            let mut statement = connection.prepare("SELECT subject_ref, event_id, version, document FROM people")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        rows.await.unwrap()
    }
}

fn expected<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeSet<(String, String, i64, Option<String>)> {
    events
        .into_iter()
        .map(|event| {
            let document = (!event.delete).then(|| event.document());
            (Reference([event.subject; 32]).to_string(), event.id.clone(), event.version, document)
        })
        .collect()
}

/// `Latest`: of each subject the event that is greatest.
fn latest(events: &[Event]) -> BTreeMap<u8, Event> {
    let mut state: BTreeMap<u8, Event> = BTreeMap::new();
    for event in events {
        let newest = state.entry(event.subject).or_insert_with(|| event.clone());
        if compare(event.key(), newest.key()).is_gt() {
            *newest = event.clone();
        }
    }
    state
}

/// `Append`: of each subject and id the greatest version, but for those that a deletion covers.
fn append(events: &[Event]) -> BTreeMap<(u8, String), Event> {
    let mut state: BTreeMap<(u8, String), Event> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.delete) {
        let covered = events
            .iter()
            .any(|other| other.delete && other.subject == event.subject && compare(event.key(), other.key()).is_le());
        if !covered {
            let newest = state.entry((event.subject, event.id.clone())).or_insert_with(|| event.clone());
            if event.version > newest.version {
                *newest = event.clone();
            }
        }
    }
    state
}

/// Few subjects, ids and versions, so that events collide; times on both sides of a millisecond.
/// The rewrite digit is a function of the rest: a source doesn't know it.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0u8..3, "[ab]", -3i64..6).prop_map(|(subject, id, step)| {
        let version = step * 500 + i64::from(subject) * 10 + (step.rem_euclid(4));
        // Ties inside a millisecond: every second version is shared by all of its subject's ids.
        Event { subject, delete: (step + i64::from(id == "b")).rem_euclid(4) == 0, id, version }
    });
    prop::collection::vec(event, 1..14)
}

/// The events again: another order, some of them twice or more, in batches.
fn replays(events: Vec<Event>) -> impl Strategy<Value = (Vec<Event>, Vec<Vec<Event>>)> {
    let repeated = prop::collection::vec(prop::sample::select(events.clone()), 0..20);
    (Just(events), repeated, any::<u64>(), 1usize..8).prop_flat_map(|(events, repeated, _, size)| {
        let all: Vec<Event> = events.iter().cloned().chain(repeated).collect();
        (Just(events), Just(all).prop_shuffle(), Just(size))
            .prop_map(|(events, all, size)| (events, all.chunks(size).map(<[Event]>::to_vec).collect()))
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_latest_table_ends_as_the_model_in_any_order(
        (events, batches) in events().prop_flat_map(replays),
    ) {
        block_on(async {
            let mut table = Table::new(Records::Latest);
            for batch in &batches {
                let outcomes = table.write(batch).await;
                prop_assert_eq!(outcomes.len(), batch.len());
            }
            prop_assert_eq!(table.rows().await, expected(latest(&events).values()));
            let dump = table.dump("people").await;
            for batch in &batches {
                let outcomes = table.write(batch).await;
                prop_assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stale), "{:?}", outcomes);
            }
            prop_assert_eq!(table.dump("people").await, dump);
            Ok(())
        })?;
    }

    #[test]
    fn an_append_table_ends_as_the_model_in_any_order(
        (events, batches) in events().prop_flat_map(replays),
    ) {
        block_on(async {
            let mut table = Table::new(Records::Append);
            for batch in &batches {
                table.write(batch).await;
            }
            prop_assert_eq!(table.rows().await, expected(append(&events).values()));
            let dump = (table.dump("people").await, table.dump("lethe_deleted").await);
            for batch in &batches {
                let outcomes = table.write(batch).await;
                prop_assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stale), "{:?}", outcomes);
            }
            prop_assert_eq!((table.dump("people").await, table.dump("lethe_deleted").await), dump);
            Ok(())
        })?;
    }
}

fn event(subject: u8, id: &str, version: i64) -> Event {
    Event { subject, id: id.to_owned(), version, delete: false }
}

fn deletion(subject: u8, id: &str, version: i64) -> Event {
    Event { delete: true, ..event(subject, id, version) }
}

#[tokio::test]
async fn an_event_older_than_the_row_changes_nothing() {
    let mut table = Table::new(Records::Latest);
    assert_eq!(table.write(&[event(1, "b", 5000)]).await, [Outcome::Delivered]);
    let before = table.dump("people").await;
    let late = [event(1, "a", 4000), event(1, "a", 5000), event(1, "b", 5003), deletion(1, "z", 4990)];
    for late in late {
        assert_eq!(table.write(&[late]).await, [Outcome::Stale]);
    }
    assert_eq!(table.dump("people").await, before);
}

#[tokio::test]
async fn the_newest_of_a_batch_is_written_and_the_others_are_superseded() {
    let mut table = Table::new(Records::Latest);
    let outcomes = table
        .write(&[
            event(1, "a", 1000),
            event(2, "b", 9000),
            event(1, "c", 3000),
            event(1, "c", 3000),
            event(1, "d", 2000),
        ])
        .await;
    use Outcome::{Delivered, Stale, Superseded};
    assert_eq!(outcomes, [Superseded, Delivered, Delivered, Stale, Superseded]);
    assert_eq!(table.rows().await, expected(&[event(1, "c", 3000), event(2, "b", 9000)]));
}

#[tokio::test]
async fn a_deleted_profile_leaves_a_marker_without_its_document() {
    let mut table = Table::new(Records::Latest);
    table.write(&[event(1, "a", 1000), event(2, "b", 1000)]).await;
    assert_eq!(table.write(&[deletion(1, "d", 2000)]).await, [Outcome::Deleted]);
    assert_eq!(table.rows().await, expected(&[deletion(1, "d", 2000), event(2, "b", 1000)]));
    assert_eq!(table.dump("people_fields").await.len(), 1);
    assert_eq!(table.write(&[event(1, "e", 3000)]).await, [Outcome::Delivered]);
    assert_eq!(table.rows().await, expected(&[event(1, "e", 3000), event(2, "b", 1000)]));
}

#[tokio::test]
async fn a_deletion_empties_a_subject_s_history_and_a_replay_brings_nothing_back() {
    let mut table = Table::new(Records::Append);
    let history = [event(1, "a", 1000), event(1, "b", 2000), event(2, "c", 1500)];
    table.write(&history).await;
    assert_eq!(table.write(&[deletion(1, "d", 3000)]).await, [Outcome::Deleted]);
    assert_eq!(table.write(&history).await, [Outcome::Stale; 3]);
    assert_eq!(table.write(&[event(1, "e", 4000)]).await, [Outcome::Delivered]);
    assert_eq!(table.rows().await, expected(&[event(2, "c", 1500), event(1, "e", 4000)]));
}

#[tokio::test]
async fn an_id_that_a_source_gives_to_two_subjects_keeps_both() {
    let mut table = Table::new(Records::Append);
    table.write(&[event(1, "same", 1000), event(2, "same", 1000)]).await;
    assert_eq!(table.rows().await.len(), 2);
}

#[tokio::test]
async fn what_has_expired_is_swept_in_bounded_batches_markers_too() {
    for records in [Records::Latest, Records::Append] {
        let mut table = Table::new(records);
        let events: Vec<Event> = (0..10).map(|n| event(n, "a", i64::from(n) * 1_000_000)).collect();
        table.write(&events).await;
        table.write(&[deletion(0, "d", 500_000)]).await;
        // Event n expires at its time, n seconds, and one more; the marker after 1.5 seconds.
        let now = events[4].time() + 1000;
        let mut sweeps = Vec::new();
        loop {
            let swept = table.store.sweep(now, 2).await.unwrap();
            sweeps.push(swept.total());
            assert!(swept.rows.iter().all(|(_, rows)| *rows <= 2));
            if !swept.more {
                break;
            }
        }
        assert_eq!(sweeps.iter().sum::<u64>(), 5, "{records:?}");
        assert_eq!(table.rows().await, expected(&events[5..]));
        assert!(table.dump("lethe_deleted").await.is_empty());
        assert_eq!(table.store.sweep(now, 2).await.unwrap(), crate::embedded::Swept::default());
    }
}

#[tokio::test]
async fn a_person_sees_every_field_as_a_column() {
    let mut table = Table::new(Records::Latest);
    table.write(&[event(7, "gold", 1000)]).await;
    let sql = "(SELECT plan, address_city, event_time FROM people_fields)";
    let time = rfc3339(event(7, "gold", 1000).time());
    let row = table.dump(sql).await.remove(0);
    assert!(row.contains("gold") || row.contains(&format!("{:?}", b"gold")), "{row} {time}");
}

#[tokio::test]
async fn a_table_that_is_there_is_opened_again_without_a_write() {
    let table = Table::new(Records::Append);
    let wal = table.store.path().with_extension("db-wal");
    let before = std::fs::metadata(&wal).unwrap().len();
    TableSink::open(Arc::clone(&table.store), &options(Records::Append)).unwrap();
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), before);
}

#[tokio::test]
async fn the_view_follows_the_declared_fields() {
    let table = Table::new(Records::Latest);
    let mut options = options(Records::Latest);
    options.fields.push(ViewColumn::of(&"/email".parse().unwrap()));
    options.fields.push(ViewColumn { name: "PLAN".into(), path: "$.x".into() });
    TableSink::open(Arc::clone(&table.store), &options).unwrap();
    let columns = table.dump("(SELECT group_concat(name) FROM pragma_table_info('people_fields'))").await;
    let wanted = "subject_ref,event_id,event_time,plan,address_city,email";
    assert!(columns[0].contains(&format!("{:?}", wanted.as_bytes())) || columns[0].contains(wanted), "{columns:?}");
}

fn refusal(store: &Arc<EmbeddedStore>, options: &TableOptions) -> String {
    match TableSink::open(Arc::clone(store), options).err().unwrap() {
        StoreError { kind: ErrorKind::Mismatch, message, .. } => message,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_table_of_another_shape_is_refused_column_by_column() {
    let table = Table::new(Records::Latest);
    let message = refusal(&table.store, &options(Records::Append));
    assert!(
        message.contains("column event_id is TEXT NOT NULL and should be TEXT NOT NULL, primary key 2"),
        "{message}"
    );
    assert!(message.contains("column document is TEXT and should be TEXT NOT NULL"), "{message}");
    assert!(message.contains("column deleted_at is not one that Lethe writes"), "{message}");
    assert!(!message.contains("column subject_ref"), "{message}");
}

#[tokio::test]
async fn names_that_are_taken_are_refused() {
    let table = Table::new(Records::Latest);
    for name in ["lethe_keys", "LETHE_x", "sqlite_master", "", "people_fields"] {
        refusal(&table.store, &TableOptions { table: name.to_owned(), ..options(Records::Latest) });
    }
}

#[tokio::test]
async fn any_other_name_is_a_table() {
    let table = Table::new(Records::Latest);
    for name in ["order", "it's", "two words", "a\"b", "größe", "1st"] {
        let options = TableOptions { table: name.to_owned(), ..options(Records::Append) };
        let mut sink = TableSink::open(Arc::clone(&table.store), &options).unwrap();
        let written = sink.write(&batch(&[event(1, "a", 1000), deletion(1, "b", 2000)])).await.unwrap();
        assert_eq!(written, [Ok(Outcome::Delivered), Ok(Outcome::Deleted)]);
        table.store.sweep(i64::MAX, 100).await.unwrap();
    }
}

#[test]
fn a_rewrite_digit_is_no_part_of_the_order() {
    assert_eq!(without_rewrite(1239), 1230);
    assert_eq!(without_rewrite(-968), -970);
    assert_eq!(without_rewrite(i64::MIN), i64::MIN);
}
