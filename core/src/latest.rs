//! Which records of a batch a sink of the latest state writes: the newest of each subject.
//!
//! Some stores cannot compare event ids: Cassandra takes the higher timestamp, cell by cell, and a
//! topic keeps the last record. For them, a memory holds the last event that was written for a
//! subject. Without it, two events of one version would mix, and an old event could follow a new
//! one. The memory is bounded and is lost in a restart; docs/operations.md explains the
//! consequences.

use std::cmp::Reverse;

use hashbrown::HashMap;

use crate::{
    identity::Reference,
    outcome::Outcome,
    record::OutgoingBatch,
    version::{Order, Version},
};

/// The last event that was written for each of many subjects.
pub struct Latest {
    /// The most subjects in each of the two generations.
    half: usize,
    young: HashMap<Reference, Last>,
    old: HashMap<Reference, Last>,
}

/// The last event that was written for a subject.
#[derive(Clone)]
struct Last {
    /// The version that it was written with.
    version: i64,
    id: Box<[u8]>,
}

/// A record to write for its subject, and the records that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Index of the record in its batch.
    pub record: usize,
    /// The version to write it with: its own, or one above that of an event of the same version.
    pub version: i64,
    /// The version that the subject's last event was written with.
    known: Option<i64>,
    /// Records that it replaces, newest last. If it is refused, [`Pick::fall_back`] returns the
    /// newest.
    replaced: Vec<usize>,
}

impl Pick {
    /// Returns the record to write after this one was refused: the newest that it replaced, if any.
    #[must_use]
    pub fn fall_back(mut self, batch: &OutgoingBatch) -> Option<Self> {
        let record = self.replaced.pop()?;
        let version = above(self.known, batch.records[record].version);
        Some(Self { record, version, known: self.known, replaced: self.replaced })
    }
}

impl Latest {
    /// Returns a memory of at least `subjects` subjects and at most twice as many, of about 150
    /// bytes each.
    pub fn new(subjects: usize) -> Self {
        Self { half: subjects.max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// Chooses what to write of a batch. Returns an outcome for each record (`Superseded` or
    /// `Stale`; the sink replaces those of the picked records) and one pick for each subject that
    /// has something to write.
    pub fn choose(&self, batch: &OutgoingBatch) -> (Vec<Outcome>, Vec<Pick>) {
        let mut outcomes = vec![Outcome::Superseded; batch.records.len()];
        let mut order: Vec<usize> = (0..batch.records.len()).collect();
        let key = |at: usize| (batch.records[at].subject, place(batch, at));
        // Of an event that is in the batch twice, the first counts.
        order.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)).then_with(|| Reverse(*a).cmp(&Reverse(*b))));
        let mut picks = Vec::new();
        for group in order.chunk_by(|a, b| batch.records[*a].subject == batch.records[*b].subject) {
            let Some(last) = group.last() else { continue };
            let known = self.last(&batch.records[*last].subject);
            let floor = known.map(|last| Order::new(Version::from_stored(last.version), &last.id));
            let mut candidates: Vec<usize> = Vec::with_capacity(group.len());
            for (at, record) in group.iter().enumerate() {
                let is_again = group.get(at + 1).is_some_and(|next| place(batch, *next) == place(batch, *record));
                if is_again || floor.as_ref().is_some_and(|floor| place(batch, *record) <= *floor) {
                    outcomes[*record] = Outcome::Stale;
                } else {
                    candidates.push(*record);
                }
            }
            if let Some(record) = candidates.pop() {
                let known = known.map(|last| last.version);
                let version = above(known, batch.records[record].version);
                picks.push(Pick { record, version, known, replaced: candidates });
            }
        }
        (outcomes, picks)
    }

    /// Remembers that the store has written a picked record.
    pub fn remember(&mut self, batch: &OutgoingBatch, pick: &Pick) {
        let record = &batch.records[pick.record];
        let last = Last { version: pick.version, id: batch.bytes[record.event_id.clone()].into() };
        if self.young.len() >= self.half && !self.young.contains_key(&record.subject) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(record.subject, last);
    }

    fn last(&self, subject: &Reference) -> Option<&Last> {
        self.young.get(subject).or_else(|| self.old.get(subject))
    }
}

/// Returns a record's own version, or one above `known` if the two are otherwise equal.
fn above(known: Option<i64>, own: i64) -> i64 {
    let floor = |version: i64| Version::from_stored(version).without_rewrite();
    match known {
        Some(tied) if floor(tied) == floor(own) => {
            let tied = Version::from_stored(tied);
            // A tenth tie within one millisecond and slot stays at nine.
            tied.rewritten().unwrap_or(tied).get()
        }
        _ => own,
    }
}

fn place(batch: &OutgoingBatch, at: usize) -> Order<'_> {
    let record = &batch.records[at];
    Order::new(Version::from_stored(record.version), &batch.bytes[record.event_id.clone()])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::record::{Body, Outgoing};

    fn batch(events: &[(u8, i64, &str)]) -> OutgoingBatch {
        let mut batch = OutgoingBatch::default();
        for (subject, version, id) in events {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(id.as_bytes());
            batch.records.push(Outgoing {
                subject: Reference([*subject; 32]),
                event_id: start..batch.bytes.len(),
                version: *version,
                time: 0,
                offset: 0,
                expires: None,
                body: Body::Delete,
            });
        }
        batch
    }

    fn write(latest: &mut Latest, events: &[(u8, i64, &str)]) -> (Vec<Outcome>, Vec<(usize, i64)>) {
        let batch = batch(events);
        let (outcomes, picks) = latest.choose(&batch);
        for pick in &picks {
            latest.remember(&batch, pick);
        }
        (outcomes, picks.into_iter().map(|pick| (pick.record, pick.version)).collect())
    }

    #[test]
    fn the_newest_of_each_subject_is_written_and_the_others_are_superseded() {
        use Outcome::{Stale, Superseded};
        let mut latest = Latest::new(10);
        let (outcomes, picks) = write(&mut latest, &[(1, 10, "a"), (1, 30, "b"), (2, 10, "c"), (1, 20, "d")]);
        assert_eq!(outcomes, [Superseded; 4]);
        assert_eq!(picks, [(1, 30), (2, 10)]);
        let (outcomes, picks) = write(&mut latest, &[(1, 30, "b"), (1, 40, "e"), (1, 40, "e")]);
        assert_eq!((outcomes, picks), (vec![Stale, Superseded, Stale], vec![(1, 40)]));
    }

    #[test]
    fn of_two_events_of_one_version_the_greater_id_wins_in_either_order() {
        let mut latest = Latest::new(10);
        assert_eq!(write(&mut latest, &[(1, 10, "a")]).1, [(0, 10)]);
        assert_eq!(write(&mut latest, &[(1, 10, "b")]).1, [(0, 11)], "its cells must win over those of the loser");
        assert_eq!(write(&mut latest, &[(1, 10, "c")]).1, [(0, 12)]);
        assert_eq!(write(&mut latest, &[(1, 10, "b")]), (vec![Outcome::Stale], vec![]));
        assert_eq!(write(&mut latest, &[(1, 20, "a")]).1, [(0, 20)]);
    }

    #[test]
    fn the_record_that_a_refused_one_replaced_is_written() {
        let batch = batch(&[(1, 10, "a"), (1, 30, "c"), (1, 20, "b")]);
        let (_, mut picks) = Latest::new(10).choose(&batch);
        let first = picks.remove(0);
        let second = first.fall_back(&batch);
        assert_eq!(second.as_ref().map(|pick| (pick.record, pick.version)), Some((2, 20)));
        let third = second.and_then(|pick| pick.fall_back(&batch));
        assert_eq!(third.as_ref().map(|pick| (pick.record, pick.version)), Some((0, 10)));
        assert_eq!(third.and_then(|pick| pick.fall_back(&batch)), None);
    }

    #[test]
    fn a_record_written_in_place_of_a_refused_one_wins_its_tie_too() {
        let mut latest = Latest::new(10);
        write(&mut latest, &[(1, 10, "a")]);
        let batch = batch(&[(1, 10, "b"), (1, 30, "c")]);
        let second = latest.choose(&batch).1.remove(0).fall_back(&batch);
        assert_eq!(second.map(|pick| (pick.record, pick.version)), Some((0, 11)));
    }

    #[test]
    fn a_recently_written_subject_is_remembered() {
        let mut latest = Latest::new(2);
        for subject in 1..=9 {
            write(&mut latest, &[(subject, 10, "a")]);
            assert_eq!(write(&mut latest, &[(subject, 10, "a")]).1, []);
            assert!(latest.young.len() + latest.old.len() <= 4);
        }
    }

    proptest! {
        /// A store that takes a write exactly if its version is higher ends as the order of events
        /// demands.
        #[test]
        fn a_store_that_knows_versions_only_ends_with_the_greatest_event(
            batches in prop::collection::vec(
                prop::collection::vec((0_u8..3, 0_i64..4, "[ab]{1,2}"), 0..6), 0..8),
        ) {
            let mut latest = Latest::new(100);
            let mut store: BTreeMap<u8, (i64, String)> = BTreeMap::new();
            let mut model: BTreeMap<u8, (i64, String)> = BTreeMap::new();
            for events in &batches {
                let events: Vec<_> = events.iter().map(|(s, v, id)| (*s, v * 10, id.as_str())).collect();
                for (record, version) in write(&mut latest, &events).1 {
                    let (subject, _, id) = events[record];
                    let there = store.get(&subject).map_or(i64::MIN, |(version, _)| *version);
                    prop_assert!(there != version, "equal versions mix");
                    if version > there {
                        store.insert(subject, (version, id.to_owned()));
                    }
                }
                for (subject, version, id) in events {
                    let event = (version, id.to_owned());
                    model.entry(subject).and_modify(|last| *last = event.clone().max(last.clone())).or_insert(event);
                }
            }
            let floors = |of: BTreeMap<u8, (i64, String)>| {
                of.into_iter().map(|(s, (version, id))| (s, version - version % 10, id)).collect::<Vec<_>>()
            };
            prop_assert_eq!(floors(store), floors(model));
        }
    }
}
