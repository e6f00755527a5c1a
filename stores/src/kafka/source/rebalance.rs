//! Assigns and revokes partitions: chooses the offset to read from, and commits before a partition
//! is revoked.
//!
//! librdkafka calls this from within `poll`, on the thread that polls. It keeps sending heartbeats
//! meanwhile.

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

use crate::kafka::{Flow, connect::ErrorRecorder};

/// Timeout of one request to the cluster.
const ASKING: Duration = Duration::from_secs(5);
/// How long requests for offsets are retried. After that librdkafka reads the committed offsets
/// itself.
const COMMITTED: Duration = Duration::from_secs(60);

/// An assigned partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Number of the partition.
    pub partition: i32,
    /// Offset of the first record to read.
    pub position: u64,
    /// Offset of the oldest record.
    pub low: u64,
    /// Offset after the newest record at the time of the assignment.
    pub high: u64,
    /// Records that the source's retention deleted before the group read them.
    pub expired_unread: u64,
    /// Whether the group had committed an offset.
    pub committed: bool,
}

/// A change of the assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Partitions were assigned.
    Assigned(Vec<Assigned>),
    /// Partitions were revoked.
    Revoked {
        /// Numbers of the partitions.
        partitions: Vec<i32>,
        /// Batches of these partitions that were still in flight. Another member delivers them
        /// again.
        undelivered: usize,
    },
}

/// The known offsets of a partition, for the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// Offset after the newest record.
    pub high: i64,
    /// Offset of the oldest record.
    pub low: i64,
}

/// The context of the consumer.
pub(crate) struct Group {
    pub(crate) voice: ErrorRecorder,
    pub(crate) flow: Arc<Flow>,
    pub(crate) topic: String,
    pub(crate) from_earliest: bool,
    /// `Some` if every partition must be read once from its oldest record. Holds the partitions for
    /// which this is done.
    pub(crate) from_start: Mutex<Option<Vec<i32>>>,
    /// How long batches in flight may take when partitions are revoked.
    pub(crate) drain: Duration,
    /// The client is closing: assigned partitions are not read, and no request is sent.
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
                // A closing client answers no requests for offsets, but waits for this call. The
                // partitions assigned here are revoked at once.
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
                    "failed to read the committed offsets: reading from them without counting expired records"
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
            tracing::warn!(topic = self.topic, %error, "failed to assign partitions");
        }
        // Without an offset, a group that starts at the end would skip the records that arrive
        // before its first commit if it failed before that commit. So commit the start offset now.
        self.store(consumer);
        self.push(Change::Assigned(assigned));
    }

    /// Returns the offset to read each partition from.
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
                // The topic was deleted and created again, so the committed offset is invalid.
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

    /// Returns true if the partition must be read from its start, which happens once per process.
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
        // A closing client accepts no commit. Offsets committed earlier remain valid, and the other
        // records are read again.
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
            tracing::debug!(topic = self.topic, %error, "failed to unassign partitions");
        }
        self.push(Change::Revoked { partitions, undelivered });
    }

    /// Stores the acknowledged offsets in librdkafka, which commits them twice a second and retries
    /// failed commits. Offsets are not committed one by one: these bindings don't return the
    /// results of such commits, and a commit that librdkafka retries may overwrite a later one.
    pub(crate) fn store(&self, consumer: &BaseConsumer<Self>) {
        let moved = self.flow.tracker().take_committable();
        for (partition, offset) in moved {
            let mut list = TopicPartitionList::with_capacity(1);
            add(&mut list, &self.topic, partition, offset);
            if let Err(error) = consumer.store_offsets(&list) {
                tracing::debug!(topic = self.topic, %error, "failed to store an offset, retrying");
                self.flow.tracker().not_taken(partition);
            }
        }
    }

    /// Commits the acknowledged offsets and waits for the result.
    pub(crate) fn commit(&self, consumer: &BaseConsumer<Self>) {
        self.store(consumer);
        match consumer.commit_consumer_state(CommitMode::Sync) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => tracing::debug!(topic = self.topic, %error, "commit failed, records will be read again"),
        }
    }

    fn push(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

/// Adds a partition with its offset. The list rejects only invalid offsets, which can't occur here.
pub(crate) fn add(list: &mut TopicPartitionList, topic: &str, partition: i32, offset: u64) {
    let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    let _ = list.add_partition_offset(topic, partition, offset);
}

/// Retries while the cluster moves its partitions.
fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let until = Instant::now() + COMMITTED;
    loop {
        match ask() {
            Err(error) if Instant::now() < until => {
                tracing::debug!(%error, "failed to read offsets, retrying");
                std::thread::sleep(Duration::from_millis(100));
            }
            answer => return answer,
        }
    }
}
