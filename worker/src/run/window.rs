//! Batches in flight. Several are in flight at once, so that a slow store doesn't delay the next
//! batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_stores::{Answer, FilePosition};

use super::{Transformed, message::CommitTarget};

/// Batches in flight, at most. More small ones are allowed, up to a total number of events.
const MAX_BATCHES: usize = 4;
pub(super) const MAX_SMALL_BATCHES: usize = 32;
const MAX_SMALL_EVENTS: u64 = 1_000;

/// A batch in flight.
pub(super) struct InFlightBatch {
    pub transformed: Arc<Transformed>,
    /// The answers of each sink.
    pub answers: Vec<Option<Vec<Answer>>>,
    /// The mark of each sink after the batch, for sinks that have marks.
    pub marks: Vec<Option<FilePosition>>,
    /// Whether its dead letters are written.
    pub dead_letters_written: bool,
    since: Instant,
}

impl InFlightBatch {
    /// Returns a batch that no sink has acknowledged yet.
    pub(super) fn new(transformed: Arc<Transformed>, sinks: usize) -> Self {
        Self {
            answers: vec![None; sinks],
            marks: vec![None; sinks],
            dead_letters_written: transformed.letters.is_empty(),
            since: Instant::now(),
            transformed,
        }
    }

    fn is_written(&self) -> bool {
        self.dead_letters_written && self.answers.iter().all(Option::is_some)
    }

    /// Returns whether it may be committed before earlier batches. The offsets of a group are
    /// ordered when they are acknowledged; marks and the offsets of files are not. A duplicate waits
    /// for the event that it repeats, because a sink may still refuse that one.
    fn may_commit_out_of_order(&self) -> bool {
        let in_vault = self.transformed.batches.iter().any(|part| matches!(part.commit_to, CommitTarget::Vault(_)));
        !in_vault && self.transformed.duplicates.is_empty() && self.marks.iter().all(Option::is_none)
    }
}

/// Batches in flight, by number.
#[derive(Default)]
pub(super) struct Window(BTreeMap<u64, InFlightBatch>);

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Says what has been slow: the sinks (and the dead letter) that have not answered for `long`,
    /// or else the transform, which still sends batches.
    pub(super) fn slow(&self, long: Duration, names: &[String]) -> String {
        let mut waited_for = BTreeSet::new();
        for batch in self.0.values().filter(|batch| batch.since.elapsed() >= long) {
            let missing = batch.answers.iter().zip(names).filter(|(answer, _)| answer.is_none());
            waited_for.extend(missing.map(|(_, name)| format!("the store of sink {name}")));
            waited_for.extend((!batch.dead_letters_written).then(|| "the store of the dead letter".to_owned()));
        }
        if waited_for.is_empty() {
            return "the transform of events was slow".to_owned();
        }
        let waited_for: Vec<String> = waited_for.into_iter().collect();
        format!("{} did not answer", waited_for.join(" and "))
    }

    pub(super) fn has_capacity(&self) -> bool {
        let is_small =
            || self.0.values().map(|in_flight| in_flight.transformed.counts.events).sum::<u64>() < MAX_SMALL_EVENTS;
        self.0.len() < MAX_BATCHES || self.0.len() < MAX_SMALL_BATCHES && is_small()
    }

    pub(super) fn insert(&mut self, number: u64, batch: InFlightBatch) {
        self.0.insert(number, batch);
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut InFlightBatch> {
        self.0.get_mut(&number)
    }

    /// Returns how many ids of refused events the oldest batch knew.
    pub(super) fn forgotten(&self) -> Option<u64> {
        self.0.values().next().map(|batch| batch.transformed.forgotten)
    }

    /// Takes out the oldest batch that every sink has acknowledged and that may be committed now.
    pub(super) fn take_written(&mut self) -> Option<InFlightBatch> {
        let mut all = self.0.iter().enumerate();
        let (_, (&number, _)) =
            all.find(|(place, (_, batch))| batch.is_written() && (*place == 0 || batch.may_commit_out_of_order()))?;
        self.0.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::record::IncomingBatch;

    use super::*;
    use crate::{counts::Counts, run::message::SourceBatch};

    fn in_flight(events: u64, in_vault: bool, is_written: bool) -> InFlightBatch {
        let batch = IncomingBatch {
            stream: Arc::from("in.ndjson"),
            incarnation: Arc::default(),
            bytes: vec![],
            records: vec![],
            next_offset: 1,
        };
        let commit_to = CommitTarget::Vault(FilePosition { offset: 1, fingerprint: None });
        let batches = if in_vault { vec![SourceBatch { batch, commit_to }] } else { vec![] };
        let counts = Counts { events, ..Counts::default() };
        let transformed = Transformed {
            batches,
            outgoing: vec![],
            ends: vec![],
            letters: vec![],
            duplicates: vec![],
            forgotten: 0,
            counts,
        };
        InFlightBatch {
            transformed: Arc::new(transformed),
            answers: vec![is_written.then(Vec::new)],
            marks: vec![None],
            dead_letters_written: true,
            since: Instant::now(),
        }
    }

    #[test]
    fn what_was_slow_is_named() {
        let names = ["profiles".to_owned()];
        let mut window = Window::default();
        window.insert(1, in_flight(1, false, false));
        let (now, later) = (Duration::ZERO, Duration::from_secs(3_600));
        assert_eq!(window.slow(now, &names), "the store of sink profiles did not answer");
        assert_eq!(window.slow(later, &names), "the transform of events was slow", "the batch was only just sent");
        window.insert(2, InFlightBatch { dead_letters_written: false, ..in_flight(1, false, true) });
        let both = "the store of sink profiles and the store of the dead letter did not answer";
        assert_eq!(window.slow(now, &names), both);
    }

    #[test]
    fn an_acknowledged_batch_waits_for_earlier_ones_only_if_its_offsets_are_ordered() {
        let mut window = Window::default();
        for (number, batch) in [(1, (5, true, false)), (2, (6, false, true)), (3, (7, true, true))] {
            window.insert(number, in_flight(batch.0, batch.1, batch.2));
        }
        assert_eq!(window.take_written().unwrap().transformed.counts.events, 6);
        assert!(window.take_written().is_none(), "its offset would be committed before an earlier one");
        window.get_mut(1).unwrap().answers[0] = Some(Vec::new());
        assert_eq!(
            [
                window.take_written().unwrap().transformed.counts.events,
                window.take_written().unwrap().transformed.counts.events
            ],
            [5, 7]
        );
        assert!(window.take_written().is_none());
    }

    #[test]
    fn a_batch_with_a_mark_is_committed_in_order() {
        let mut window = Window::default();
        window.insert(1, in_flight(1, false, false));
        let mark = FilePosition { offset: 40, fingerprint: None };
        window.insert(2, InFlightBatch { marks: vec![Some(mark)], ..in_flight(1, false, true) });
        assert!(window.take_written().is_none());
    }

    #[test]
    fn a_batch_with_duplicates_waits_for_the_events_that_they_repeat() {
        let mut window = Window::default();
        window.insert(1, in_flight(1, false, false));
        let batch = in_flight(1, false, true);
        let transformed = Transformed {
            batches: vec![],
            outgoing: vec![],
            ends: vec![],
            letters: vec![],
            duplicates: vec![(0, 0, lethe_core::version::IdDigest::of(b"e-1"))],
            forgotten: 0,
            counts: Counts::default(),
        };
        window.insert(2, InFlightBatch { transformed: Arc::new(transformed), ..batch });
        assert!(window.take_written().is_none());
    }

    #[test]
    fn few_large_batches_or_many_small_ones_are_in_flight() {
        let most = |events: u64| {
            let mut window = Window::default();
            while window.has_capacity() {
                window.insert(window.len() as u64, in_flight(events, false, false));
            }
            window.len()
        };
        assert_eq!([most(1_000), most(200), most(1)], [MAX_BATCHES, 5, MAX_SMALL_BATCHES]);
    }
}
