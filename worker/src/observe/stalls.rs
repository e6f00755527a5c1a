//! A store that is waited for: on the board and in the counters each time, in the log at once and
//! then now and then, and once more when it is back.

use std::time::Duration;

use lethe_stores::StoreError;

use super::{Instruments, board::Line};
use crate::clock::now;

/// The dead letter, among stores that are waited for. No sink can be called so: their names are in
/// lower case.
pub const DEAD_LETTER: &str = "deadLetter";
/// The key store.
pub const KEY_STORE: &str = "keyStore";
/// Where progress is committed.
pub const PROGRESS: &str = "progress";

/// The stores that can be waited for beside the sinks.
pub(super) const OTHERS: [&str; 3] = [DEAD_LETTER, KEY_STORE, PROGRESS];

impl Instruments {
    /// A store did not answer; it is asked again after a pause. A sink goes by its name, the others
    /// are [`DEAD_LETTER`], [`KEY_STORE`] and [`PROGRESS`].
    pub fn failed(&self, name: &str, error: &StoreError, retry_in: Duration) {
        self.metrics.retried(name);
        let pipeline = &self.about.pipeline;
        if let Some(Line { tries, .. }) = self.board.stalled(now(), name, error.to_string()) {
            let retry_in_seconds = retry_in.as_secs_f64();
            tracing::warn!(pipeline, sink = name, %error, tries, retry_in_seconds, "waiting for a store");
        }
    }

    /// A store takes long to answer, and is waited for.
    pub fn slow(&self, name: &str) {
        let pipeline = &self.about.pipeline;
        if self.board.stalled(now(), name, "no answer yet".to_owned()).is_some() {
            tracing::warn!(pipeline, sink = name, "waiting for a store: no answer yet");
        }
    }

    /// A store answered. Once per batch: it only looks whether that is news.
    pub fn answered(&self, name: &str) {
        let pipeline = &self.about.pipeline;
        if let Some(Line { seconds, tries }) = self.board.resumed(now(), name) {
            tracing::info!(pipeline, sink = name, seconds, tries, "the store is back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{
        Phase,
        board::State,
        testing::{file, kafka},
    };

    fn down() -> StoreError {
        StoreError::Unavailable { store: "cassandra".to_owned(), message: "no host answers".to_owned() }
    }

    #[test]
    fn a_store_that_is_down_for_an_hour_gets_a_line_each_half_minute() {
        let board = &file().board;
        let lines = (0..360).filter(|tenth| board.stalled(10_000 * tenth, "profiles", String::new()).is_some()).count();
        assert_eq!(lines, 120);
        assert_eq!(board.resumed(3_600_000, "profiles"), Some(Line { seconds: 3_600, tries: 360 }));
        assert_eq!(board.resumed(3_600_000, "profiles"), None, "it is back once");
    }

    #[test]
    fn a_store_that_comes_and_goes_gets_no_line_each_time() {
        let board = &file().board;
        let blip = |at: i64| {
            let said = board.stalled(at, "profiles", String::new()).is_some();
            said | board.resumed(at + 100, "profiles").is_some()
        };
        let lines = (0..300).filter(|tenth| blip(100_000 + 1_000 * tenth)).count();
        assert_eq!(lines, 10);
    }

    #[test]
    fn every_try_counts_and_shows_until_the_store_is_back() {
        let instruments = kafka();
        instruments.board.phase(Phase::Running);
        instruments.failed("profiles", &down(), Duration::from_millis(100));
        instruments.failed("profiles", &down(), Duration::from_millis(200));
        let text = instruments.metrics.text();
        assert!(text.contains("lethe_sink_retries_total{pipeline=\"shop.profiles\",sink=\"profiles\"} 2\n"));
        assert!(text.contains("lethe_sink_stalled{pipeline=\"shop.profiles\",sink=\"profiles\"} 1\n"), "{text}");
        assert_eq!(instruments.board.facts().state, State::Stalled);
        instruments.answered("profiles");
        let text = instruments.metrics.text();
        assert!(text.contains("lethe_sink_stalled{pipeline=\"shop.profiles\",sink=\"profiles\"} 0\n"));
        assert_eq!(instruments.board.facts().state, State::Running);
    }

    #[test]
    fn a_store_that_only_takes_long_is_shown_and_counts_no_retry() {
        let instruments = kafka();
        instruments.slow("history");
        let text = instruments.metrics.text();
        assert!(text.contains("lethe_sink_stalled{pipeline=\"shop.profiles\",sink=\"history\"} 1\n"));
        assert!(text.contains("lethe_sink_retries_total{pipeline=\"shop.profiles\",sink=\"history\"} 0\n"));
    }
}
