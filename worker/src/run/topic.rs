//! The thread that polls a topic: it polls at all times, whether or not there is room for what
//! comes, so that the group never takes it for dead.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_stores::{
    StoreError,
    connection::KafkaConnection,
    kafka::{Assigned, Change, ConsumerOptions, Flow, Gathered, History, KafkaConsumer, Limits},
};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    BATCH, RunError, Watch,
    part::{Feed, Part, Receipt},
    strangers,
};
use crate::observe::Partition;

/// What is gathered before it sets out, at most. Where a store is slow, everything under way lies before what comes
/// next, and a partition that was taken over waits for it: less than the batches of files, which nobody waits for.
const LIMITS: Limits = Limits { records: BATCH / 2, bytes: 4 << 20 };
/// How long an empty topic is waited on before the signals are looked at.
const IDLE: Duration = Duration::from_millis(50);
/// The same while something waits for room.
const CROWDED: Duration = Duration::from_millis(2);
/// How long room is waited for before fetching stops: that throws away what was fetched and not taken, and to go
/// on takes the client a second.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is told how far the partitions have come.
const TELL: Duration = Duration::from_millis(500);
/// The thread is stuck when it has not turned for so long. A rebalance lasts as long as what is under
/// way takes, and a broker may take its time to answer.
const STUCK: Duration = Duration::from_secs(60);
/// How long a broker may refuse a user or a topic that it knew, or will know.
const REFUSED: Duration = Duration::from_secs(30);

/// Where a topic is, and how it is read.
#[derive(Clone, Debug)]
pub struct TopicOrigin {
    /// The cluster.
    pub connection: KafkaConnection,
    /// The topic and its group.
    pub options: ConsumerOptions,
}

/// Reads a topic.
pub(super) struct TopicReader {
    pub(super) origin: TopicOrigin,
    pub(super) flow: Arc<Flow>,
    pub(super) follow: bool,
    /// Ids that are remembered, where they are.
    pub(super) dedupe_ids: Option<usize>,
    pub(super) known: mpsc::Sender<Feed>,
    pub(super) watch: Arc<Watch>,
    /// Of a run that ends: offsets before which each partition is read.
    pub(super) ends: BTreeMap<i32, u64>,
    pub(super) positions: BTreeMap<i32, u64>,
    /// When it last said how far they are.
    pub(super) told: Instant,
}

impl TopicReader {
    pub(super) fn read(mut self, batches: &mpsc::Sender<Feed>) -> Result<(), RunError> {
        let mut consumer = KafkaConsumer::join(&self.origin.connection, &self.origin.options, Arc::clone(&self.flow))?;
        strangers::look(&self.origin, &self.watch);
        let heart = self.watch.shown.pulse.heart("the thread that polls", STUCK);
        let mut gathered = Gathered::default();
        let mut refused: Option<Instant> = None;
        let mut assigned = false;
        while !self.watch.stops() {
            heart.beat();
            let wait = if gathered.is_empty() { IDLE } else { CROWDED };
            match consumer.poll(&mut gathered, LIMITS, wait) {
                Ok(()) => {
                    if !gathered.is_empty() {
                        refused = None;
                        self.watch.shown.board.connected(true);
                    }
                }
                Err(error) => {
                    self.watch.shown.board.connected(false);
                    let since = *refused.get_or_insert_with(Instant::now);
                    if error.is_transient() || (assigned && since.elapsed() < REFUSED) {
                        continue;
                    }
                    return Err(error.into());
                }
            }
            for change in consumer.changes() {
                assigned = true;
                self.changed(change, &mut gathered, batches);
            }
            if gathered.is_empty() {
                // What waited for room has gone with its partitions.
                consumer.pause(false);
            } else {
                match batches.try_reserve() {
                    Ok(room) => {
                        consumer.pause(false);
                        room.send(Feed::New(self.set_out(gathered.take())));
                    }
                    Err(TrySendError::Full(())) if gathered.is_full(LIMITS) => {
                        consumer.pause(consumer.is_paused() || !self.finds_room(batches));
                    }
                    Err(TrySendError::Full(())) => consumer.pause(false),
                    Err(TrySendError::Closed(())) => break,
                }
            }
            self.tell(&consumer);
            if !self.follow && assigned && gathered.is_empty() && self.at_end() {
                break;
            }
        }
        let left = consumer.leave();
        if left > 0 {
            tracing::warn!(batches = left, "left with batches under way: they will be read again");
        }
        Ok(())
    }

    /// Waits for room for a moment.
    fn finds_room(&self, batches: &mpsc::Sender<Feed>) -> bool {
        let started = Instant::now();
        while batches.capacity() == 0 && !self.watch.stops() {
            if started.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(CROWDED);
        }
        true
    }

    fn set_out(&mut self, gathered: Gathered) -> Vec<Part> {
        let mut parts = Vec::new();
        for (partition, batch) in gathered.into_batches() {
            self.positions.insert(partition, batch.next_offset);
            if let Some(ticket) = self.flow.begin(partition, batch.next_offset) {
                parts.push(Part { batch, receipt: Receipt::Group(ticket) });
            }
        }
        parts
    }

    fn changed(&mut self, change: Change, gathered: &mut Gathered, batches: &mpsc::Sender<Feed>) {
        match change {
            Change::Assigned(assigned) => {
                let partitions: Vec<i32> = assigned.iter().map(|at| at.partition).collect();
                tracing::info!(topic = self.origin.options.topic, ?partitions, "partitions came");
                for at in &assigned {
                    self.came(*at);
                }
                self.watch.shown.board.connected(true);
                self.watch.shown.board.assign(partitions);
                self.watch.shown.metrics.rebalanced();
                self.refill(&assigned);
            }
            Change::Revoked { partitions, undelivered } => {
                tracing::info!(topic = self.origin.options.topic, ?partitions, undelivered, "partitions went");
                gathered.forget(&partitions);
                for partition in &partitions {
                    self.positions.remove(partition);
                }
                self.watch.shown.board.revoke(partitions.iter().copied());
                let streams = partitions.iter().map(|partition| self.stream(*partition)).collect();
                // In line with the records: they are forgotten after what is under way was processed.
                if batches.try_send(Feed::Gone(streams)).is_err() {
                    tracing::debug!("the ids of partitions that went stay remembered for a while");
                }
            }
        }
    }

    fn came(&mut self, at: Assigned) {
        self.positions.insert(at.partition, at.position);
        self.ends.entry(at.partition).or_insert(at.high);
        if at.expired_unread > 0 {
            tracing::error!(
                topic = self.origin.options.topic,
                partition = at.partition,
                records = at.expired_unread,
                "the source's retention removed records before they were read: lengthen its retention.ms, or find out \
                 why the group was behind"
            );
            self.watch.shown.metrics.expired_unread(at.expired_unread);
        }
    }

    /// Whether a run that ends has read and delivered what there was when it began.
    fn at_end(&self) -> bool {
        let read = self.positions.iter().all(|(partition, at)| self.ends.get(partition).is_none_or(|end| at >= end));
        read && !self.positions.is_empty() && self.flow.in_flight() == 0
    }

    /// Reads the ids of records before the assignment, beside the work.
    fn refill(&self, assigned: &[Assigned]) {
        let Some(max_ids) = self.dedupe_ids else { return };
        let max_ids = max_ids as u64;
        let parts: Vec<(i32, u64, u64)> = assigned
            .iter()
            .map(|at| (at.partition, at.low.max(at.position.saturating_sub(max_ids)), at.position))
            .filter(|(_, from, to)| from < to)
            .collect();
        if parts.is_empty() {
            return;
        }
        let (origin, known, watch) = (self.origin.clone(), self.known.clone(), Arc::clone(&self.watch));
        let warming: Vec<i32> = parts.iter().map(|(partition, ..)| *partition).collect();
        watch.shown.board.warming(warming.iter().copied(), true);
        let refilled = warming.clone();
        let refilling = move || {
            if let Err(error) = remember(&origin, &parts, &known, &watch) {
                tracing::warn!(%error, "ids of earlier records are not remembered: a repetition of one may pass");
            }
            watch.shown.board.warming(refilled, false);
        };
        if let Err(error) = std::thread::Builder::new().name("refill".to_owned()).spawn(refilling) {
            tracing::warn!(%error, "no thread to read ids of earlier records");
            self.watch.shown.board.warming(warming, false);
        }
    }

    fn stream(&self, partition: i32) -> Arc<str> {
        Arc::from(format!("{}|{partition}", self.origin.options.topic))
    }

    fn tell(&mut self, consumer: &KafkaConsumer) {
        if self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        let views = consumer.views();
        let notes = self.positions.iter().map(|(partition, position)| {
            let committed = self.flow.committed(*partition).unwrap_or(*position);
            // Before its first fetch, librdkafka doesn't know where a partition ends.
            let high = views.get(partition).and_then(|view| u64::try_from(view.high).ok());
            let high = high.or(self.ends.get(partition).copied());
            let note = Partition {
                committed: Some(committed),
                position: Some(*position),
                high_watermark: high.map(|high| high.max(committed)),
                paused: consumer.is_paused(),
            };
            (*partition, note)
        });
        self.watch.shown.board.partitions(notes);
    }
}

fn remember(
    origin: &TopicOrigin,
    parts: &[(i32, u64, u64)],
    known: &mpsc::Sender<Feed>,
    watch: &Watch,
) -> Result<(), StoreError> {
    let mut history = History::open(&origin.connection, &origin.options.topic, parts)?;
    while let Some(gathered) = history.gather(LIMITS)? {
        for (_, batch) in gathered.into_batches() {
            if watch.stops() || known.blocking_send(Feed::Known(batch)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
