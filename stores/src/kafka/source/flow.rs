//! Batches in flight between the thread that polls and the tasks that deliver.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lethe_core::ack::{Ticket, Tracker};

/// The ack tracker, shared between threads.
#[derive(Debug, Default)]
pub struct Flow {
    tracker: Mutex<Tracker>,
    acknowledged: Condvar,
}

impl Flow {
    /// Starts a batch of a partition that ends before offset `next`. Returns `None` if the
    /// partition is not assigned.
    pub fn begin(&self, partition: i32, next: u64) -> Option<Ticket> {
        self.tracker().begin(partition, next)
    }

    /// Marks a batch as stored by every sink and the dead letter store.
    pub fn acknowledge(&self, ticket: &Ticket) {
        self.tracker().acknowledge(ticket);
        self.acknowledged.notify_all();
    }

    /// Returns the offset before which everything in a partition is acknowledged; `None` if it is
    /// not assigned.
    pub fn committed(&self, partition: i32) -> Option<u64> {
        self.tracker().done(partition)
    }

    /// Marks that a partition holds no more records before offset `next`, which may follow markers
    /// of transactions. The batches in flight hold back the offset.
    pub fn reach(&self, partition: i32, next: u64) {
        let mut tracker = self.tracker();
        if tracker.next(partition).is_some_and(|begun| begun < next) {
            tracker.skip(partition, next);
        }
    }

    /// Returns the number of the current assignment of a partition: it grows with each one. Returns
    /// `None` if the partition is not assigned.
    pub fn generation(&self, partition: i32) -> Option<u64> {
        self.tracker().generation(partition)
    }

    /// Returns how many batches are in flight in all partitions.
    pub fn in_flight(&self) -> usize {
        self.tracker().all_in_flight()
    }

    /// Waits until no batch of these partitions is in flight, for up to `within`. Returns how many
    /// batches are left.
    pub(crate) fn drain(&self, partitions: &[i32], within: Duration) -> usize {
        let until = Instant::now() + within;
        let mut tracker = self.tracker();
        loop {
            let left = partitions.iter().map(|partition| tracker.in_flight(*partition)).sum();
            let now = Instant::now();
            if left == 0 || now >= until {
                return left;
            }
            tracker = self.acknowledged.wait_timeout(tracker, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
