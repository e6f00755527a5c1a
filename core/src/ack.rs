//! Which offsets may be committed: those before which everything is acknowledged.
//!
//! ```text
//! assign ──> begin ──> acknowledge ──> take_committable ──> revoke
//!              └── any number under way, acknowledged in any order ──┘
//! ```
//!
//! A partition that is revoked and assigned again is another generation: what was begun before is
//! acknowledged in vain, because somebody else may have read on from there meanwhile.

use std::collections::{BTreeMap, VecDeque};

/// What is under way of the partitions of one topic.
#[derive(Debug, Default)]
pub struct Tracker {
    generation: u64,
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug)]
struct Partition {
    generation: u64,
    /// Number of the first span that is under way.
    first: u64,
    /// Spans under way, oldest first: the offset after each, and whether it is acknowledged.
    spans: VecDeque<(u64, bool)>,
    /// Everything before this offset is acknowledged.
    done: u64,
    /// What was last taken to be committed; `None` where it is to be taken again.
    taken: Option<u64>,
}

/// A run of records of one partition that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    partition: i32,
    generation: u64,
    span: u64,
}

impl Tracker {
    /// A partition is ours from `offset` on, which is committed already or is to be.
    pub fn assign(&mut self, partition: i32, offset: u64, is_committed: bool) {
        self.generation += 1;
        let generation = self.generation;
        let taken = is_committed.then_some(offset);
        let fresh = Partition { generation, first: 0, spans: VecDeque::new(), done: offset, taken };
        self.partitions.insert(partition, fresh);
    }

    /// A partition is ours no longer.
    pub fn revoke(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Records up to before `next` set out; those of a partition in the order of their offsets.
    /// `None` where the partition is not ours.
    pub fn begin(&mut self, partition: i32, next: u64) -> Option<Ticket> {
        let of = self.partitions.get_mut(&partition)?;
        let span = of.first + of.spans.len() as u64;
        of.spans.push_back((next, false));
        Some(Ticket { partition, generation: of.generation, span })
    }

    /// Records up to before `next` will never be read: there is nothing to wait for but what set out
    /// before.
    pub fn skip(&mut self, partition: i32, next: u64) {
        if let Some(ticket) = self.begin(partition, next) {
            self.acknowledge(&ticket);
        }
    }

    /// The offset after what set out of a partition; `None` where it is not ours.
    pub fn next(&self, partition: i32) -> Option<u64> {
        let of = self.partitions.get(&partition)?;
        Some(of.spans.back().map_or(of.done, |(next, _)| *next))
    }

    /// Every sink and the dead letter hold the records of a ticket.
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

    /// Spans under way of a partition.
    pub fn in_flight(&self, partition: i32) -> usize {
        self.partitions.get(&partition).map_or(0, |of| of.spans.len())
    }

    /// Spans under way in all.
    pub fn all_in_flight(&self) -> usize {
        self.partitions.values().map(|of| of.spans.len()).sum()
    }

    /// Everything before this offset of a partition is acknowledged; `None` where it is not ours.
    pub fn done(&self, partition: i32) -> Option<u64> {
        self.partitions.get(&partition).map(|of| of.done)
    }

    /// Partitions whose offset to commit has moved since it was last taken, with that offset.
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

    /// What was taken of a partition did not arrive: it is to be taken again.
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
    fn what_is_acknowledged_out_of_order_waits_for_what_came_before() {
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
    fn what_is_skipped_waits_for_what_set_out_before_it_and_nothing_goes_back() {
        let mut tracker = Tracker::default();
        tracker.assign(0, 5, true);
        let under_way = tracker.begin(0, 10).unwrap();
        tracker.skip(0, 40);
        assert_eq!((tracker.take_committable(), tracker.next(0)), (vec![], Some(40)));
        tracker.acknowledge(&under_way);
        assert_eq!(tracker.take_committable(), [(0, 40)]);
        // It was read before, and sets out after.
        let late = tracker.begin(0, 12).unwrap();
        tracker.acknowledge(&late);
        assert_eq!((tracker.take_committable(), tracker.done(0)), (vec![], Some(40)));
    }

    #[test]
    fn where_a_group_starts_is_committed_at_once() {
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
    struct Mine {
        generation: usize,
        base: u64,
        acknowledged: Vec<bool>,
    }

    proptest! {
        #[test]
        fn an_offset_is_taken_just_when_every_record_before_it_is_acknowledged(
            acts in prop::collection::vec(act(), 0..80),
        ) {
            let mut tracker = Tracker::default();
            let mut committed = [0_u64; 3];
            let mut ours: [Option<Mine>; 3] = [None, None, None];
            let mut tickets = Vec::new();
            for (generation, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Assign(p) => {
                        let base = committed[p as usize];
                        ours[p as usize] = Some(Mine { generation, base, acknowledged: Vec::new() });
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
                            // Records of a span are acknowledged together: so far and no further.
                            prop_assert_eq!(tracker.done(p as i32), Some(most));
                            prop_assert_eq!(committed[p], most);
                        }
                    }
                }
            }
        }
    }

    /// One thread takes records and commits, two acknowledge: in every order that a scheduler may
    /// choose, nothing is committed that is not acknowledged, across a revocation too.
    #[test]
    fn no_order_of_threads_commits_what_is_not_acknowledged() {
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
