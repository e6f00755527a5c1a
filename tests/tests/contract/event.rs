//! Events of the laws, and how they are generated.

use std::sync::LazyLock;

use lethe_core::record::{Body, Outgoing, OutgoingBatch};
use lethe_stores::{Answer, Sink};
use proptest::prelude::*;

use crate::fixture::Subjects;

/// How old a record may become, in milliseconds.
pub const AGE: i64 = 86_400_000;

/// When the run began, in milliseconds since 1970. Cassandra counts a life from now, so events are
/// of today.
static BEGAN: LazyLock<i64> = LazyLock::new(|| jiff::Timestamp::now().as_millisecond());

/// An event. Its version and id decide the rest, as in a real source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Its subject.
    pub subject: u8,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// It deletes the profile.
    pub is_deletion: bool,
    /// Written in place of the usual document.
    pub json: Option<String>,
    /// It never expires.
    pub stays: bool,
}

/// An event with the usual document.
pub fn event(subject: u8, id: &str, version: i64) -> Event {
    Event { subject, id: id.to_owned(), version, is_deletion: false, json: None, stays: false }
}

/// An event that deletes the profile.
pub fn deletion(subject: u8, id: &str, version: i64) -> Event {
    Event { is_deletion: true, ..event(subject, id, version) }
}

/// An event with another document.
pub fn with_json(subject: u8, id: &str, version: i64, json: &str) -> Event {
    Event { json: Some(json.to_owned()), ..event(subject, id, version) }
}

impl Event {
    /// Milliseconds since 1970.
    pub fn time(&self) -> i64 {
        *BEGAN + self.version.div_euclid(1000)
    }

    /// When it expires.
    pub fn expires(&self) -> Option<i64> {
        (!self.stays).then(|| self.time() + AGE)
    }

    /// Its document: the id is shown as `/plan`, the version as `/address/city`.
    pub fn document(&self, of: &Subjects) -> String {
        self.json.clone().unwrap_or_else(|| {
            format!(
                "{{\"subject_ref\":\"{}\",\"event_id\":\"{}\",\"event_time\":\"{}\",\"plan\":\"{}\",\
                 \"address\":{{\"city\":\"{}\"}},\"age\":41,\"score\":0.5}}",
                of.reference(self.subject),
                self.id,
                rfc3339(self.time()),
                self.id,
                self.version
            )
        })
    }
}

/// `2026-11-21T09:28:01.123Z`.
pub fn rfc3339(millis: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap())
}

/// Events as a sink takes them.
pub fn batch(of: &Subjects, events: &[Event]) -> OutgoingBatch {
    let mut batch = OutgoingBatch::default();
    for event in events {
        let mut put = |text: &str| {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(text.as_bytes());
            start..batch.bytes.len()
        };
        let event_id = put(&event.id);
        let body = if event.is_deletion { Body::Delete } else { Body::Document(put(&event.document(of))) };
        batch.records.push(Outgoing {
            subject: of.reference(event.subject),
            event_id,
            version: event.version,
            time: event.time(),
            offset: 0,
            expires: event.expires(),
            body,
        });
    }
    batch
}

/// Writes events; returns the answers.
pub async fn write(sink: &mut impl Sink, of: &Subjects, events: &[Event]) -> Vec<Answer> {
    let answers = sink.write(&batch(of, events)).await.unwrap();
    assert_eq!(answers.len(), events.len());
    answers
}

/// Few subjects, ids and versions, so that events collide; times on both sides of a millisecond.
/// The rewrite digit is a function of the rest: a source does not know it.
pub fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0u8..3, "[ab]", -3i64..6).prop_map(|(subject, id, step)| {
        let version = step * 500 + i64::from(subject) * 10 + step.rem_euclid(4);
        Event { is_deletion: (step + i64::from(id == "b")).rem_euclid(4) == 0, ..event(subject, &id, version) }
    });
    prop::collection::vec(one, 1..14)
}

/// The same without two events of one subject and version.
pub fn untied() -> impl Strategy<Value = Vec<Event>> {
    events().prop_map(|mut events| {
        let mut versions = std::collections::BTreeSet::new();
        events.retain(|event| versions.insert((event.subject, event.version)));
        events
    })
}

/// Events, and the same in another order, some of them twice or more, in batches.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The events of the source.
    pub events: Vec<Event>,
    /// As they are written.
    pub batches: Vec<Vec<Event>>,
}

/// Replays of events.
pub fn replays(of: impl Strategy<Value = Vec<Event>>) -> impl Strategy<Value = Replay> {
    of.prop_flat_map(|events| {
        let repeated = prop::collection::vec(prop::sample::select(events.clone()), 0..20);
        (Just(events), repeated, 1usize..8).prop_flat_map(|(events, repeated, size)| {
            let all: Vec<Event> = events.iter().cloned().chain(repeated).collect();
            (Just(events), Just(all).prop_shuffle(), Just(size)).prop_map(|(events, all, size)| Replay {
                events,
                batches: all.chunks(size).map(<[Event]>::to_vec).collect(),
            })
        })
    })
}
