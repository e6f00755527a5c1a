//! Liveness of the worker. Each thread that must make progress has a heartbeat with a deadline. A
//! thread that waits for a store pauses its heartbeat, since a restart would not bring the store
//! back.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Stored in place of the time of the last beat: the heartbeat is paused.
const PAUSED: u64 = u64::MAX;

/// The heartbeats of a worker.
#[derive(Debug)]
pub struct Liveness {
    started: Instant,
    threads: Mutex<Vec<Weak<ThreadState>>>,
}

#[derive(Debug)]
struct ThreadState {
    what: &'static str,
    deadline: Duration,
    started: Instant,
    /// Milliseconds from the start to the last beat.
    last: AtomicU64,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { started: Instant::now(), threads: Mutex::default() }
    }
}

impl Liveness {
    /// Returns the heartbeat of a thread, which starts paused. Between beats no more time than the
    /// deadline may pass, unless the heartbeat is paused. A dropped heartbeat is no longer checked.
    pub fn register(&self, what: &'static str, deadline: Duration) -> Heartbeat {
        let thread = Arc::new(ThreadState { what, deadline, started: self.started, last: AtomicU64::new(PAUSED) });
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&thread));
        Heartbeat(thread)
    }

    /// Describes the first thread that is stuck. Returns `None` if there is none.
    pub fn stuck(&self) -> Option<String> {
        self.stuck_at(Instant::now())
    }

    fn stuck_at(&self, now: Instant) -> Option<String> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().filter_map(Weak::upgrade).find_map(|thread| {
            let last = thread.last.load(Ordering::Relaxed);
            if last == PAUSED {
                return None;
            }
            let silent_for = now.saturating_duration_since(thread.started + Duration::from_millis(last));
            let (what, deadline) = (thread.what, thread.deadline.as_secs());
            (silent_for > thread.deadline).then(|| {
                format!("{what} made no progress for {} s; its deadline is {deadline} s", silent_for.as_secs())
            })
        })
    }
}

/// The heartbeat of one thread.
#[derive(Debug)]
pub struct Heartbeat(Arc<ThreadState>);

impl Heartbeat {
    /// Reports progress. The next beat is due within the deadline.
    pub fn beat(&self) {
        let millis = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(PAUSED - 1);
        self.0.last.store(millis, Ordering::Relaxed);
    }

    /// Suspends the deadline until the next beat, while the thread waits for something else.
    pub fn pause(&self) {
        self.0.last.store(PAUSED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_thread_is_stuck_once_its_last_beat_is_older_than_its_deadline() {
        let liveness = Liveness::default();
        let heartbeat = liveness.register("the poll loop", DEADLINE);
        heartbeat.beat();
        assert_eq!(liveness.stuck_at(in_seconds(29)), None);
        let message = liveness.stuck_at(in_seconds(41)).unwrap_or_default();
        assert!(
            message.starts_with("the poll loop made no progress for 4") && message.ends_with("is 30 s"),
            "{message}"
        );
    }

    #[test]
    fn a_paused_thread_and_a_new_one_are_not_stuck() {
        let liveness = Liveness::default();
        let (paused, _new) = (liveness.register("a", DEADLINE), liveness.register("b", DEADLINE));
        paused.beat();
        paused.pause();
        assert_eq!(liveness.stuck_at(in_seconds(3_600)), None);
    }

    #[test]
    fn a_thread_that_ended_is_not_stuck() {
        let liveness = Liveness::default();
        let heartbeat = liveness.register("the poll loop", DEADLINE);
        heartbeat.beat();
        drop(heartbeat);
        assert_eq!(liveness.stuck_at(in_seconds(3_600)), None);
    }
}
