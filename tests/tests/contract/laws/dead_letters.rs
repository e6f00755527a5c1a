//! Laws of dead letters.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lethe_core::{identity::Token, record::Position};
use lethe_stores::{DeadLetters, Letter, LetterKey};
use proptest::prelude::*;

use crate::{
    fixture::{DeadLetterStore, number},
    for_all,
};

fn day(day: &str) -> LetterKey {
    LetterKey::Day(day.to_owned())
}

fn letter(pipeline: &str, n: u8, sealed_by: LetterKey) -> Letter {
    Letter {
        key: [n; 32],
        pipeline: pipeline.to_owned(),
        position: Position { stream: "users|3".into(), offset: u64::from(n) * 1000 },
        reason: "SchemaViolation".into(),
        rule: Some("maxLength".into()),
        path: Some("/email".into()),
        sinks: vec!["profiles".into(), "clean".into()],
        sealed_by,
        sealed: vec![n; 40],
    }
}

fn pipeline() -> String {
    format!("shop.p{}", number())
}

/// The numbers of all letters of a pipeline, in their order; read in pages.
async fn numbers(letters: &Arc<dyn DeadLetters>, pipeline: &str, page: usize) -> Vec<u8> {
    let mut found: Vec<u8> = Vec::new();
    let mut after = None;
    loop {
        let read = letters.list(pipeline.to_owned(), after, page).await.unwrap();
        assert!(read.len() <= page);
        let Some(last) = read.last() else { break };
        after = Some(last.key);
        found.extend(read.iter().map(|letter| letter.key[0]));
    }
    found.sort_unstable();
    found
}

pub async fn a_letter_is_read_back_as_it_was_written<S: DeadLetterStore>(store: &S) {
    let pipeline = pipeline();
    let of_subject = letter(&pipeline, 3, LetterKey::Subject(Token([0x5c; 32])));
    let of_day = Letter { rule: None, path: None, sinks: Vec::new(), ..letter(&pipeline, 4, day("2026-11-20")) };
    for written in [of_subject, of_day] {
        store.letters().await.write(vec![written.clone()]).await.unwrap();
        let read = store.letters().await.list(pipeline.clone(), None, 10).await.unwrap();
        let read = read.into_iter().find(|letter| letter.key == written.key).unwrap();
        assert!(read.pipeline == written.pipeline && read.position == written.position);
        assert_eq!((read.reason, read.rule, read.path), (written.reason, written.rule, written.path));
        assert_eq!((read.sinks, read.sealed_by, read.sealed), (written.sinks, written.sealed_by, written.sealed));
    }
}

pub async fn a_letter_that_is_there_is_not_listed_twice<S: DeadLetterStore>(store: &S) {
    let (pipeline, letters) = (pipeline(), store.letters().await);
    let first = letter(&pipeline, 1, day("2026-11-20"));
    let again = Letter { sealed: vec![9; 40], sealed_by: day("2026-11-21"), ..first.clone() };
    letters.write(vec![first.clone(), again.clone()]).await.unwrap();
    letters.write(vec![again]).await.unwrap();
    let read = letters.list(pipeline, None, 10).await.unwrap();
    assert!(read.len() == 1 && read[0].sealed == first.sealed);
}

pub async fn letters_are_listed_in_pages_and_leave_when_redriven<S: DeadLetterStore>(store: &S) {
    let (pipeline, letters) = (pipeline(), store.letters().await);
    letters.write((0..7).rev().map(|n| letter(&pipeline, n, day("2026-11-20"))).collect()).await.unwrap();
    for page in [3, 7, 100] {
        assert_eq!(numbers(&letters, &pipeline, page).await, [0, 1, 2, 3, 4, 5, 6]);
    }
    letters.remove(pipeline.clone(), vec![[3; 32], [4; 32]]).await.unwrap();
    assert_eq!(numbers(&letters, &pipeline, 2).await, [0, 1, 2, 5, 6]);
    assert_eq!(numbers(&store.letters().await, &pipeline, 100).await, [0, 1, 2, 5, 6]);
    assert!(letters.list(format!("{pipeline}.other"), None, 10).await.unwrap().is_empty());
}

pub async fn letters_of_expired_days_go_and_are_counted_those_of_subjects_stay<S: DeadLetterStore>(store: &S) {
    let (pipeline, letters) = (pipeline(), store.letters().await);
    let of_days = (1..).zip(["2026-11-19", "2026-11-20", "2026-11-21"]).map(|(n, of)| letter(&pipeline, n, day(of)));
    let of_subject = letter(&pipeline, 4, LetterKey::Subject(Token([1; 32])));
    letters.write(of_days.chain([of_subject]).collect()).await.unwrap();
    let expire = || letters.expire(pipeline.clone(), "2026-11-21".into());
    assert_eq!((expire().await.unwrap(), expire().await.unwrap()), (2, 0));
    assert_eq!(numbers(&letters, &pipeline, 100).await, [3, 4]);
}

/// One step of a worker or of a person.
#[derive(Clone, Debug)]
enum Step {
    /// Letters are written; each is sealed by the key of a day, or by its subject's.
    Write(Vec<(u8, Option<u8>)>),
    /// Letters were redriven.
    Remove(Vec<u8>),
    /// Keys of days before this one were destroyed.
    Expire(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // The key that seals a letter is a function of its record.
    let written = (0u8..8).prop_map(|n| (n, (n % 3 > 0).then_some(n % 4)));
    let step = prop_oneof![
        3 => prop::collection::vec(written, 1..4).prop_map(Step::Write),
        1 => prop::collection::vec(0u8..8, 1..3).prop_map(Step::Remove),
        1 => (0u8..5).prop_map(Step::Expire),
    ];
    prop::collection::vec(step, 1..7)
}

/// A letter that was redriven or has expired is not written again here: the record that it is of
/// was committed before.
pub async fn letters_are_at_any_time_those_of_the_model<S: DeadLetterStore>(store: &S) {
    let letters = store.letters().await;
    for_all(S::CASES, steps(), async |steps| {
        let pipeline = pipeline();
        let text = |of: u8| format!("2026-11-{:02}", 20 + of);
        let mut model: BTreeMap<u8, Option<u8>> = BTreeMap::new();
        let mut gone = BTreeSet::new();
        for step in steps {
            match step {
                Step::Write(mut written) => {
                    written.retain(|(n, _)| !gone.contains(n));
                    model.extend(written.iter().copied());
                    let sealed_by = |n: u8, of: Option<u8>| {
                        of.map_or(LetterKey::Subject(Token([n; 32])), |of| LetterKey::Day(text(of)))
                    };
                    let of = |(n, of)| unique(letter(&pipeline, n, sealed_by(n, of)));
                    letters.write(written.into_iter().map(of).collect()).await.unwrap();
                }
                Step::Remove(numbers) => {
                    model.retain(|n, _| !numbers.contains(n));
                    gone.extend(numbers.iter().copied());
                    let keys = numbers.into_iter().map(|n| unique(letter(&pipeline, n, day(""))).key).collect();
                    letters.remove(pipeline.clone(), keys).await.unwrap();
                }
                Step::Expire(before) => {
                    let due: Vec<u8> =
                        model.iter().filter(|(_, of)| of.is_some_and(|of| of < before)).map(|(n, _)| *n).collect();
                    assert_eq!(letters.expire(pipeline.clone(), text(before)).await.unwrap(), due.len() as u64);
                    model.retain(|n, _| !due.contains(n));
                    gone.extend(due);
                }
            }
        }
        assert_eq!(numbers(&letters, &pipeline, 3).await, model.into_keys().collect::<Vec<_>>());
    });
}

/// The letter with a key that no other case has: a key is a function of the record's position.
fn unique(mut letter: Letter) -> Letter {
    let number = letter.pipeline.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    letter.key[1..9].copy_from_slice(&number.to_be_bytes());
    letter
}

/// A topic can not keep this one: a record that ends a letter names its key alone.
pub async fn removing_letters_of_another_pipeline_leaves_those_of_this_one<S: DeadLetterStore>(store: &S) {
    let (pipeline, letters) = (pipeline(), store.letters().await);
    letters.write(vec![letter(&pipeline, 5, day("2026-11-20"))]).await.unwrap();
    letters.remove(format!("{pipeline}.other"), vec![[5; 32]]).await.unwrap();
    assert_eq!(numbers(&letters, &pipeline, 100).await, [5]);
}

/// Tests of these laws for a store.
macro_rules! dead_letters_laws {
    ($store:ident) => {
        crate::laws::dead_letters::dead_letters_laws! { $store, }
    };
    ($store:ident, $($more:ident)?) => {
        crate::laws::keep! { $store, dead_letters:
            a_letter_is_read_back_as_it_was_written,
            a_letter_that_is_there_is_not_listed_twice,
            letters_are_listed_in_pages_and_leave_when_redriven,
            letters_of_expired_days_go_and_are_counted_those_of_subjects_stay,
            letters_are_at_any_time_those_of_the_model,
            $($more)?
        }
    };
}
pub(crate) use dead_letters_laws;
