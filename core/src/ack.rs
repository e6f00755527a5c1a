//! Which offsets may be committed: an offset is, once every record before it is acknowledged.
//!
//! ```text
//! assign ──> begin ──> acknowledge ──> take_committable ──> revoke
//!              └── any number in flight, acknowledged in any order ──┘
//! ```
//!
//! A partition that is revoked and assigned again has a new generation. Acknowledgements of the
//! earlier one are ignored, because another consumer may have read on from there in the meantime.

use std::collections::{BTreeMap, VecDeque};

/// The spans in flight of the partitions of one topic.
#[derive(Debug, Default)]
pub struct Tracker {
    generation: u64,
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug)]
struct Partition {
    generation: u64,
    /// Number of the first span in flight.
    first: u64,
    /// Spans in flight, oldest first: the offset after each, and whether it is acknowledged.
    spans: VecDeque<(u64, bool)>,
    /// Everything before this offset is acknowledged.
    done: u64,
    /// The offset that was taken last to be committed; `None` if it must be taken again.
    taken: Option<u64>,
}

/// A run of records of one partition that is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    partition: i32,
    generation: u64,
    span: u64,
}

impl Ticket {
    /// Returns the number of the assignment of the partition.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl Tracker {
    /// Starts to track a partition from `offset` on. `is_committed` says whether this offset is
    /// already committed; if not, it is the first one to commit.
    pub fn assign(&mut self, partition: i32, offset: u64, is_committed: bool) {
        self.generation += 1;
        let generation = self.generation;
        let taken = is_committed.then_some(offset);
        let fresh = Partition { generation, first: 0, spans: VecDeque::new(), done: offset, taken };
        self.partitions.insert(partition, fresh);
    }

    /// Stops tracking a partition.
    pub fn revoke(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Starts a span that ends before offset `next`. The spans of a partition must begin in the
    /// order of their offsets. Returns `None` if the partition is not assigned.
    pub fn begin(&mut self, partition: i32, next: u64) -> Option<Ticket> {
        let of = self.partitions.get_mut(&partition)?;
        let span = of.first + of.spans.len() as u64;
        of.spans.push_back((next, false));
        Some(Ticket { partition, generation: of.generation, span })
    }

    /// Marks the records before `next` as never to be read, so that only the spans in flight hold
    /// back the offset.
    pub fn skip(&mut self, partition: i32, next: u64) {
        if let Some(ticket) = self.begin(partition, next) {
            self.acknowledge(&ticket);
        }
    }

    /// Returns the offset after the last span of a partition; `None` if it is not assigned.
    pub fn next(&self, partition: i32) -> Option<u64> {
        let of = self.partitions.get(&partition)?;
        Some(of.spans.back().map_or(of.done, |(next, _)| *next))
    }

    /// Returns the number of the current assignment of a partition; `None` if it is not assigned.
    pub fn generation(&self, partition: i32) -> Option<u64> {
        self.partitions.get(&partition).map(|of| of.generation)
    }

    /// Marks a span as held by every sink and the dead letter.
    pub fn acknowledge(&mut self, ticket: &Ticket) {
        let Some(of) = self.partitions.get_mut(&ticket.partition) else { return };
        if of.generation != ticket.generation {
            return;
        }
        let at = ticket.span.checked_sub(of.first).and_then(|at| usize::try_from(at).ok());
        if let Some((_, acknowledged)) = at.and_then(|at| of.spans.get_mut(at)) {
            *acknowledged = true;
        }
        while let Some((next, true)) = of.spans.front() {
            of.done = of.done.max(*next);
            of.spans.pop_front();
            of.first += 1;
        }
    }

    /// Returns how many spans of a partition are in flight.
    pub fn in_flight(&self, partition: i32) -> usize {
        self.partitions.get(&partition).map_or(0, |of| of.spans.len())
    }

    /// Returns how many spans are in flight in all partitions.
    pub fn all_in_flight(&self) -> usize {
        self.partitions.values().map(|of| of.spans.len()).sum()
    }

    /// Returns the offset before which everything in a partition is acknowledged; `None` if it is
    /// not assigned.
    pub fn done(&self, partition: i32) -> Option<u64> {
        self.partitions.get(&partition).map(|of| of.done)
    }

    /// Returns the partitions whose offset to commit has moved since it was taken last, with that
    /// offset.
    pub fn take_committable(&mut self) -> Vec<(i32, u64)> {
        let mut moved = Vec::new();
        for (partition, of) in &mut self.partitions {
            if of.taken != Some(of.done) {
                of.taken = Some(of.done);
                moved.push((*partition, of.done));
            }
        }
        moved
    }

    /// Marks the offset taken last as not committed: the next call takes it again.
    pub fn not_taken(&mut self, partition: i32) {
        if let Some(of) = self.partitions.get_mut(&partition) {
            of.taken = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_span_acknowledged_out_of_order_waits_for_the_spans_before_it() {
        let mut tracker = Tracker::default();
        tracker.assign(0, 5, true);
        let (a, b) = (tracker.begin(0, 10).unwrap(), tracker.begin(0, 20).unwrap());
        tracker.acknowledge(&b);
        assert_eq!((tracker.take_committable(), tracker.in_flight(0)), (vec![], 2));
        tracker.acknowledge(&a);
        assert_eq!((tracker.take_committable(), tracker.in_flight(0)), (vec![(0, 20)], 0));
        assert_eq!(tracker.take_committable(), []);
        tracker.not_taken(0);
        assert_eq!(tracker.take_committable(), [(0, 20)]);
    }

    #[test]
    fn a_skip_waits_for_the_spans_before_it_and_offsets_never_go_back() {
        let mut tracker = Tracker::default();
        tracker.assign(0, 5, true);
        let under_way = tracker.begin(0, 10).unwrap();
        tracker.skip(0, 40);
        assert_eq!((tracker.take_committable(), tracker.next(0)), (vec![], Some(40)));
        tracker.acknowledge(&under_way);
        assert_eq!(tracker.take_committable(), [(0, 40)]);
        // It was read before and is begun after.
        let late = tracker.begin(0, 12).unwrap();
        tracker.acknowledge(&late);
        assert_eq!((tracker.take_committable(), tracker.done(0)), (vec![], Some(40)));
    }

    #[test]
    fn the_first_offset_of_a_group_is_committed_at_once() {
        let mut tracker = Tracker::default();
        tracker.assign(0, 7, false);
        assert_eq!(tracker.take_committable(), [(0, 7)]);
        assert_eq!(tracker.take_committable(), []);
    }

    #[test]
    fn a_ticket_of_an_earlier_generation_acknowledges_nothing() {
        let mut tracker = Tracker::default();
        tracker.assign(3, 0, true);
        let early = tracker.begin(3, 10).unwrap();
        tracker.revoke(3);
        tracker.acknowledge(&early);
        assert_eq!(tracker.begin(3, 11), None);
        tracker.assign(3, 0, true);
        tracker.begin(3, 10).unwrap();
        tracker.acknowledge(&early);
        assert_eq!(tracker.take_committable(), []);
    }

    #[derive(Clone, Debug)]
    enum Act {
        Assign(i32),
        Revoke(i32),
        Begin(i32, u64),
        Acknowledge(prop::sample::Index),
        Take,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            1 => (0..3).prop_map(Act::Assign),
            1 => (0..3).prop_map(Act::Revoke),
            6 => (0..3, 1_u64..5).prop_map(|(partition, records)| Act::Begin(partition, records)),
            6 => any::<prop::sample::Index>().prop_map(Act::Acknowledge),
            2 => Just(Act::Take),
        ]
    }

    /// A partition as the model keeps it: each record by itself.
    struct ModelPartition {
        generation: usize,
        base: u64,
        acknowledged: Vec<bool>,
    }

    proptest! {
        #[test]
        fn an_offset_is_taken_exactly_if_every_record_before_it_is_acknowledged(
            acts in prop::collection::vec(act(), 0..80),
        ) {
            let mut tracker = Tracker::default();
            let mut committed = [0_u64; 3];
            let mut ours: [Option<ModelPartition>; 3] = [None, None, None];
            let mut tickets = Vec::new();
            for (generation, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Assign(p) => {
                        let base = committed[p as usize];
                        ours[p as usize] = Some(ModelPartition { generation, base, acknowledged: Vec::new() });
                        tracker.assign(p, base, true);
                    }
                    Act::Revoke(p) => {
                        ours[p as usize] = None;
                        tracker.revoke(p);
                    }
                    Act::Begin(p, records) => {
                        let mine = ours[p as usize].as_mut();
                        let from = mine.as_ref().map_or(0, |mine| mine.acknowledged.len());
                        let next = mine.as_ref().map_or(0, |mine| mine.base) + from as u64 + records;
                        let ticket = tracker.begin(p, next);
                        prop_assert_eq!(ticket.is_some(), mine.is_some());
                        if let (Some(ticket), Some(mine)) = (ticket, mine) {
                            let range = from..from + records as usize;
                            mine.acknowledged.resize(range.end, false);
                            tickets.push((ticket, p, mine.generation, range));
                        }
                    }
                    Act::Acknowledge(which) if !tickets.is_empty() => {
                        let (ticket, p, generation, range) = tickets.remove(which.index(tickets.len()));
                        tracker.acknowledge(&ticket);
                        if let Some(mine) = ours[p as usize].as_mut().filter(|mine| mine.generation == generation) {
                            mine.acknowledged[range].fill(true);
                        }
                    }
                    Act::Acknowledge(_) => {}
                    Act::Take => {
                        for (p, offset) in tracker.take_committable() {
                            prop_assert!(offset > committed[p as usize], "it goes forward only");
                            committed[p as usize] = offset;
                        }
                        for (p, mine) in ours.iter().enumerate() {
                            let Some(mine) = mine else { continue };
                            let done = mine.acknowledged.iter().take_while(|done| **done).count() as u64;
                            let most = mine.base + done;
                            // Records of a span are acknowledged together, up to this offset and no
                            // further.
                            prop_assert_eq!(tracker.done(p as i32), Some(most));
                            prop_assert_eq!(committed[p], most);
                        }
                    }
                }
            }
        }
    }

    /// One thread takes records and commits, two acknowledge. In every order that a scheduler may
    /// choose, no offset is committed that is not acknowledged, also across a revocation.
    #[test]
    fn no_order_of_threads_commits_an_offset_that_is_not_acknowledged() {
        use shuttle::{
            sync::{Arc, Mutex, mpsc},
            thread,
        };
        const RECORDS: usize = 5;
        shuttle::check_random(
            || {
                let tracker = Arc::new(Mutex::new(Tracker::default()));
                let acknowledged = Arc::new(Mutex::new([false; RECORDS]));
                let sinks: Vec<_> = (0..2)
                    .map(|_| {
                        let (sender, receiver) = mpsc::channel::<(Ticket, usize)>();
                        let (tracker, acknowledged) = (Arc::clone(&tracker), Arc::clone(&acknowledged));
                        let thread = thread::spawn(move || {
                            while let Ok((ticket, record)) = receiver.recv() {
                                acknowledged.lock().unwrap()[record] = true;
                                tracker.lock().unwrap().acknowledge(&ticket);
                            }
                        });
                        (sender, thread)
                    })
                    .collect();
                let mut committed = 0;
                let mut commit = |tracker: &mut Tracker| {
                    for (_, offset) in tracker.take_committable() {
                        assert!(offset > committed);
                        committed = offset;
                        let acknowledged = acknowledged.lock().unwrap();
                        assert!(acknowledged[..offset as usize].iter().all(|done| *done));
                    }
                    committed
                };
                tracker.lock().unwrap().assign(0, 0, true);
                for turn in 0..2 {
                    let from = commit(&mut tracker.lock().unwrap());
                    if turn == 1 {
                        let mut tracker = tracker.lock().unwrap();
                        tracker.revoke(0);
                        tracker.assign(0, from, true);
                    }
                    for record in from as usize..RECORDS {
                        let ticket = tracker.lock().unwrap().begin(0, record as u64 + 1).unwrap();
                        sinks[record % 2].0.send((ticket, record)).unwrap();
                        commit(&mut tracker.lock().unwrap());
                    }
                }
                for (sender, thread) in sinks {
                    drop(sender);
                    thread.join().unwrap();
                }
                assert_eq!(commit(&mut tracker.lock().unwrap()), RECORDS as u64);
            },
            500,
        );
    }
}
