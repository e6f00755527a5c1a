//! Fairness between the partitions of a consumer that pauses and resumes often.
//!
//! A pause discards the records that were fetched and not yet polled. After each resume librdkafka
//! starts with the same partition. While that one has a backlog, the others would never be read. So
//! the partitions that have waited longest are resumed first.

use std::collections::{BTreeMap, BTreeSet};

/// The last turn of each partition.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    now: u64,
    last: BTreeMap<i32, u64>,
}

impl Turns {
    /// Starts a turn. Returns the partitions to resume first, and the others.
    pub(crate) fn next(&mut self, all: &BTreeSet<i32>) -> (Vec<i32>, Vec<i32>) {
        self.now += 1;
        self.last.retain(|partition, _| all.contains(partition));
        let last = |partition: &i32| self.last.get(partition).copied().unwrap_or(0);
        let longest = all.iter().map(last).min();
        all.iter().partition(|partition| Some(last(partition)) == longest)
    }

    /// Marks that a partition had its turn: it returned a record, or it was resumed first and had
    /// none.
    pub(crate) fn had(&mut self, partition: i32) {
        self.last.insert(partition, self.now + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the partitions that are read in a number of turns. Each turn has room for two
    /// partitions that have records.
    fn read(turns: usize, idle: &[i32]) -> Vec<i32> {
        let (all, mut turn, mut read) = ((0..8).collect(), Turns::default(), Vec::new());
        for _ in 0..turns {
            let (first, others) = turn.next(&all);
            let busy = |partition: &&i32| !idle.contains(partition);
            let taken: Vec<i32> = first.iter().chain(&others).filter(busy).take(2).copied().collect();
            // Idle partitions that were resumed first had their turn as well.
            first.iter().filter(|one| idle.contains(one)).chain(&taken).for_each(|one| turn.had(*one));
            read.extend(taken);
        }
        read
    }

    #[test]
    fn each_partition_has_its_turn_before_one_has_another() {
        assert_eq!(read(8, &[]), [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn partitions_without_records_delay_no_other() {
        let read = read(40, &[0, 1, 2, 5]);
        for busy in [3, 4, 6, 7] {
            let turns = read.iter().filter(|partition| **partition == busy).count();
            assert!((16..=24).contains(&turns), "{busy}: {turns}");
        }
    }

    #[test]
    fn a_partition_that_came_goes_first() {
        let mut turns = Turns::default();
        let _ = turns.next(&[0, 1].into());
        turns.had(0);
        turns.had(1);
        assert_eq!(turns.next(&[0, 1, 2].into()), (vec![2], vec![0, 1]));
    }
}
