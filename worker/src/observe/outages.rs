//! Reports of stores that don't answer. Every failure changes the state and the counters. The log
//! has a line at once, then one per half minute, and one when the store is back.

use std::time::Duration;

use lethe_stores::StoreError;

use super::{Instruments, run_state::RetryLog};
use crate::clock::now;

/// The dead letter, among the stores. No sink can have this name: names of sinks are in lower case.
pub const DEAD_LETTER: &str = "deadLetter";
/// The key store.
pub const KEY_STORE: &str = "keyStore";
/// The bookkeeping that holds progress.
pub const PROGRESS: &str = "progress";

/// The stores beside the sinks.
pub(super) const NON_SINK_STORES: [&str; 3] = [DEAD_LETTER, KEY_STORE, PROGRESS];

impl Instruments {
    /// Reports that a store failed and is called again after `retry_in`. A sink is identified by
    /// its name, the other stores are [`DEAD_LETTER`], [`KEY_STORE`] and [`PROGRESS`].
    pub fn store_failed(&self, name: &str, error: &StoreError, retry_in: Duration) {
        self.metrics.retried(name);
        let pipeline = &self.info.pipeline;
        if let Some(RetryLog { tries, .. }) = self.run_state.store_failed(now(), name, error.to_string()) {
            let retry_in_seconds = retry_in.as_secs_f64();
            tracing::warn!(pipeline, store = name, %error, tries, retry_in_seconds, "store unavailable, retrying");
        }
    }

    /// Reports that a store has not answered a call for long.
    pub fn store_slow(&self, name: &str) {
        let pipeline = &self.info.pipeline;
        if self.run_state.store_failed(now(), name, "no answer yet".to_owned()).is_some() {
            tracing::warn!(pipeline, store = name, "store slow to answer");
        }
    }

    /// Reports that a store answered. This is called for every batch, and does nothing unless the
    /// store failed before.
    pub fn store_answered(&self, name: &str) {
        let pipeline = &self.info.pipeline;
        if let Some(RetryLog { seconds, tries }) = self.run_state.store_recovered(now(), name) {
            tracing::info!(pipeline, store = name, seconds, tries, "store available again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{
        Phase,
        run_state::State,
        tests::fixtures::{file, kafka},
    };

    fn down() -> StoreError {
        StoreError::new(lethe_stores::ErrorKind::Unreachable, "cassandra", "no host answers")
    }

    #[test]
    fn a_store_that_is_down_for_an_hour_is_logged_every_half_minute() {
        let run_state = &file().run_state;
        let lines = (0..360)
            .filter(|tenth| run_state.store_failed(10_000 * tenth, "profiles", String::new()).is_some())
            .count();
        assert_eq!(lines, 120);
        assert_eq!(run_state.store_recovered(3_600_000, "profiles"), Some(RetryLog { seconds: 3_600, tries: 360 }));
        assert_eq!(run_state.store_recovered(3_600_000, "profiles"), None, "recovery is reported once");
    }

    #[test]
    fn a_store_that_fails_every_second_is_logged_every_half_minute() {
        let run_state = &file().run_state;
        let blip = |at: i64| {
            let failed_logged = run_state.store_failed(at, "profiles", String::new()).is_some();
            failed_logged | run_state.store_recovered(at + 100, "profiles").is_some()
        };
        let lines = (0..300).filter(|tenth| blip(100_000 + 1_000 * tenth)).count();
        assert_eq!(lines, 10);
    }

    #[test]
    fn every_retry_is_counted_and_the_store_is_shown_as_stalled_until_it_answers() {
        let instruments = kafka();
        instruments.run_state.set_phase(Phase::Running);
        instruments.store_failed("profiles", &down(), Duration::from_millis(100));
        instruments.store_failed("profiles", &down(), Duration::from_millis(200));
        let text = instruments.metrics.text();
        assert!(text.contains("lethe_sink_retries_total{pipeline=\"shop.profiles\",sink=\"profiles\"} 2\n"));
        assert!(text.contains("lethe_sink_stalled{pipeline=\"shop.profiles\",sink=\"profiles\"} 1\n"), "{text}");
        assert_eq!(instruments.run_state.snapshot().state, State::Stalled);
        instruments.store_answered("profiles");
        let text = instruments.metrics.text();
        assert!(text.contains("lethe_sink_stalled{pipeline=\"shop.profiles\",sink=\"profiles\"} 0\n"));
        assert_eq!(instruments.run_state.snapshot().state, State::Running);
    }

    #[test]
    fn a_slow_store_is_shown_as_stalled_without_counting_a_retry() {
        let instruments = kafka();
        instruments.store_slow("history");
        let text = instruments.metrics.text();
        assert!(text.contains("lethe_sink_stalled{pipeline=\"shop.profiles\",sink=\"history\"} 1\n"));
        assert!(text.contains("lethe_sink_retries_total{pipeline=\"shop.profiles\",sink=\"history\"} 0\n"));
    }
}
