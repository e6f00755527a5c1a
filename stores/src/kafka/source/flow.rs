//! What is under way between the thread that polls and the tasks that deliver.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lethe_core::ack::{Ticket, Tracker};

/// The ack tracker, shared.
#[derive(Debug, Default)]
pub struct Flow {
    tracker: Mutex<Tracker>,
    acknowledged: Condvar,
}

impl Flow {
    /// Records of a partition set out, up to before `next`.
    pub fn begin(&self, partition: i32, next: u64) -> Option<Ticket> {
        self.tracker().begin(partition, next)
    }

    /// Everything that holds the records of a ticket has answered.
    pub fn acknowledge(&self, ticket: &Ticket) {
        self.tracker().acknowledge(ticket);
        self.acknowledged.notify_all();
    }

    /// Everything before this offset of a partition is acknowledged; `None` where it is not ours.
    pub fn committed(&self, partition: i32) -> Option<u64> {
        self.tracker().done(partition)
    }

    /// Batches under way in all.
    pub fn in_flight(&self) -> usize {
        self.tracker().all_in_flight()
    }

    /// Waits until nothing of these partitions is under way, or until the deadline; answers how
    /// many batches are left.
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
