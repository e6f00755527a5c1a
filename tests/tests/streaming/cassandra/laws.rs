//! What a table holds is a function of the events written to it: not of their order, nor of how often
//! each came, nor of how they fell into batches. Checked against a model in memory.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use lethe_core::version::{Order, Version};
use lethe_crds::profile_pipeline::Records::{Append, Latest};
use proptest::prelude::*;

use super::*;

fn compare(a: &Event, b: &Event) -> Ordering {
    let order = |event: &Event| Version::from_stored(event.version).without_rewrite();
    Order::new(order(a), a.id.as_bytes()).cmp(&Order::new(order(b), b.id.as_bytes()))
}

/// Subject, event, version.
type Place = (u8, String, i64);
type Model = fn(&[Event]) -> BTreeSet<Place>;

fn place(event: &Event) -> Place {
    (event.subject, event.id.clone(), event.version)
}

/// Of each subject the event that is greatest; none, where that is a deletion.
fn latest(events: &[Event]) -> BTreeSet<Place> {
    let mut state: BTreeMap<u8, &Event> = BTreeMap::new();
    for event in events {
        let newest = state.entry(event.subject).or_insert(event);
        if compare(event, newest).is_gt() {
            *newest = event;
        }
    }
    state.into_values().filter(|event| !event.delete).map(place).collect()
}

/// Of each subject and id the greatest version, but for those that a deletion covers.
fn by_id(events: &[Event]) -> BTreeSet<Place> {
    let mut state: BTreeMap<(u8, &str), &Event> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.delete) {
        let newest = state.entry((event.subject, &event.id)).or_insert(event);
        if event.version > newest.version {
            *newest = event;
        }
    }
    state.into_values().filter(|event| !is_covered(event, events)).map(place).collect()
}

/// Every event, but for those that a deletion covers: with its time in the key, an id that comes with two
/// times is two events.
fn by_time(events: &[Event]) -> BTreeSet<Place> {
    let mut state: BTreeMap<(u8, &str, i64), &Event> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.delete) {
        let newest = state.entry((event.subject, &event.id, event.time())).or_insert(event);
        if event.version > newest.version {
            *newest = event;
        }
    }
    state.into_values().filter(|event| !is_covered(event, events)).map(place).collect()
}

fn is_covered(event: &Event, by: &[Event]) -> bool {
    by.iter().any(|other| other.delete && other.subject == event.subject && compare(event, other).is_le())
}

fn places(dump: &[Row]) -> BTreeSet<Place> {
    dump.iter().map(|row| (row.subject(), row.text("event_id"), row.cells["version"].as_i64().unwrap())).collect()
}

/// Few subjects, ids and versions, so that events collide; times on both sides of a millisecond. The
/// rewrite digit is a function of the rest: a source doesn't know it.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0u8..3, "[ab]", -3i64..6).prop_map(|(subject, id, step)| {
        let version = step * 500 + i64::from(subject) * 10 + step.rem_euclid(4);
        Event { delete: (step + i64::from(id == "b")).rem_euclid(4) == 0, ..event(subject, &id, version) }
    });
    prop::collection::vec(one, 1..14)
}

/// The same without two events of one subject and version.
fn untied() -> impl Strategy<Value = Vec<Event>> {
    events().prop_map(|mut events| {
        let mut seen = BTreeSet::new();
        events.retain(|event| seen.insert((event.subject, event.version)));
        events
    })
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

/// Who writes the batches.
#[derive(Clone, Copy, PartialEq)]
enum Writers {
    /// One worker, which remembers what it wrote.
    One,
    /// A worker for each batch, which knows of no other.
    Many,
}

impl Writers {
    /// To open a table takes as long as ten batches.
    const fn cases(self) -> u32 {
        match self {
            Writers::One => 24,
            Writers::Many => 12,
        }
    }
}

fn check(
    records: Records,
    table: &str,
    clustering: &[&str],
    of: BoxedStrategy<Vec<Event>>,
    writers: Writers,
    model: Model,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let sink = declared(&bench::shared(), table, clustering);
    let table = CassandraTable { sink, records, max_age: Some(AGE) };
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(writers.cases()) };
    proptest!(config, |((events, batches) in of.prop_flat_map(replays))| {
        runtime.block_on(async {
            bench.renew();
            let mut dumps = Vec::new();
            // The second time is the replay.
            for _ in 0..2 {
                let mut sink = bench.open(&table).await;
                for batch in &batches {
                    if writers == Writers::Many {
                        sink = bench.open(&table).await;
                    }
                    prop_assert!(bench.write(&mut sink, batch).await.iter().all(Result::is_ok));
                }
                dumps.push(bench.dump(&table).await);
            }
            prop_assert_eq!(places(&dumps[0]), model(&events));
            prop_assert_eq!(&dumps[1], &dumps[0]);
            for row in &dumps[0] {
                // A tie is won by a raised rewrite digit, which counts for nothing else.
                let version = |of| Version::from_stored(of).without_rewrite();
                prop_assert_eq!(version(row.written), version(row.cells["version"].as_i64().unwrap()));
            }
            Ok(())
        })?;
    });
}

#[test]
fn a_latest_table_ends_as_the_model_in_any_order() {
    check(Latest, "latest", &[], events().boxed(), Writers::One, latest);
}

#[test]
fn a_latest_table_of_many_workers_ends_as_the_model_in_any_order() {
    check(Latest, "latest", &[], untied().boxed(), Writers::Many, latest);
}

#[test]
fn an_append_table_ends_as_the_model_in_any_order() {
    check(Append, "history", &["event_time", "event_id"], events().boxed(), Writers::One, by_time);
}

#[test]
fn an_append_table_without_times_in_its_key_ends_as_the_model_in_any_order() {
    check(Append, "events", &["event_id"], events().boxed(), Writers::One, by_id);
}
