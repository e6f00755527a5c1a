//! So many records a second: a token bucket on a clock that the caller reads.

use std::time::Duration;

/// Capacity of the bucket, as time: after a longer hold-up, only this much is caught up at once.
const DEPTH: Duration = Duration::from_secs(1);

/// Limits a rate. The n-th record is due at n / rate, counted in whole numbers from one origin, so
/// that no rounding error adds up over hours; the origin moves only when the bucket overflows.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Records in a thousand seconds.
    milli_rate: u64,
    /// When the first record since the origin was due.
    origin: Duration,
    /// Records since the origin.
    taken: u64,
}

impl Pace {
    /// A pace of so many records in a thousand seconds, at least 1. The first is due at once.
    pub const fn new(milli_rate: u64) -> Self {
        Self { milli_rate: if milli_rate == 0 { 1 } else { milli_rate }, origin: Duration::ZERO, taken: 0 }
    }

    /// Takes a record's token, or returns how long to wait for it. `now` is the time since the
    /// start, and never goes back.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let nanos = u128::from(self.taken) * 1_000_000_000_000 / u128::from(self.milli_rate);
        let since = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let due = self.origin.saturating_add(since);
        if due > now {
            return Err(due.saturating_sub(now));
        }
        if now.saturating_sub(due) > DEPTH {
            self.origin = now.saturating_sub(DEPTH);
            self.taken = 0;
        }
        self.taken += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The number of records that may go up to a time, if the caller asks whenever one is due.
    fn taken(pace: &mut Pace, from: Duration, until: Duration) -> u64 {
        let (mut now, mut count) = (from, 0);
        loop {
            match pace.take(now) {
                Ok(()) => count += 1,
                Err(wait) => now += wait,
            }
            if now > until {
                return count;
            }
        }
    }

    #[test]
    fn a_day_has_as_many_records_as_the_rate_says() {
        let day = Duration::from_secs(86_400);
        assert_eq!(taken(&mut Pace::new(7_000), Duration::ZERO, day), 7 * 86_400 + 1);
        assert_eq!(taken(&mut Pace::new(333), Duration::ZERO, day), 333 * 86_400 / 1_000 + 1);
    }

    #[test]
    fn a_hold_up_is_caught_up_for_one_second_and_no_more() {
        let mut pace = Pace::new(100_000);
        let second = Duration::from_secs(1);
        assert_eq!(taken(&mut pace, Duration::ZERO, second), 101);
        // Half a second late: all of it comes.
        let late = second + Duration::from_millis(500);
        assert_eq!(taken(&mut pace, late, late), 50);
        // A minute late: a second of it comes.
        let late = second * 60;
        assert_eq!(taken(&mut pace, late, late), 101);
        assert_eq!(taken(&mut pace, late, late + second), 100);
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_has_more_records_than_the_rate_and_the_bucket_allow(
            milli_rate in 1_u64..3_000_000,
            pauses in proptest::collection::vec(0_u64..5_000, 1..200),
        ) {
            let mut pace = Pace::new(milli_rate);
            let (mut now, mut count) = (Duration::ZERO, 0_u64);
            for pause in pauses {
                now += Duration::from_millis(pause);
                while pace.take(now).is_ok() {
                    count += 1;
                }
                let most = (now + DEPTH).as_nanos() * u128::from(milli_rate) / 1_000_000_000_000 + 1;
                prop_assert!(u128::from(count) <= most, "{count} {most}");
            }
        }
    }
}
