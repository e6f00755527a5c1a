//! What a collection holds is a function of the events written to it: not of their order, nor of how
//! often each came, nor of how they fell into batches. Checked against a model in memory.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use lethe_core::outcome::Outcome;
use lethe_crds::profile_pipeline::Records;
use proptest::prelude::*;

use super::*;

/// A floor rounds down, before 1970 too.
fn compare(a: &Event, b: &Event) -> Ordering {
    a.version.div_euclid(10).cmp(&b.version.div_euclid(10)).then_with(|| a.id.cmp(&b.id))
}

type Row = (String, String, i64, bool);

fn row(event: &Event) -> Row {
    (reference(event.subject).to_string(), event.id.clone(), event.version, event.delete)
}

/// `Latest`: of each subject the event that is greatest.
fn latest(events: &[Event]) -> BTreeSet<Row> {
    let mut state: BTreeMap<u8, &Event> = BTreeMap::new();
    for event in events {
        let newest = state.entry(event.subject).or_insert(event);
        if compare(event, newest).is_gt() {
            *newest = event;
        }
    }
    state.into_values().map(row).collect()
}

/// `Append`: of each subject and id the greatest version, but for those that a deletion covers; and
/// each subject's greatest deletion.
fn append(events: &[Event]) -> BTreeSet<Row> {
    let mut state: BTreeMap<(u8, String), &Event> = BTreeMap::new();
    let mut deletions: BTreeMap<u8, &Event> = BTreeMap::new();
    for event in events {
        if event.delete {
            let newest = deletions.entry(event.subject).or_insert(event);
            if compare(event, newest).is_gt() {
                *newest = event;
            }
        } else {
            let newest = state.entry((event.subject, event.id.clone())).or_insert(event);
            if event.version > newest.version {
                *newest = event;
            }
        }
    }
    let covered = |event: &Event| deletions.get(&event.subject).is_some_and(|by| compare(event, by).is_le());
    state.into_values().filter(|event| !covered(event)).chain(deletions.values().copied()).map(row).collect()
}

fn rows(dump: &[Document]) -> BTreeSet<Row> {
    dump.iter()
        .map(|row| {
            let text = |name| row.get_str(name).unwrap().to_owned();
            (text("subject_ref"), text("event_id"), row.get_i64("_version").unwrap(), row.contains_key("_deleted_at"))
        })
        .collect()
}

/// Few subjects, ids and versions, so that events collide; times on both sides of a millisecond.
/// The rewrite digit is a function of the rest: a source doesn't know it.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0u8..3, "[ab]", -3i64..6).prop_map(|(subject, id, step)| {
        let version = step * 500 + i64::from(subject) * 10 + step.rem_euclid(4);
        Event { delete: (step + i64::from(id == "b")).rem_euclid(4) == 0, ..event(subject, &id, version) }
    });
    prop::collection::vec(one, 1..14)
}

/// The events again: another order, some of them twice or more, in batches.
fn replays(events: Vec<Event>) -> impl Strategy<Value = (Vec<Event>, Vec<Vec<Event>>)> {
    let repeated = prop::collection::vec(prop::sample::select(events.clone()), 0..20);
    (Just(events), repeated, 1usize..8).prop_flat_map(|(events, repeated, size)| {
        let all: Vec<Event> = events.iter().cloned().chain(repeated).collect();
        (Just(events), Just(all).prop_shuffle(), Just(size))
            .prop_map(|(events, all, size)| (events, all.chunks(size).map(<[Event]>::to_vec).collect()))
    })
}

fn check(records: Records, model: fn(&[Event]) -> BTreeSet<Row>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) };
    proptest!(config, |((events, batches) in events().prop_flat_map(replays))| {
        runtime.block_on(async {
            let mut sink = bench.sink(records).await;
            bench.run(doc! {"delete": "people", "deletes": [{"q": {}, "limit": 0}]}).await;
            for batch in &batches {
                prop_assert_eq!(write(&mut sink, batch).await.len(), batch.len());
            }
            let dump = bench.dump().await;
            prop_assert_eq!(rows(&dump), model(&events));
            let mut other = bench.sink(records).await;
            for batch in &batches {
                let answers = write(&mut other, batch).await;
                prop_assert!(answers.iter().all(|answer| *answer == Ok(Outcome::Stale)), "{:?}", answers);
            }
            prop_assert_eq!(bench.dump().await, dump);
            Ok(())
        })?;
    });
    runtime.block_on(bench.end());
}

#[test]
fn a_latest_collection_ends_as_the_model_in_any_order() {
    check(Records::Latest, latest);
}

#[test]
fn an_append_collection_ends_as_the_model_in_any_order() {
    check(Records::Append, append);
}
