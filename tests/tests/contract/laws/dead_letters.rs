//! Laws of dead letters.

use std::{collections::BTreeMap, sync::Arc};

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
        position: Position { stream: "users|3".into(), incarnation: "id-1".into(), offset: u64::from(n) * 1000 },
        reason: "SchemaViolation".into(),
        rule: Some("maxLength".into()),
        path: Some("/email".into()),
        sinks: vec!["profiles".into(), "clean".into()],
        sealed_by,
        sealed: vec![n; 40],
        cut: None,
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

/// A letter that was redriven or has expired may be written again: its record was rejected again.
pub async fn letters_are_at_any_time_those_of_the_model<S: DeadLetterStore>(store: &S) {
    let letters = store.letters().await;
    for_all(S::CASES, steps(), async |steps| {
        let pipeline = pipeline();
        let text = |of: u8| format!("2026-11-{:02}", 20 + of);
        let mut model: BTreeMap<u8, Option<u8>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Write(written) => {
                    model.extend(written.iter().copied());
                    let sealed_by = |n: u8, of: Option<u8>| {
                        of.map_or(LetterKey::Subject(Token([n; 32])), |of| LetterKey::Day(text(of)))
                    };
                    let of = |(n, of)| letter(&pipeline, n, sealed_by(n, of));
                    letters.write(written.into_iter().map(of).collect()).await.unwrap();
                }
                Step::Remove(gone) => {
                    // A redrive lists letters before it removes them.
                    assert_eq!(numbers(&letters, &pipeline, 3).await, model.keys().copied().collect::<Vec<_>>());
                    model.retain(|n, _| !gone.contains(n));
                    let keys = gone.into_iter().map(|n| [n; 32]).collect();
                    letters.remove(pipeline.clone(), keys).await.unwrap();
                }
                Step::Expire(before) => {
                    let due: Vec<u8> =
                        model.iter().filter(|(_, of)| of.is_some_and(|of| of < before)).map(|(n, _)| *n).collect();
                    assert_eq!(letters.expire(pipeline.clone(), text(before)).await.unwrap(), due.len() as u64);
                    model.retain(|n, _| !due.contains(n));
                }
            }
        }
        assert_eq!(numbers(&letters, &pipeline, 3).await, model.into_keys().collect::<Vec<_>>());
    });
}

pub async fn removing_letters_of_another_pipeline_leaves_those_of_this_one<S: DeadLetterStore>(store: &S) {
    let (pipeline, letters) = (pipeline(), store.letters().await);
    let other = format!("{pipeline}.other");
    for of in [&pipeline, &other] {
        letters.write(vec![letter(of, 5, day("2026-11-20"))]).await.unwrap();
    }
    letters.remove(other.clone(), vec![[5; 32]]).await.unwrap();
    assert_eq!(numbers(&letters, &pipeline, 100).await, [5]);
    assert!(numbers(&letters, &other, 100).await.is_empty());
}

pub async fn a_letter_that_is_written_again_after_its_removal_is_listed_again<S: DeadLetterStore>(store: &S) {
    let (pipeline, letters) = (pipeline(), store.letters().await);
    let of_subject = |n: u8| letter(&pipeline, n, LetterKey::Subject(Token([9; 32])));
    for round in 0..3 {
        letters.write(vec![of_subject(1), of_subject(1), of_subject(2)]).await.unwrap();
        // A worker that was killed before its commit writes them twice.
        letters.write(vec![of_subject(1)]).await.unwrap();
        assert_eq!(numbers(&letters, &pipeline, 1).await, [1, 2], "round {round}");
        letters.remove(pipeline.clone(), vec![[1; 32]]).await.unwrap();
        assert_eq!(numbers(&letters, &pipeline, 1).await, [2], "round {round}");
        assert_eq!(numbers(&store.letters().await, &pipeline, 1).await, [2], "round {round}");
    }
}

/// Tests of these laws for a store.
macro_rules! dead_letters_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, dead_letters:
            a_letter_is_read_back_as_it_was_written,
            a_letter_that_is_there_is_not_listed_twice,
            letters_are_listed_in_pages_and_leave_when_redriven,
            letters_of_expired_days_go_and_are_counted_those_of_subjects_stay,
            removing_letters_of_another_pipeline_leaves_those_of_this_one,
            a_letter_that_is_written_again_after_its_removal_is_listed_again,
            letters_are_at_any_time_those_of_the_model,
        }
    };
}
pub(crate) use dead_letters_laws;
