//! How many records set out as one batch: as many as keep all that is under way within seconds of the sinks.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Never fewer: each write of a store costs something that is not its records'.
const LEAST: usize = 100;
/// How long a batch may take to be held by all, what lies before it included. A partition that goes, or that was
/// taken over, waits so long.
const AIM: Duration = Duration::from_secs(3);

/// The number of records of a batch, which follows what batches take. It begins small: how fast the sinks are is
/// not known, and as long as they are, it doubles with each round.
pub(super) struct Pace {
    most: usize,
    now: Mutex<Now>,
}

struct Now {
    records: usize,
    since: Instant,
}

impl Pace {
    /// Never more than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { most, now: Mutex::new(Now { records: LEAST.min(most), since: Instant::now() }) }
    }

    /// Records of the next batch.
    pub(super) fn records(&self) -> usize {
        self.now().records
    }

    /// A batch that set out then is held by all. One that set out before the last change tells nothing of it.
    pub(super) fn delivered(&self, records: usize, set_out: Instant) {
        let mut now = self.now();
        if set_out < now.since {
            return;
        }
        let took = set_out.elapsed();
        let fitting = if took > AIM {
            let fitting = now.records as u128 * AIM.as_millis() / took.as_millis();
            usize::try_from(fitting).unwrap_or(usize::MAX).max(LEAST)
        } else if took < AIM / 2 && records * 2 >= now.records {
            now.records * 2
        } else {
            return;
        };
        tracing::debug!(
            records = fitting.min(self.most),
            was = now.records,
            took_ms = took.as_millis(),
            "records of a batch from now on"
        );
        *now = Now { records: fitting.min(self.most), since: Instant::now() };
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).expect("the machine runs for longer")
    }

    /// A pace that was set long ago.
    fn settled(records: usize) -> Pace {
        Pace { most: 1_000, now: Mutex::new(Now { records, since: ago(100) }) }
    }

    #[test]
    fn fast_sinks_soon_get_the_most() {
        let pace = Pace::new(1_000);
        let mut rounds = 0;
        while pace.records() < 1_000 {
            pace.delivered(pace.records(), Instant::now());
            rounds += 1;
        }
        assert_eq!(rounds, 4);
        pace.delivered(1_000, Instant::now());
        assert_eq!(pace.records(), 1_000);
    }

    #[test]
    fn slow_sinks_get_what_fits_at_once() {
        let pace = settled(1_000);
        pace.delivered(1_000, ago(10));
        assert!((299..=300).contains(&pace.records()), "{}", pace.records());
        let pace = settled(1_000);
        pace.delivered(1_000, ago(90));
        assert_eq!(pace.records(), LEAST);
    }

    #[test]
    fn what_set_out_before_a_change_changes_nothing() {
        let pace = settled(1_000);
        pace.delivered(1_000, ago(10));
        let after = pace.records();
        for _ in 0..7 {
            pace.delivered(1_000, ago(9));
        }
        assert_eq!(pace.records(), after);
    }

    #[test]
    fn a_batch_that_was_not_full_says_nothing_of_larger_ones() {
        let pace = settled(300);
        pace.delivered(3, Instant::now());
        assert_eq!(pace.records(), 300);
        pace.delivered(150, Instant::now());
        assert_eq!(pace.records(), 600);
    }
}
