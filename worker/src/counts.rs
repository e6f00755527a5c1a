//! Counters of outcomes. Every event has exactly one outcome per sink, so that they add up.

use std::collections::BTreeMap;

use lethe_core::{outcome::Outcome, reason::Reason};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// Outcomes at one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts([u64; Outcome::ALL.len()]);

impl SinkCounts {
    /// Counts events with an outcome.
    pub fn add(&mut self, outcome: Outcome, events: u64) {
        self.0[outcome as usize] += events;
    }

    /// Returns how many events had this outcome.
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// Returns how many events there were.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Serialize for SinkCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Outcome::ALL.len()))?;
        for outcome in Outcome::ALL {
            map.serialize_entry(outcome.name(), &self.get(outcome))?;
        }
        map.end()
    }
}

/// Outcomes of the events of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Events read.
    pub events: u64,
    /// Bytes of the events' values.
    pub bytes: u64,
    /// Outcomes by sink.
    pub sinks: BTreeMap<String, SinkCounts>,
    /// Rejected events by reason code.
    pub rejected: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Adds the counts of a batch.
    pub fn merge(&mut self, other: &Counts) {
        self.events += other.events;
        self.bytes += other.bytes;
        for (sink, counts) in &other.sinks {
            let mine = self.sinks.entry(sink.clone()).or_default();
            for outcome in Outcome::ALL {
                mine.add(outcome, counts.get(outcome));
            }
        }
        for (reason, events) in &other.rejected {
            *self.rejected.entry(reason).or_default() += events;
        }
    }

    /// Counts an event that has the same outcome at every sink.
    pub fn everywhere(&mut self, outcome: Outcome) {
        for counts in self.sinks.values_mut() {
            counts.add(outcome, 1);
        }
    }

    /// Changes the outcome of an event that was counted as a duplicate at every sink.
    pub fn no_duplicate(&mut self, outcome: Outcome) {
        for counts in self.sinks.values_mut() {
            counts.0[Outcome::Duplicate as usize] -= 1;
            counts.add(outcome, 1);
        }
    }

    /// Counts a rejected event.
    pub fn reject(&mut self, reason: Reason) {
        self.everywhere(Outcome::Rejected);
        *self.rejected.entry(reason.code()).or_default() += 1;
    }
}
