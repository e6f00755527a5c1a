//! The state of a running pipeline. The pipeline writes it once per batch. `/status`, `/readyz` and
//! the gauges of partitions read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::clock::now;

/// Partitions that are listed one by one. The rest is summed.
pub(super) const MAX_LISTED: usize = 1_000;
/// Milliseconds between two log lines about the same store.
const LOG_INTERVAL: i64 = 30_000;

/// The phase of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Stores are being opened.
    #[default]
    Starting,
    /// Events are processed, or the source has none.
    Running,
    /// The run was asked to stop, and delivers the batches in flight.
    Draining,
    /// Nothing is in flight any more.
    Stopped,
}

/// The state of a worker, as `/status` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub enum State {
    /// Stores are being opened.
    #[default]
    Starting,
    /// Events are processed. For some partitions, ids of earlier events are still being read for
    /// dedupe.
    Warming,
    /// Events are processed, or the source has none.
    Running,
    /// A store doesn't answer, and calls to it are retried.
    Stalled,
    /// The run was asked to stop, and delivers the batches in flight.
    Draining,
    /// Nothing is in flight any more.
    Stopped,
}

/// The source, as the manifest declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceInfo {
    /// A topic.
    Kafka {
        /// The topic.
        topic: String,
        /// The consumer group.
        group: String,
    },
    /// Files.
    File {
        /// The declared path.
        path: String,
    },
}

/// The progress of an assigned partition. Unknown values are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// Everything before this offset is delivered.
    pub committed: Option<u64>,
    /// Everything before this offset was read.
    pub position: Option<u64>,
    /// The offset after the newest record of the topic.
    pub high_watermark: Option<u64>,
    /// Whether fetching is paused because the sinks are behind.
    pub paused: bool,
}

impl Partition {
    /// Returns the number of records that are not delivered yet, if it is known.
    pub(super) fn lag(&self) -> Option<u64> {
        Some(self.high_watermark?.saturating_sub(self.committed.or(self.position)?))
    }
}

/// A current or past outage of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreOutage {
    /// Start of the outage; `None` if it is over.
    pub(super) since: Option<i64>,
    /// Failed calls since the start.
    tries: u64,
    /// Time of the last failure.
    pub(super) at: i64,
    /// The last error. A store's message contains no values of events.
    pub(super) message: String,
    /// Time of the last line in the log.
    last_logged: Option<i64>,
    /// Whether the log reports the current outage.
    logged: bool,
}

/// What a log line reports of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetryLog {
    /// Its duration.
    pub(super) seconds: i64,
    /// Failed calls.
    pub(super) tries: u64,
}

/// A snapshot of the state.
#[derive(Clone, Debug)]
pub(super) struct StateSnapshot {
    pub(super) source: SourceInfo,
    pub(super) phase: Phase,
    pub(super) opened: bool,
    pub(super) connected: bool,
    /// Members of the consumer group that belong to another pipeline; `None` before the first
    /// check.
    pub(super) foreign_members: Option<usize>,
    /// `None` before the first assignment.
    pub(super) assigned: Option<BTreeMap<i32, Partition>>,
    /// Partitions for which ids of earlier events are still being read.
    pub(super) warming: BTreeSet<i32>,
    pub(super) bytes_read: u64,
    pub(super) bytes_total: u64,
    pub(super) outages: BTreeMap<String, StoreOutage>,
    pub(super) unclassified: Vec<String>,
    pub(super) state: State,
    pub(super) since: i64,
}

impl StateSnapshot {
    /// Returns the store with the longest current outage, and its start.
    pub(super) fn stalled(&self) -> Option<(&str, i64)> {
        let stalled = self.outages.iter().filter_map(|(name, outage)| Some((name.as_str(), outage.since?)));
        stalled.min_by_key(|(_, since)| *since)
    }

    fn current_state(&self) -> State {
        match self.phase {
            Phase::Stopped => State::Stopped,
            Phase::Draining => State::Draining,
            Phase::Starting => State::Starting,
            Phase::Running if self.stalled().is_some() => State::Stalled,
            Phase::Running if !self.warming.is_empty() => State::Warming,
            Phase::Running => State::Running,
        }
    }
}

/// The state of a running pipeline.
#[derive(Debug)]
pub struct RunState(Mutex<StateSnapshot>);

impl RunState {
    pub(super) fn new(source: SourceInfo, now: i64) -> Self {
        Self(Mutex::new(StateSnapshot {
            source,
            phase: Phase::default(),
            opened: false,
            connected: false,
            foreign_members: None,
            assigned: None,
            warming: BTreeSet::new(),
            bytes_read: 0,
            bytes_total: 0,
            outages: BTreeMap::new(),
            unclassified: Vec::new(),
            state: State::default(),
            since: now,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, StateSnapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, now: i64, change: impl FnOnce(&mut StateSnapshot)) {
        let mut state = self.lock();
        change(&mut state);
        let current = state.current_state();
        if current != state.state {
            (state.state, state.since) = (current, now);
        }
    }

    pub(super) fn snapshot(&self) -> StateSnapshot {
        self.lock().clone()
    }

    /// Advances the phase. A phase never goes back.
    pub fn set_phase(&self, phase: Phase) {
        self.change(now(), |state| state.phase = state.phase.max(phase));
    }

    /// Reports that the key store, the sinks and the dead letter are open.
    pub fn stores_opened(&self) {
        self.change(now(), |state| state.opened = true);
    }

    /// Sets whether a broker answers.
    pub fn set_connected(&self, connected: bool) {
        self.change(now(), |state| state.connected = connected);
    }

    /// Sets the number of group members that belong to another pipeline. Returns whether it
    /// changed.
    pub fn set_foreign_members(&self, foreign_members: usize) -> bool {
        let before = self.lock().foreign_members;
        self.change(now(), |state| state.foreign_members = Some(foreign_members));
        before != Some(foreign_members)
    }

    /// Adds assigned partitions. An assignment may be empty.
    pub fn assign(&self, partitions: impl IntoIterator<Item = i32>) {
        self.change(now(), |state| {
            let assigned = state.assigned.get_or_insert_default();
            for partition in partitions {
                assigned.entry(partition).or_default();
            }
        });
    }

    /// Removes revoked partitions.
    pub fn revoke(&self, partitions: impl IntoIterator<Item = i32>) {
        self.change(now(), |state| {
            for partition in partitions {
                state.warming.remove(&partition);
                if let Some(assigned) = &mut state.assigned {
                    assigned.remove(&partition);
                }
            }
        });
    }

    /// Updates the progress of partitions. Ignores a partition that was revoked meanwhile.
    pub fn update_partitions(&self, progress: impl IntoIterator<Item = (i32, Partition)>) {
        self.change(now(), |state| {
            for (partition, progress) in progress {
                if let Some(known) = state.assigned.as_mut().and_then(|assigned| assigned.get_mut(&partition)) {
                    *known = progress;
                }
            }
        });
    }

    /// Sets whether ids of earlier events of these partitions are still being read for dedupe.
    pub fn set_warming(&self, partitions: impl IntoIterator<Item = i32>, warming: bool) {
        self.change(now(), |state| {
            for partition in partitions {
                if warming {
                    state.warming.insert(partition)
                } else {
                    state.warming.remove(&partition)
                };
            }
        });
    }

    /// Sets how far files are read, in bytes. A total of 0 means unknown.
    pub fn set_file_progress(&self, bytes_read: u64, bytes_total: u64) {
        self.change(now(), |state| (state.bytes_read, state.bytes_total) = (bytes_read, bytes_total));
    }

    /// Returns how far files are read, as set by [`RunState::set_file_progress`].
    pub fn file_progress(&self) -> (u64, u64) {
        let state = self.lock();
        (state.bytes_read, state.bytes_total)
    }

    /// Returns the stores with a current outage, and its duration in seconds.
    pub fn waiting_stores(&self) -> Vec<(String, i64)> {
        let (state, now) = (self.lock(), now());
        let seconds = |since: i64| (now - since).max(0) / 1_000;
        let waits = state.outages.iter().filter_map(|(name, outage)| Some((name.clone(), seconds(outage.since?))));
        waits.collect()
    }

    /// Sets the paths that occurred and that no field declares. They consist of declared segments
    /// and `*`.
    pub fn set_unclassified(&self, paths: Vec<String>) {
        self.change(now(), |state| state.unclassified = paths);
    }

    /// Records a failure of a store. Returns what the log should report, if a line is due.
    pub(super) fn store_failed(&self, now: i64, name: &str, message: String) -> Option<RetryLog> {
        let mut line = None;
        self.change(now, |state| {
            let outage = state.outages.entry(name.to_owned()).or_default();
            let since = *outage.since.get_or_insert(now);
            outage.tries += 1;
            (outage.at, outage.message) = (now, message);
            if outage.last_logged.is_none_or(|last| now - last >= LOG_INTERVAL) {
                (outage.last_logged, outage.logged) = (Some(now), true);
                line = Some(RetryLog { seconds: (now - since).max(0) / 1_000, tries: outage.tries });
            }
        });
        line
    }

    /// Ends the outage of a store. Its last error stays readable. Returns what the log should
    /// report, if the log reported the outage.
    pub(super) fn store_recovered(&self, now: i64, name: &str) -> Option<RetryLog> {
        // The common case: there is no outage.
        if self.lock().outages.get(name).is_none_or(|outage| outage.since.is_none()) {
            return None;
        }
        let mut line = None;
        self.change(now, |state| {
            let Some(outage) = state.outages.get_mut(name) else { return };
            let Some(since) = outage.since.take() else { return };
            let tries = std::mem::take(&mut outage.tries);
            if std::mem::take(&mut outage.logged) {
                line = Some(RetryLog { seconds: (now - since).max(0) / 1_000, tries });
            }
        });
        line
    }

    /// Returns whether the worker is ready, and why not. A store that fails later doesn't make it
    /// unready: another pod would wait for the same store, and evictions would be blocked
    /// meanwhile.
    pub fn ready(&self) -> Result<String, String> {
        self.ready_at(now())
    }

    pub(super) fn ready_at(&self, now: i64) -> Result<String, String> {
        let state = self.lock();
        match state.phase {
            Phase::Draining => return Err("draining: batches in flight are delivered, nothing new is read".to_owned()),
            Phase::Stopped => return Err("stopped".to_owned()),
            Phase::Starting | Phase::Running => {}
        }
        let waits =
            state.stalled().map(|(name, since)| format!("waiting for {name} since {} s", (now - since).max(0) / 1_000));
        if !state.opened {
            return Err(waits.map_or_else(
                || "starting: the stores are not open yet".to_owned(),
                |waits| format!("starting: {waits}"),
            ));
        }
        if let SourceInfo::Kafka { topic, .. } = &state.source
            && state.assigned.is_none()
            && !state.connected
        {
            return Err(format!("starting: no broker has answered for topic {topic} yet"));
        }
        Ok(waits.map_or_else(|| "ready".to_owned(), |waits| format!("ready; {waits}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka() -> RunState {
        RunState::new(
            SourceInfo::Kafka { topic: "user_profiles".to_owned(), group: "lethe.shop.profiles".to_owned() },
            0,
        )
    }

    fn state_of(run_state: &RunState) -> State {
        run_state.snapshot().state
    }

    #[test]
    fn a_worker_is_ready_once_its_stores_are_open_and_a_broker_answers() {
        let run_state = kafka();
        assert_eq!(run_state.ready(), Err("starting: the stores are not open yet".to_owned()));
        run_state.stores_opened();
        run_state.set_phase(Phase::Running);
        assert_eq!(run_state.ready(), Err("starting: no broker has answered for topic user_profiles yet".to_owned()));
        run_state.set_connected(true);
        assert_eq!(run_state.ready(), Ok("ready".to_owned()));
    }

    #[test]
    fn a_worker_without_a_partition_is_ready() {
        let run_state = kafka();
        run_state.stores_opened();
        run_state.assign([]);
        assert_eq!(run_state.ready(), Ok("ready".to_owned()));
    }

    #[test]
    fn a_store_outage_leaves_a_worker_ready_and_is_shown() {
        let run_state = kafka();
        run_state.stores_opened();
        run_state.assign([0]);
        run_state.set_phase(Phase::Running);
        run_state.store_failed(1_000, "profiles", "cassandra is not available: no host answers".to_owned());
        run_state.store_failed(61_000, "profiles", "cassandra is not available: no host answers".to_owned());
        assert_eq!(run_state.ready_at(76_500), Ok("ready; waiting for profiles since 75 s".to_owned()));
        assert_eq!(state_of(&run_state), State::Stalled);
        run_state.store_recovered(77_000, "profiles");
        assert_eq!((run_state.ready(), state_of(&run_state)), (Ok("ready".to_owned()), State::Running));
        assert_eq!(run_state.snapshot().outages["profiles"].at, 61_000, "the last error stays");
    }

    #[test]
    fn a_store_that_cannot_be_opened_keeps_a_worker_unready_and_is_named() {
        let run_state = kafka();
        run_state.store_failed(0, "profiles", String::new());
        assert_eq!(run_state.ready_at(9_000), Err("starting: waiting for profiles since 9 s".to_owned()));
    }

    #[test]
    fn a_draining_worker_is_not_ready() {
        let run_state = kafka();
        run_state.stores_opened();
        run_state.assign([0]);
        run_state.set_phase(Phase::Draining);
        assert!(run_state.ready().is_err_and(|why| why.starts_with("draining")));
    }

    #[test]
    fn a_worker_is_warming_while_any_of_its_partitions_is() {
        let run_state = kafka();
        run_state.assign([0, 1]);
        run_state.set_phase(Phase::Running);
        run_state.set_warming([1], true);
        assert_eq!(state_of(&run_state), State::Warming);
        run_state.revoke([1]);
        assert_eq!(state_of(&run_state), State::Running);
    }

    #[test]
    fn progress_of_a_revoked_partition_is_ignored() {
        let run_state = kafka();
        run_state.assign([0]);
        run_state.revoke([0]);
        run_state.update_partitions([(0, Partition { position: Some(7), ..Partition::default() })]);
        assert_eq!(run_state.snapshot().assigned, Some(BTreeMap::new()));
    }

    #[test]
    fn lag_is_counted_from_the_committed_offset() {
        let mut partition = Partition { position: Some(90), high_watermark: Some(100), ..Partition::default() };
        assert_eq!(partition.lag(), Some(10));
        partition.committed = Some(40);
        assert_eq!(partition.lag(), Some(60));
        partition.committed = Some(101);
        assert_eq!(partition.lag(), Some(0), "a watermark that was read earlier");
        partition.high_watermark = None;
        assert_eq!(partition.lag(), None);
    }
}
