//! Whether the worker lives: each thread that must keep turning has a heart, and a heart that works
//! has a deadline. A store that is down is no reason to kill a worker: whoever waits for one rests.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// In place of a time: it rests.
const RESTS: u64 = u64::MAX;

/// Hearts of a worker.
#[derive(Debug)]
pub struct Pulse {
    born: Instant,
    hearts: Mutex<Vec<Weak<Beats>>>,
}

#[derive(Debug)]
struct Beats {
    what: &'static str,
    deadline: Duration,
    born: Instant,
    /// Milliseconds from birth to the last beat.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { born: Instant::now(), hearts: Mutex::default() }
    }
}

impl Pulse {
    /// A heart for a thread: while it works, it must beat within the deadline. Dropped, it isn't
    /// asked for any more.
    pub fn heart(&self, what: &'static str, deadline: Duration) -> Heart {
        let beats = Arc::new(Beats { what, deadline, born: self.born, last: AtomicU64::new(RESTS) });
        let mut hearts = self.hearts.lock().unwrap_or_else(PoisonError::into_inner);
        hearts.retain(|heart| heart.strong_count() > 0);
        hearts.push(Arc::downgrade(&beats));
        Heart(beats)
    }

    /// The first thread that is stuck, in words; `None` while all is well.
    pub fn stuck(&self) -> Option<String> {
        self.stuck_at(Instant::now())
    }

    fn stuck_at(&self, now: Instant) -> Option<String> {
        let hearts = self.hearts.lock().unwrap_or_else(PoisonError::into_inner);
        hearts.iter().filter_map(Weak::upgrade).find_map(|beats| {
            let last = beats.last.load(Ordering::Relaxed);
            if last == RESTS {
                return None;
            }
            let silent = now.saturating_duration_since(beats.born + Duration::from_millis(last));
            let (what, deadline) = (beats.what, beats.deadline.as_secs());
            (silent > beats.deadline)
                .then(|| format!("{what} has not turned for {} s; its deadline is {deadline} s", silent.as_secs()))
        })
    }
}

/// The heart of one thread.
#[derive(Debug)]
pub struct Heart(Arc<Beats>);

impl Heart {
    /// It works, and will beat again within the deadline.
    pub fn beat(&self) {
        let millis = u64::try_from(self.0.born.elapsed().as_millis()).unwrap_or(RESTS - 1);
        self.0.last.store(millis, Ordering::Relaxed);
    }

    /// It waits for others, as long as that takes.
    pub fn rest(&self) {
        self.0.last.store(RESTS, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn in_a_while(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_thread_that_beats_lives_and_one_that_is_silent_too_long_is_stuck() {
        let pulse = Pulse::default();
        let heart = pulse.heart("the poll loop", DEADLINE);
        heart.beat();
        assert_eq!(pulse.stuck_at(in_a_while(29)), None);
        let said = pulse.stuck_at(in_a_while(41)).unwrap_or_default();
        assert!(said.starts_with("the poll loop has not turned for 4") && said.ends_with("is 30 s"), "{said}");
    }

    #[test]
    fn who_rests_or_has_not_begun_is_not_stuck() {
        let pulse = Pulse::default();
        let (resting, _new) = (pulse.heart("a", DEADLINE), pulse.heart("b", DEADLINE));
        resting.beat();
        resting.rest();
        assert_eq!(pulse.stuck_at(in_a_while(3_600)), None);
    }

    #[test]
    fn a_thread_that_ended_is_not_stuck() {
        let pulse = Pulse::default();
        let heart = pulse.heart("the poll loop", DEADLINE);
        heart.beat();
        drop(heart);
        assert_eq!(pulse.stuck_at(in_a_while(3_600)), None);
    }
}
