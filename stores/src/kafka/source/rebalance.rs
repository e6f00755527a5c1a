//! Assigns and revokes partitions: chooses the offset to read from, and commits before a partition
//! is revoked.
//!
//! librdkafka calls this from within `poll`, on the thread that polls. It keeps sending heartbeats
//! meanwhile. A partition whose offsets can't be had at once is assigned, and paused until they are
//! known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    statistics::Statistics,
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaRespErr,
};

use crate::{
    kafka::{
        Flow,
        connect::{ErrorRecorder, config, topic_id},
        source::{
            offsets::{ASKING, bounds, committed, high},
            start::{Bounds, Committed, Otherwise, Start, committed_text, start},
        },
    },
    open::KafkaConnection,
};

/// An assigned partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Number of the partition.
    pub partition: i32,
    /// Offset of the first record to read.
    pub position: u64,
    /// Offset of the oldest record.
    pub low: u64,
    /// Offset before which no transaction was open at the time of the assignment.
    pub stable: u64,
    /// Why it is read from there.
    pub start: Start,
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
    /// Offset before which no transaction is open.
    pub stable: i64,
    /// Offset of the oldest record.
    pub low: i64,
}

/// The context of the consumer.
pub(crate) struct Group {
    pub(crate) voice: ErrorRecorder,
    pub(crate) flow: Arc<Flow>,
    pub(crate) connection: KafkaConnection,
    pub(crate) topic: String,
    /// The id of the topic that this consumer reads.
    pub(crate) topic_id: Mutex<Option<Arc<str>>>,
    /// The id of the topic that an earlier consumer of this worker read.
    pub(crate) earlier: Option<Arc<str>>,
    pub(crate) from_earliest: bool,
    /// `Some` if every partition must be read once from its oldest record. Holds the partitions for
    /// which this is done.
    pub(crate) from_start: Mutex<Option<Vec<i32>>>,
    /// How long batches in flight may take when partitions are revoked.
    pub(crate) drain: Duration,
    /// The client is closing: assigned partitions are not read, and no request is sent.
    pub(crate) leaving: AtomicBool,
    pub(crate) changes: Mutex<Vec<Change>>,
    /// Assigned partitions whose offsets are not known yet. They are paused.
    pub(crate) undecided: Mutex<BTreeSet<i32>>,
    /// The topic was deleted and created again after this consumer had joined, or brokers refuse an
    /// offset and it is not known why.
    pub(crate) outdated: AtomicBool,
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
            let mut views = locked(&self.views);
            for (partition, stats) in &topic.partitions {
                let stable = if stats.ls_offset >= 0 { stats.ls_offset } else { stats.hi_offset };
                if *partition >= 0 && stable >= 0 {
                    views.insert(*partition, PartitionView { stable, low: stats.lo_offset });
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
        let new: BTreeSet<i32> = partitions.iter().copied().collect();
        let decided = self.decide(consumer, &new);
        let mut list = TopicPartitionList::new();
        for at in &decided {
            add(&mut list, &self.topic, at.partition, at.position);
        }
        let waiting: BTreeSet<i32> =
            new.into_iter().filter(|one| decided.iter().all(|at| at.partition != *one)).collect();
        let mut paused = TopicPartitionList::new();
        for partition in &waiting {
            add(&mut list, &self.topic, *partition, 0);
            paused.add_partition(&self.topic, *partition);
        }
        if let Err(error) = consumer.incremental_assign(&list) {
            tracing::warn!(topic = self.topic, %error, "failed to assign partitions");
        }
        if !waiting.is_empty() {
            tracing::warn!(
                topic = self.topic, partitions = ?waiting,
                "failed to read the offsets of partitions, which are not read until that succeeds"
            );
            if let Err(error) = consumer.pause(&paused) {
                tracing::warn!(topic = self.topic, %error, "failed to pause partitions");
            }
            locked(&self.undecided).extend(&waiting);
        }
        if waiting.is_empty() || !decided.is_empty() {
            self.take_up(consumer, decided);
        }
    }

    /// Tries again to read the offsets of the partitions that wait for them, and reads those that
    /// have them.
    pub(crate) fn assign_undecided(&self, consumer: &BaseConsumer<Self>) {
        let waiting = locked(&self.undecided).clone();
        if waiting.is_empty() {
            return;
        }
        let mut decided = self.decide(consumer, &waiting);
        decided.retain(|at| self.move_to(consumer, at.partition, at.position));
        if !decided.is_empty() {
            locked(&self.undecided).retain(|one| decided.iter().all(|at| at.partition != *one));
            self.take_up(consumer, decided);
        }
    }

    /// Continues a partition at another offset. Returns false if that failed.
    pub(crate) fn move_to(&self, consumer: &BaseConsumer<Self>, partition: i32, offset: u64) -> bool {
        // A partition whose offset was refused can't be sought. It is unassigned and assigned again.
        let mut list = TopicPartitionList::with_capacity(1);
        add(&mut list, &self.topic, partition, offset);
        let moved = consumer.incremental_unassign(&list).and_then(|()| consumer.incremental_assign(&list));
        if let Err(error) = &moved {
            tracing::warn!(topic = self.topic, partition, %error, "failed to assign a partition again");
        }
        moved.is_ok()
    }

    fn take_up(&self, consumer: &BaseConsumer<Self>, decided: Vec<Assigned>) {
        // Without an offset, a group that starts at the end would skip the records that arrive
        // before its first commit if it failed before that commit. So commit the start offset now.
        self.store(consumer);
        self.push(Change::Assigned(decided));
    }

    /// Decides where to read partitions, and tracks them from there. Leaves out those whose offsets
    /// can't be had now. Blocks for a few requests.
    fn decide(&self, consumer: &BaseConsumer<Self>, partitions: &BTreeSet<i32>) -> Vec<Assigned> {
        match self.starts(consumer, partitions) {
            Ok(decided) => decided,
            Err(error) => {
                tracing::info!(topic = self.topic, %error, "failed to read offsets, retrying");
                Vec::new()
            }
        }
    }

    fn starts(&self, consumer: &BaseConsumer<Self>, partitions: &BTreeSet<i32>) -> KafkaResult<Vec<Assigned>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let id = topic_id(consumer.client(), &self.topic, ASKING).map_err(KafkaError::MetadataFetch)?;
        let mut bounds = bounds(consumer, &self.topic, partitions)?;
        let committed = committed(consumer, &self.topic, bounds.keys().copied())?;
        self.correct_ends(&mut bounds, &committed)?;
        if !self.is_same_topic(id.as_deref()) {
            self.outdated.store(true, Relaxed);
            return Ok(Vec::new());
        }
        let otherwise = match (self.earlier.as_deref(), id.as_deref()) {
            (Some(earlier), Some(id)) if earlier != id => Otherwise::Replaced,
            _ if self.from_earliest => Otherwise::Earliest,
            _ => Otherwise::Latest,
        };
        let mut decided = Vec::with_capacity(bounds.len());
        for (partition, bounds) in bounds {
            let Some(committed) = committed.get(&partition) else { continue };
            let (position, start) = if self.starts_over(partition) {
                (bounds.low, Start::First)
            } else {
                start(committed.as_ref(), id.as_deref(), bounds, otherwise)
            };
            // An offset that was committed without the id of the topic is committed again with it.
            let same = |committed: &Committed| committed.offset == position && committed.topic_id == id;
            self.flow.tracker().assign(partition, position, committed.as_ref().is_some_and(same));
            decided.push(Assigned { partition, position, low: bounds.low, stable: bounds.stable, start });
        }
        Ok(decided)
    }

    /// Returns the ends of partitions, with the records of open transactions.
    pub(crate) fn ends(&self, partitions: &BTreeSet<i32>) -> KafkaResult<BTreeMap<i32, u64>> {
        let mut config = config(&self.connection);
        config.set("group.id", "lethe.offsets").set("isolation.level", "read_uncommitted");
        let uncommitted: BaseConsumer<ErrorRecorder> =
            BaseConsumer::from_config_and_context(&config, ErrorRecorder::default())?;
        high(&uncommitted, &self.topic, partitions)
    }

    /// Replaces the ends of partitions whose committed offset is behind the last stable offset.
    /// That is valid while a transaction is open.
    fn correct_ends(
        &self,
        bounds: &mut BTreeMap<i32, Bounds>,
        committed: &BTreeMap<i32, Option<Committed>>,
    ) -> KafkaResult<()> {
        let ahead: BTreeSet<i32> = bounds
            .iter()
            .filter(|(partition, bounds)| {
                let committed = committed.get(*partition).and_then(Option::as_ref);
                committed.is_some_and(|committed| committed.offset > bounds.stable)
            })
            .map(|(partition, _)| *partition)
            .collect();
        if ahead.is_empty() {
            return Ok(());
        }
        let ends = self.ends(&ahead)?;
        for partition in ahead {
            if let (Some(bounds), Some(end)) = (bounds.get_mut(&partition), ends.get(&partition)) {
                bounds.high = bounds.stable.max(*end);
            } else {
                bounds.remove(&partition);
            }
        }
        Ok(())
    }

    /// Returns true if the topic is still the one that this consumer reads. A consumer never reads
    /// two topics: offsets of the old one would be committed as those of the new one.
    pub(crate) fn is_same_topic(&self, id: Option<&str>) -> bool {
        let mut known = locked(&self.topic_id);
        match (known.as_deref(), id) {
            (Some(known), Some(id)) => known == id,
            (None, Some(id)) => {
                *known = Some(Arc::from(id));
                true
            }
            (_, None) => true,
        }
    }

    /// Returns true if the partition must be read from its start, which happens once per process.
    fn starts_over(&self, partition: i32) -> bool {
        let mut from_start = locked(&self.from_start);
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
        locked(&self.undecided).retain(|one| !partitions.contains(one));
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
        let text = committed_text(locked(&self.topic_id).as_deref());
        for (partition, offset) in moved {
            let mut list = TopicPartitionList::with_capacity(1);
            add(&mut list, &self.topic, partition, offset);
            if let Some(mut element) = list.find_partition(&self.topic, partition) {
                element.set_metadata(&text);
            }
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

    pub(crate) fn push(&self, change: Change) {
        locked(&self.changes).push(change);
    }
}

/// Adds a partition with its offset. The list rejects only invalid offsets, which can't occur here.
pub(crate) fn add(list: &mut TopicPartitionList, topic: &str, partition: i32, offset: u64) {
    let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    let _ = list.add_partition_offset(topic, partition, offset);
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
