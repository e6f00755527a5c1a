//! A topic as a source, read by a member of a consumer group. The member needs a dedicated thread,
//! which polls at all times, also while it is paused.

mod fairness;
mod flow;
mod gather;
mod history;
mod rebalance;

pub use flow::Flow;
pub use gather::{Gathered, Limits};
pub use history::History;
pub use rebalance::{Assigned, Change, PartitionView};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    Message, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
    groups::GroupInfo,
    producer::Producer,
};

use crate::{
    StoreError,
    contract::KafkaConnection,
    kafka::{
        connect::{CLIENT, ErrorRecorder, asking, lasting},
        fault::{of_code, of_kafka},
        source::{
            fairness::Turns,
            rebalance::{Group, add},
        },
    },
};

/// Interval at which acknowledged offsets are passed to librdkafka to be committed.
const STORE_EVERY: Duration = Duration::from_millis(250);

/// How long to wait for the partitions that are resumed first. librdkafka takes up to a second to
/// fetch again.
const FIRST: Duration = Duration::from_millis(1500);

/// Options of the consumer.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// Name of the topic.
    pub topic: String,
    /// Name of the consumer group.
    pub group: String,
    /// If the group has no offsets: true starts at the oldest record, false after the newest.
    pub from_earliest: bool,
    /// Read every partition from its oldest record, also if an offset is committed.
    pub from_start: bool,
    /// How long batches in flight may take when partitions are revoked.
    pub drain: Duration,
    /// Identity of the pipeline that this member works for. Members with the same identity share
    /// its work.
    pub identity: Option<String>,
}

impl ConsumerOptions {
    /// Returns the client ID that brokers see.
    fn client_id(&self) -> String {
        self.identity.as_ref().map_or_else(|| CLIENT.to_owned(), |identity| format!("{CLIENT}/{identity}"))
    }
}

/// Returns how many members of the group have another client ID, so they work for another pipeline
/// or name none. Blocks.
pub fn strangers(connection: &KafkaConnection, options: &ConsumerOptions) -> Result<usize, StoreError> {
    let own = options.client_id();
    asking(connection, |client, timeout| {
        let groups = client.client().fetch_group_list(Some(&options.group), timeout)?;
        let members = groups.groups().iter().flat_map(GroupInfo::members);
        Ok(members.filter(|member| member.client_id() != own).count())
    })
}

/// A member of a consumer group.
pub struct KafkaConsumer {
    connection: KafkaConnection,
    consumer: BaseConsumer<Group>,
    streams: BTreeMap<i32, Arc<str>>,
    ours: BTreeSet<i32>,
    paused: bool,
    turns: Turns,
    /// Partitions that are resumed once the first ones had their turn. `since` is when they began
    /// to wait.
    others: Vec<i32>,
    since: Instant,
    stored: Instant,
}

impl KafkaConsumer {
    /// Joins the group. It does not wait for the assignment, which arrives during [`Self::poll`].
    pub fn join(connection: &KafkaConnection, options: &ConsumerOptions, flow: Arc<Flow>) -> Result<Self, StoreError> {
        let mut config = lasting(connection);
        config
            .set("client.id", options.client_id())
            .set("group.id", &options.group)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "2000")
            .set("max.poll.interval.ms", "300000")
            // This commits only stored offsets. An offset is stored once every sink holds the
            // records before it.
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "500")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", "16384")
            // A response of this size must arrive within socket.timeout.ms, also on a slow
            // connection.
            .set("fetch.max.bytes", "4194304")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", "200")
            .set("fetch.error.backoff.ms", "200");
        let group = Group {
            voice: ErrorRecorder::default(),
            flow,
            topic: options.topic.clone(),
            from_earliest: options.from_earliest,
            from_start: Mutex::new(options.from_start.then(Vec::new)),
            drain: options.drain,
            leaving: AtomicBool::default(),
            changes: Mutex::default(),
            views: Mutex::default(),
        };
        let failed = |error: KafkaError| of_kafka(connection, &error, None);
        let consumer = BaseConsumer::from_config_and_context(&config, group).map_err(failed)?;
        consumer.subscribe(&[&options.topic]).map_err(failed)?;
        Ok(Self {
            connection: connection.clone(),
            consumer,
            streams: BTreeMap::new(),
            ours: BTreeSet::new(),
            paused: false,
            turns: Turns::default(),
            others: Vec::new(),
            since: Instant::now(),
            stored: Instant::now(),
        })
    }

    /// Waits up to `wait` for a first record, then takes the records that are available. Stores
    /// acknowledged offsets at intervals. Returns an error only if it needs a person to fix it; the
    /// loss of a broker is not an error.
    pub fn poll(&mut self, gathered: &mut Gathered, limits: Limits, wait: Duration) -> Result<(), StoreError> {
        let (mut wait, mut came) = (wait, None);
        // Poll at least once: a consumer that is paused because the batch is full must be polled as
        // well.
        loop {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let partition = message.partition();
                    let (topic, streams) = (&self.consumer.context().topic, &mut self.streams);
                    let stream = || {
                        let name = streams.entry(partition);
                        Arc::clone(name.or_insert_with(|| Arc::from(format!("{topic}|{partition}"))))
                    };
                    gathered.push(stream, &message);
                    // Records arrive in runs of one partition, so this lookup is rare.
                    if came.replace(partition) != Some(partition) {
                        self.turns.had(partition);
                    }
                    wait = Duration::ZERO;
                }
                Some(Err(error)) => self.heard(&error, gathered)?,
            }
            if gathered.is_full(limits) {
                break;
            }
        }
        self.let_others_go_on(came.is_some());
        if self.stored.elapsed() >= STORE_EVERY {
            self.stored = Instant::now();
            self.consumer.context().voice.remind(self.consumer.client(), &self.connection);
            self.consumer.context().store(&self.consumer);
        }
        Ok(())
    }

    /// Returns the changes since the last call. The caller must discard gathered records of revoked
    /// partitions.
    pub fn changes(&mut self) -> Vec<Change> {
        let changes =
            std::mem::take(&mut *self.consumer.context().changes.lock().unwrap_or_else(PoisonError::into_inner));
        for change in &changes {
            match change {
                Change::Assigned(assigned) => {
                    self.ours.extend(assigned.iter().map(|at| at.partition));
                    // librdkafka keeps the pause of a partition across a revocation and a new
                    // assignment.
                    self.others.clear();
                    self.set_paused(self.paused, self.ours.iter());
                }
                Change::Revoked { partitions, .. } => self.ours.retain(|ours| !partitions.contains(ours)),
            }
        }
        changes
    }

    /// Returns the assigned partitions.
    pub fn partitions(&self) -> &BTreeSet<i32> {
        &self.ours
    }

    /// Returns the known offsets of the assigned partitions.
    pub fn views(&self) -> BTreeMap<i32, PartitionView> {
        self.consumer.context().views.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pauses or resumes fetching. The partitions that have waited longest are resumed first. The
    /// consumer must also be polled while it is paused.
    pub fn pause(&mut self, paused: bool) {
        if self.paused == paused {
            return;
        }
        self.paused = paused;
        self.others.clear();
        if paused {
            self.set_paused(true, self.ours.iter());
        } else {
            let (first, others) = self.turns.next(&self.ours);
            self.set_paused(false, first.iter());
            (self.others, self.since) = (others, Instant::now());
        }
    }

    /// Resumes the other partitions once the first ones had their turn.
    fn let_others_go_on(&mut self, came: bool) {
        if self.others.is_empty() || !came && self.since.elapsed() < FIRST {
            return;
        }
        let others = std::mem::take(&mut self.others);
        for first in self.ours.iter().filter(|partition| !came && !others.contains(partition)) {
            self.turns.had(*first);
        }
        self.set_paused(false, others.iter());
    }

    /// Returns true if fetching is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    fn set_paused<'p>(&self, paused: bool, partitions: impl Iterator<Item = &'p i32>) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.consumer.context().topic, *partition);
        }
        let done = if paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        if let Err(error) = done {
            tracing::debug!(%error, paused, "failed to pause or resume partitions");
        }
    }

    /// Handles an error event. Lost brokers are only logged. Returns an error that needs a person
    /// to fix it, which ends the run.
    fn heard(&self, error: &KafkaError, gathered: &Gathered) -> Result<(), StoreError> {
        let reason = self.consumer.context().voice.take();
        let code = error.rdkafka_error_code();
        if code == Some(Code::AutoOffsetReset) || code == Some(Code::OffsetOutOfRange) {
            self.skip_expired(gathered);
            return Ok(());
        }
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            return Err(of_kafka(&self.connection, error, reason.as_ref()));
        }
        match code {
            Some(
                code @ (Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic),
            ) => {
                // Some brokers don't know a topic that was just created, and a broker that restarts
                // may not know its users yet. So the caller decides how long to tolerate this.
                tracing::warn!(target: "librdkafka", %error, "broker refused a request");
                Err(of_code(&self.connection, code, &error.to_string()))
            }
            _ => {
                tracing::info!(target: "librdkafka", %error, "consumer error, continuing");
                Ok(())
            }
        }
    }

    /// Resumes at the oldest record after the source's retention has deleted unread records.
    /// Reports how many expired unread.
    fn skip_expired(&self, gathered: &Gathered) {
        let group = self.consumer.context();
        for partition in &self.ours {
            let Ok((low, high)) = self.consumer.fetch_watermarks(&group.topic, *partition, Duration::from_secs(5))
            else {
                continue;
            };
            let (low, high) = (low.max(0).unsigned_abs(), high.max(0).unsigned_abs());
            let read = gathered.next_offset(*partition).or_else(|| group.flow.tracker().next(*partition)).unwrap_or(0);
            if read >= low {
                continue;
            }
            // A partition whose offset was refused can't be sought. It is unassigned and assigned
            // again.
            let mut list = TopicPartitionList::new();
            add(&mut list, &group.topic, *partition, low);
            let taken =
                self.consumer.incremental_unassign(&list).and_then(|()| self.consumer.incremental_assign(&list));
            if let Err(error) = taken {
                tracing::warn!(topic = group.topic, partition, %error, "failed to assign a partition again");
                continue;
            }
            group.flow.tracker().skip(*partition, low);
            let expired_unread = low - read;
            let gone = Assigned { partition: *partition, position: low, low, high, expired_unread, committed: true };
            group.changes.lock().unwrap_or_else(PoisonError::into_inner).push(Change::Assigned(vec![gone]));
        }
    }

    /// Leaves the group. Waits up to `drain` for batches in flight, then commits. Returns how many
    /// batches were left undelivered.
    pub fn leave(mut self) -> usize {
        let partitions: Vec<i32> = self.ours.iter().copied().collect();
        self.pause(true);
        let group = self.consumer.context();
        // Keep polling, so that a rebalance of other members is not delayed.
        let until = Instant::now() + group.drain;
        while Instant::now() < until && group.flow.drain(&partitions, Duration::from_millis(50)) > 0 {
            let _ = self.consumer.poll(Duration::ZERO);
        }
        let left = group.flow.in_flight();
        group.commit(&self.consumer);
        self.consumer.unsubscribe();
        // Dropping `self` runs the revocation.
        left
    }
}

impl Drop for KafkaConsumer {
    /// The client is dropped after this and calls the rebalance callback while it closes.
    fn drop(&mut self) {
        self.consumer.context().leaving.store(true, Relaxed);
    }
}
