//! The thread that polls a topic. It polls at all times, even if the queue is full, so that the
//! group never evicts it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_stores::{
    StoreError,
    kafka::{Assigned, Change, ConsumerOptions, Flow, Gathered, History, KafkaConsumer, Limits, Reached, Start},
    open::KafkaConnection,
};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    BATCH, RunError, RunHandle, foreign_members,
    letters::LetterIndex,
    message::{CommitTarget, Message, SourceBatch},
};
use crate::observe::Partition;

/// Records that are gathered into one batch, at most. If a store is slow, a revoked partition waits
/// for everything in flight, so these batches are smaller than those of files.
const LIMITS: Limits = Limits { records: BATCH / 2, bytes: 4 << 20 };
/// How long a poll of an empty topic blocks before signals are checked.
const IDLE_POLL: Duration = Duration::from_millis(50);
/// The same while gathered records wait for room in the queue.
const FULL_POLL: Duration = Duration::from_millis(2);
/// How long to wait for room in the queue before fetching is paused. A pause discards records that
/// were fetched and not taken, and resuming takes the client a second.
const ROOM_TIMEOUT: Duration = Duration::from_millis(500);
/// How often the progress of partitions is reported.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// The thread is stuck if it makes no progress for this long. A rebalance waits for the batches in
/// flight, and a broker may be slow to answer.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long errors of authorisation and unknown topics are retried once partitions were assigned:
/// brokers report them for a while during restarts.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A topic, and how it is read.
#[derive(Clone, Debug)]
pub struct TopicSource {
    /// The cluster.
    pub connection: KafkaConnection,
    /// The topic and its group.
    pub options: ConsumerOptions,
}

/// Reads a topic.
pub(super) struct TopicReader {
    pub(super) source: TopicSource,
    pub(super) flow: Arc<Flow>,
    pub(super) follow: bool,
    /// Ids that dedupe remembers, at most. `None` without dedupe.
    pub(super) dedupe_ids: Option<usize>,
    /// The letters of records that were not delivered.
    pub(super) letters: LetterIndex,
    pub(super) known: mpsc::Sender<Message>,
    pub(super) handle: Arc<RunHandle>,
    /// For a run until the end: offsets up to which each partition is read.
    pub(super) ends: BTreeMap<i32, u64>,
    pub(super) positions: BTreeMap<i32, u64>,
    /// When the progress of partitions was last reported.
    pub(super) last_report: Instant,
    /// Numbers of the assignments of the partitions.
    pub(super) generations: BTreeMap<i32, u64>,
    /// Streams that were revoked, whose ids the transform thread has not forgotten yet.
    pub(super) revoked: Vec<(Arc<str>, u64)>,
}

impl TopicReader {
    pub(super) fn read(mut self, batches: &mpsc::Sender<Message>) -> Result<(), RunError> {
        let mut consumer = KafkaConsumer::join(&self.source.connection, &self.source.options, Arc::clone(&self.flow))?;
        foreign_members::spawn_check(&self.source, &self.handle);
        let heartbeat = self.handle.instruments.liveness.register("the poll thread", DEADLINE);
        let mut gathered = Gathered::default();
        let mut refused_since: Option<Instant> = None;
        let mut assigned = false;
        while !self.handle.is_stopping() {
            heartbeat.beat();
            let wait = if gathered.is_empty() { IDLE_POLL } else { FULL_POLL };
            match consumer.poll(&mut gathered, LIMITS, wait) {
                Ok(()) => {
                    if !gathered.is_empty() {
                        refused_since = None;
                        self.handle.instruments.run_state.set_connected(true);
                    }
                }
                Err(error) => {
                    self.handle.instruments.run_state.set_connected(false);
                    let since = *refused_since.get_or_insert_with(Instant::now);
                    if error.is_transient() || (assigned && since.elapsed() < REFUSAL_TIMEOUT) {
                        continue;
                    }
                    return Err(error.into());
                }
            }
            if consumer.is_outdated() {
                tracing::warn!(
                    topic = self.source.options.topic,
                    "the topic is not the one that was read, joining the consumer group again"
                );
                let partitions: Vec<i32> = consumer.partitions().iter().copied().collect();
                consumer = consumer.join_again()?;
                self.on_revoked(&partitions, &mut gathered);
                self.ends.clear();
            }
            for change in consumer.changes() {
                assigned = true;
                self.on_rebalance(change, &mut gathered);
            }
            if gathered.is_empty() {
                // The records that waited for room were dropped with their revoked partitions.
                consumer.pause(false);
                for reached in consumer.reached() {
                    self.on_reached(reached);
                }
            }
            if !gathered.is_empty() || !self.revoked.is_empty() {
                match batches.try_reserve() {
                    // Before the records that are read after they were assigned again.
                    Ok(room) if !self.revoked.is_empty() => {
                        room.send(Message::Revoked(std::mem::take(&mut self.revoked)));
                    }
                    Ok(room) => {
                        consumer.pause(false);
                        room.send(Message::Batches(self.start_delivery(gathered.take())));
                    }
                    Err(TrySendError::Full(())) if gathered.is_full(LIMITS) => {
                        consumer.pause(consumer.is_paused() || !self.wait_for_room(batches));
                    }
                    Err(TrySendError::Full(())) => consumer.pause(false),
                    Err(TrySendError::Closed(())) => break,
                }
            }
            self.report_progress(&consumer);
            if !self.follow && gathered.is_empty() && !consumer.is_undecided() && self.at_end() {
                self.report_open_transactions(&consumer);
                break;
            }
        }
        let left = consumer.leave();
        if left > 0 {
            tracing::warn!(batches = left, "left the consumer group with batches in flight: they will be read again");
        }
        Ok(())
    }

    /// Waits a moment for room in the queue. Returns whether there is any.
    fn wait_for_room(&self, batches: &mpsc::Sender<Message>) -> bool {
        let started = Instant::now();
        while batches.capacity() == 0 && !self.handle.is_stopping() {
            if started.elapsed() > ROOM_TIMEOUT {
                return false;
            }
            std::thread::sleep(FULL_POLL);
        }
        true
    }

    fn start_delivery(&mut self, gathered: Gathered) -> Vec<SourceBatch> {
        let mut batches = Vec::new();
        for (partition, batch) in gathered.into_batches() {
            self.positions.insert(partition, batch.next_offset);
            if let Some(ticket) = self.flow.begin(partition, batch.next_offset) {
                batches.push(SourceBatch { batch, commit_to: CommitTarget::Group(ticket) });
            }
        }
        batches
    }

    fn on_rebalance(&mut self, change: Change, gathered: &mut Gathered) {
        match change {
            Change::Assigned(assigned) => {
                let partitions: Vec<i32> = assigned.iter().map(|at| at.partition).collect();
                tracing::info!(topic = self.source.options.topic, ?partitions, "partitions assigned");
                for at in &assigned {
                    self.on_assigned(*at);
                }
                self.handle.instruments.run_state.set_connected(true);
                self.handle.instruments.run_state.assign(partitions);
                self.handle.instruments.metrics.rebalanced();
                self.refill(&assigned);
            }
            Change::Revoked { partitions, undelivered } => {
                tracing::info!(topic = self.source.options.topic, ?partitions, undelivered, "partitions revoked");
                self.on_revoked(&partitions, gathered);
            }
        }
    }

    fn on_revoked(&mut self, partitions: &[i32], gathered: &mut Gathered) {
        gathered.forget(partitions);
        for partition in partitions {
            self.positions.remove(partition);
            if let Some(generation) = self.generations.remove(partition) {
                self.revoked.push((self.stream(*partition), generation));
            }
        }
        self.handle.instruments.run_state.revoke(partitions.iter().copied());
    }

    fn on_assigned(&mut self, at: Assigned) {
        let (topic, partition) = (&self.source.options.topic, at.partition);
        self.positions.insert(partition, at.position);
        self.ends.entry(partition).or_insert(at.stable);
        self.generations.extend(self.flow.generation(partition).map(|generation| (partition, generation)));
        let metrics = &self.handle.instruments.metrics;
        match at.start {
            Start::Committed | Start::First => {}
            Start::Expired(records) => {
                tracing::error!(
                    topic,
                    partition,
                    records,
                    "the source's retention removed records before they were read: lengthen its retention.ms, or \
                     find out why the group was behind"
                );
                metrics.expired_unread(records);
            }
            Start::TopicReplaced => {
                tracing::warn!(
                    topic,
                    partition,
                    from = at.position,
                    "the topic was deleted and created again: reading the partition from its start"
                );
                metrics.topic_replaced();
            }
            Start::Truncated(records) => {
                tracing::error!(
                    topic,
                    partition,
                    records,
                    from = at.position,
                    "the partition lost records at its end that were read, as after an unclean leader election: \
                     reading on from its end; records that were written since then may be missing: run \
                     with --from-start to read all"
                );
                metrics.truncated();
            }
        }
    }

    /// Every record before this offset was read and begun.
    fn on_reached(&mut self, reached: Reached) {
        let Some(position) = self.positions.get_mut(&reached.partition) else { return };
        *position = (*position).max(reached.offset);
        self.flow.reach(reached.partition, reached.offset);
    }

    fn report_open_transactions(&self, consumer: &KafkaConsumer) {
        let topic = &self.source.options.topic;
        match consumer.open_transactions() {
            Ok(partitions) if partitions.is_empty() => {}
            Ok(partitions) => tracing::warn!(
                topic,
                ?partitions,
                "records of a transaction that is still open follow: they are read by a later run, once it has ended"
            ),
            Err(error) => tracing::warn!(topic, %error, "failed to look for open transactions behind what was read"),
        }
    }

    /// Returns whether a run until the end has read and delivered everything that the topic held at
    /// the start.
    fn at_end(&self) -> bool {
        let read = self.positions.iter().all(|(partition, at)| self.ends.get(partition).is_none_or(|end| at >= end));
        read && !self.positions.is_empty() && self.flow.in_flight() == 0
    }

    /// Reads the ids of records before the assigned offsets, on a separate thread.
    fn refill(&self, assigned: &[Assigned]) {
        let Some(max_ids) = self.dedupe_ids else { return };
        // The ids of all partitions share one bound.
        let max_ids = (max_ids / assigned.len().max(1)).max(1) as u64;
        let ranges: Vec<(i32, u64, u64)> = assigned
            .iter()
            .map(|at| (at.partition, at.low.max(at.position.saturating_sub(max_ids)), at.position))
            .filter(|(_, from, to)| from < to)
            .collect();
        if ranges.is_empty() {
            return;
        }
        let (source, known, handle) = (self.source.clone(), self.known.clone(), Arc::clone(&self.handle));
        let (generations, letters) = (self.generations.clone(), self.letters.clone());
        let warming: Vec<i32> = ranges.iter().map(|(partition, ..)| *partition).collect();
        handle.instruments.run_state.set_warming(warming.iter().copied(), true);
        let refilled = warming.clone();
        let refilling = move || {
            if let Err(error) = read_history(&source, &ranges, &generations, &letters, &known, &handle) {
                tracing::warn!(%error, "failed to read ids of earlier records: their duplicates may pass");
            }
            handle.instruments.run_state.set_warming(refilled, false);
        };
        if let Err(error) = std::thread::Builder::new().name("refill".to_owned()).spawn(refilling) {
            tracing::warn!(%error, "failed to start the thread that reads ids of earlier records");
            self.handle.instruments.run_state.set_warming(warming, false);
        }
    }

    fn stream(&self, partition: i32) -> Arc<str> {
        Arc::from(format!("{}|{partition}", self.source.options.topic))
    }

    fn report_progress(&mut self, consumer: &KafkaConsumer) {
        if self.last_report.elapsed() < REPORT_INTERVAL {
            return;
        }
        self.last_report = Instant::now();
        let views = consumer.views();
        let progress = self.positions.iter().map(|(partition, position)| {
            let committed = self.flow.committed(*partition).unwrap_or(*position);
            // Before its first fetch, librdkafka doesn't know the end of a partition.
            let high = views.get(partition).and_then(|view| u64::try_from(view.stable).ok());
            let high = high.or(self.ends.get(partition).copied());
            let progress = Partition {
                committed: Some(committed),
                position: Some(*position),
                high_watermark: high.map(|high| high.max(committed)),
                paused: consumer.is_paused(),
            };
            (*partition, progress)
        });
        self.handle.instruments.run_state.update_partitions(progress);
    }
}

fn read_history(
    source: &TopicSource,
    ranges: &[(i32, u64, u64)],
    generations: &BTreeMap<i32, u64>,
    letters: &LetterIndex,
    known: &mpsc::Sender<Message>,
    handle: &RunHandle,
) -> Result<(), StoreError> {
    let streams: BTreeMap<String, (u64, u64)> = ranges
        .iter()
        .map(|(partition, from, to)| (format!("{}|{partition}", source.options.topic), (*from, *to)))
        .collect();
    let read = |stream: &str, offset| streams.get(stream).is_some_and(|(from, to)| (*from..*to).contains(&offset));
    if known.blocking_send(Message::Undelivered(letters.undelivered(read, handle))).is_err() {
        return Ok(());
    }
    let mut history = History::open(&source.connection, &source.options.topic, ranges)?;
    while let Some(gathered) = history.gather(LIMITS)? {
        for (partition, batch) in gathered.into_batches() {
            let generation = generations.get(&partition).copied().unwrap_or(0);
            if handle.is_stopping() || known.blocking_send(Message::History(batch, generation)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
