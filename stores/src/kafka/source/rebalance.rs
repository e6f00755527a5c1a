//! What happens when partitions come and go: where to read from, what to commit before they leave.
//!
//! librdkafka calls this from within `poll`, on the thread that polls. Heartbeats go on meanwhile.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    statistics::Statistics,
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaRespErr,
};

use crate::kafka::{Flow, connect::Voice};

/// How long one question to the cluster may take.
const ASKING: Duration = Duration::from_secs(5);
/// How long the committed offsets are asked for before librdkafka is left to it.
const COMMITTED: Duration = Duration::from_secs(60);

/// A partition that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Which.
    pub partition: i32,
    /// Offset from which it is read.
    pub position: u64,
    /// Its oldest record.
    pub low: u64,
    /// The offset after its newest record, as it came.
    pub high: u64,
    /// Records that the group had not read when the source's retention removed them.
    pub expired_unread: u64,
    /// Whether the group had committed an offset.
    pub committed: bool,
}

/// What changed while polling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Partitions came.
    Assigned(Vec<Assigned>),
    /// Partitions went; `undelivered` batches of them were still under way.
    Revoked {
        /// Which.
        partitions: Vec<i32>,
        /// Batches that somebody else will deliver again.
        undelivered: usize,
    },
}

/// What the client knows of a partition, for a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// The offset after its newest record.
    pub high: i64,
    /// Its oldest record.
    pub low: i64,
}

/// The consumer's context.
pub(crate) struct Group {
    pub(crate) voice: Voice,
    pub(crate) flow: Arc<Flow>,
    pub(crate) topic: String,
    pub(crate) from_earliest: bool,
    /// Read every partition from its oldest record once, whatever is committed.
    pub(crate) from_start: Mutex<Option<Vec<i32>>>,
    /// How long what is under way may take when partitions go.
    pub(crate) drain: Duration,
    /// The client closes: nothing that comes is read, and nothing is asked.
    pub(crate) leaving: AtomicBool,
    pub(crate) changes: Mutex<Vec<Change>>,
    pub(crate) views: Mutex<BTreeMap<i32, PartitionView>>,
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        if let Some(topic) = statistics.topics.get(&self.topic) {
            let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
            for (partition, stats) in &topic.partitions {
                if *partition >= 0 && stats.hi_offset >= 0 {
                    views.insert(*partition, PartitionView { high: stats.hi_offset, low: stats.lo_offset });
                }
            }
        }
        self.voice.stats(statistics);
    }
}

impl ConsumerContext for Group {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> = list.elements().iter().map(TopicPartitionListElem::partition).collect();
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            if self.leaving.load(Relaxed) {
                // A client that closes answers no question about offsets, and waits for this one answer: partitions
                // that are taken now are given back at once.
                let _ = consumer.incremental_assign(list);
            } else {
                self.assign(consumer, &partitions);
            }
        } else {
            self.revoke(consumer, list, partitions);
        }
    }
}

impl Group {
    fn assign(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) {
        let mut assigned = Vec::with_capacity(partitions.len());
        let mut list = TopicPartitionList::new();
        match self.positions(consumer, partitions) {
            Ok(positions) => {
                for at in positions {
                    add(&mut list, &self.topic, at.partition, at.position);
                    self.flow.tracker().assign(at.partition, at.position, at.committed);
                    assigned.push(at);
                }
            }
            Err(error) => {
                tracing::warn!(
                    topic = self.topic, %error,
                    "the committed offsets could not be read: reading from them without counting what expired"
                );
                for partition in partitions {
                    let _ = list.add_partition_offset(&self.topic, *partition, Offset::Stored);
                    self.flow.tracker().assign(*partition, 0, true);
                    assigned.push(Assigned {
                        partition: *partition,
                        position: 0,
                        low: 0,
                        high: 0,
                        expired_unread: 0,
                        committed: true,
                    });
                }
            }
        }
        if let Err(error) = consumer.incremental_assign(&list) {
            tracing::warn!(topic = self.topic, %error, "partitions could not be taken");
        }
        // A group without an offset that starts at the end would skip what comes before its first
        // commit, if it died until then.
        self.store(consumer);
        self.push(Change::Assigned(assigned));
    }

    /// Where to read each partition from.
    fn positions(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) -> KafkaResult<Vec<Assigned>> {
        let mut asked = TopicPartitionList::new();
        for partition in partitions {
            asked.add_partition(&self.topic, *partition);
        }
        let committed = patiently(|| consumer.committed_offsets(asked.clone(), ASKING))?;
        let mut positions = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let (low, high) = patiently(|| consumer.fetch_watermarks(&self.topic, *partition, ASKING))?;
            let (low, high) = (low.max(0).unsigned_abs(), high.max(0).unsigned_abs());
            let found = committed.find_partition(&self.topic, *partition).map(|element| element.offset());
            let committed = match found {
                Some(Offset::Offset(offset)) => Some(offset.unsigned_abs()),
                _ => None,
            };
            let (position, expired_unread) = match committed {
                _ if self.starts_over(*partition) => (low, 0),
                Some(offset) if offset < low => (low, low - offset),
                // The topic was made anew: its offsets are others.
                Some(offset) if offset > high => (low, 0),
                Some(offset) => (offset, 0),
                None if self.from_earliest => (low, 0),
                None => (high, 0),
            };
            let committed = committed.is_some();
            positions.push(Assigned { partition: *partition, position, low, high, expired_unread, committed });
        }
        Ok(positions)
    }

    /// Whether a partition is to be read from its start: once a process.
    fn starts_over(&self, partition: i32) -> bool {
        let mut from_start = self.from_start.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(done) = from_start.as_mut() else { return false };
        if done.contains(&partition) {
            return false;
        }
        done.push(partition);
        true
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList, partitions: Vec<i32>) {
        let lost = consumer.assignment_lost();
        // Nothing is asked of a client that closes: what was committed before stands, the rest is read again.
        let undelivered = if lost || self.leaving.load(Relaxed) {
            partitions.iter().map(|partition| self.flow.tracker().in_flight(*partition)).sum()
        } else {
            let left = self.flow.drain(&partitions, self.drain);
            self.commit(consumer);
            left
        };
        for partition in &partitions {
            self.flow.tracker().revoke(*partition);
        }
        if let Err(error) = consumer.incremental_unassign(list) {
            tracing::debug!(topic = self.topic, %error, "partitions could not be given back");
        }
        self.push(Change::Revoked { partitions, undelivered });
    }

    /// Hands over what is acknowledged: librdkafka commits it twice a second, and again where a commit
    /// failed. Its answers to commits of single offsets reach nobody through these bindings, and one
    /// that it repeats by itself may overtake a later one.
    pub(crate) fn store(&self, consumer: &BaseConsumer<Self>) {
        let moved = self.flow.tracker().take_committable();
        for (partition, offset) in moved {
            let mut list = TopicPartitionList::with_capacity(1);
            add(&mut list, &self.topic, partition, offset);
            if let Err(error) = consumer.store_offsets(&list) {
                tracing::debug!(topic = self.topic, %error, "an offset could not be handed over yet");
                self.flow.tracker().not_taken(partition);
            }
        }
    }

    /// Commits what is acknowledged now, and waits for it.
    pub(crate) fn commit(&self, consumer: &BaseConsumer<Self>) {
        self.store(consumer);
        match consumer.commit_consumer_state(CommitMode::Sync) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => tracing::debug!(topic = self.topic, %error, "a commit failed: records will be read again"),
        }
    }

    fn push(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

/// Adds a partition with its offset. Only an offset that is no number would be refused.
pub(crate) fn add(list: &mut TopicPartitionList, topic: &str, partition: i32, offset: u64) {
    let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    let _ = list.add_partition_offset(topic, partition, offset);
}

/// Asks again while the cluster moves its partitions about.
fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let until = Instant::now() + COMMITTED;
    loop {
        match ask() {
            Err(error) if Instant::now() < until => {
                tracing::debug!(%error, "asking for offsets again");
                std::thread::sleep(Duration::from_millis(100));
            }
            answer => return answer,
        }
    }
}
