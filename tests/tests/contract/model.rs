//! What a place holds once every event was written, whatever the order: the model that the laws
//! compare stores with.

use std::{cmp::Ordering, collections::BTreeMap};

use lethe_core::version::{Order, Version};

use crate::{
    event::Event,
    fixture::{Deletion, Seen, Shape},
};

/// Compares two events of a subject: by version without the rewrite digit, then by id.
pub fn compare(a: &Event, b: &Event) -> Ordering {
    let order = |event: &Event| Version::from_stored(event.version).without_rewrite();
    Order::new(order(a), a.id.as_bytes()).cmp(&Order::new(order(b), b.id.as_bytes()))
}

/// What a place of this shape shows, in the order of subject, version and id.
pub fn model(shape: Shape, deletion: Deletion, events: &[Event]) -> Vec<Seen> {
    let mut found: Vec<&Event> = match shape {
        Shape::Latest => latest(events),
        Shape::Append => uncovered(events, |event| (event.subject, event.id.clone(), 0)),
        Shape::AppendByTime => uncovered(events, |event| (event.subject, event.id.clone(), event.time())),
    };
    if shape != Shape::Latest {
        let deletions: Vec<Event> = events.iter().filter(|event| event.is_deletion).cloned().collect();
        let newest: Vec<Event> = latest(&deletions).into_iter().cloned().collect();
        found.extend(events.iter().filter(|event| newest.contains(event)));
    }
    let mut seen: Vec<Seen> = found
        .into_iter()
        .filter(|event| !event.is_deletion || deletion == Deletion::Marker)
        .map(|event| Seen {
            subject: event.subject,
            version: event.version,
            id: event.id.clone(),
            is_deleted: event.is_deletion,
            plan: (!event.is_deletion).then(|| event.id.clone()),
            city: (!event.is_deletion).then(|| event.version.to_string()),
        })
        .collect();
    seen.sort();
    seen.dedup();
    seen
}

/// Of each subject the greatest event.
fn latest(events: &[Event]) -> Vec<&Event> {
    let mut state: BTreeMap<u8, &Event> = BTreeMap::new();
    for event in events {
        let newest = state.entry(event.subject).or_insert(event);
        if compare(event, newest).is_gt() {
            *newest = event;
        }
    }
    state.into_values().collect()
}

/// Of each key the greatest version, but for the events that a deletion covers.
fn uncovered<K: Ord>(events: &[Event], key: impl Fn(&Event) -> K) -> Vec<&Event> {
    let mut state: BTreeMap<K, &Event> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.is_deletion) {
        let newest = state.entry(key(event)).or_insert(event);
        if event.version > newest.version {
            *newest = event;
        }
    }
    let is_covered = |event: &&Event| {
        events.iter().any(|other| other.is_deletion && other.subject == event.subject && compare(event, other).is_le())
    };
    state.into_values().filter(|event| !is_covered(event)).collect()
}
