//! Rates over the last minute, from periodic samples of the counters.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The period that a rate covers.
const WINDOW: Duration = Duration::from_secs(60);
/// The shortest time between two kept samples.
const STEP: Duration = Duration::from_secs(2);

/// Counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) dead_letters: u64,
    /// Events with an outcome, by sink.
    pub(super) sinks: Vec<u64>,
}

/// Changes per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PerSecond {
    pub(super) events: f64,
    pub(super) bytes: f64,
    pub(super) dead_letters: f64,
    pub(super) sinks: Vec<f64>,
}

#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<VecDeque<(Instant, Totals)>>);

impl Rates {
    pub(super) fn sample(&self, at: Instant, totals: Totals) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest sample is replaced until it is far enough from the one before.
        if let [.., (before, _), (newest, seen)] = samples.make_contiguous()
            && newest.saturating_duration_since(*before) < STEP
        {
            (*newest, *seen) = (at, totals);
        } else {
            samples.push_back((at, totals));
        }
        // Keeps the last sample that is older than the window, as the start of the period.
        while samples.get(1).is_some_and(|(second, _)| at.saturating_duration_since(*second) >= WINDOW) {
            samples.pop_front();
        }
    }

    pub(super) fn per_second(&self) -> PerSecond {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some((from, old)), Some((to, new))) = (samples.front(), samples.back()) else {
            return PerSecond::default();
        };
        let seconds = to.saturating_duration_since(*from).as_secs_f64();
        let rate = |old: u64, new: u64| if seconds > 0.0 { new.saturating_sub(old) as f64 / seconds } else { 0.0 };
        PerSecond {
            events: rate(old.events, new.events),
            bytes: rate(old.bytes, new.bytes),
            dead_letters: rate(old.dead_letters, new.dead_letters),
            sinks: old.sinks.iter().zip(&new.sinks).map(|(old, new)| rate(*old, *new)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(events: u64) -> Totals {
        Totals { events, bytes: 10 * events, dead_letters: 0, sinks: vec![events] }
    }

    fn after(rates: &Rates, start: Instant, seconds: u64, events: u64) -> f64 {
        rates.sample(start + Duration::from_secs(seconds), totals(events));
        rates.per_second().events
    }

    #[test]
    fn a_rate_covers_the_last_minute() {
        let (rates, start) = (Rates::default(), Instant::now());
        assert!(after(&rates, start, 0, 0).abs() < 1e-9);
        assert!((after(&rates, start, 10, 1_000) - 100.0).abs() < 1e-9);
        for tick in 1..=14 {
            after(&rates, start, 10 + 5 * tick, 1_000);
        }
        assert!(after(&rates, start, 85, 1_000).abs() < 1e-9, "samples older than a minute do not count");
        assert!(rates.0.lock().is_ok_and(|samples| samples.len() < 16));
    }

    #[test]
    fn frequent_samples_do_not_fill_memory() {
        let (rates, start) = (Rates::default(), Instant::now());
        for millis in 0..10_000 {
            rates.sample(start + Duration::from_millis(millis), totals(millis));
        }
        assert!((rates.per_second().events - 1_000.0).abs() < 1.0);
        assert!(rates.0.lock().is_ok_and(|samples| samples.len() < 10));
    }
}
