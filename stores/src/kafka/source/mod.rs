//! A topic as a source, read by a member of a consumer group. The member needs a dedicated thread,
//! which polls at all times, also while it is paused.

mod fairness;
mod flow;
mod gather;
mod history;
mod offsets;
mod rebalance;
mod start;

pub use flow::Flow;
pub use gather::{Gathered, Limits};
pub use history::History;
pub use rebalance::{Assigned, Change, PartitionView};
pub use start::Start;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    Message, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    groups::GroupInfo,
    producer::Producer,
};

use crate::{
    StoreError,
    contract::KafkaConnection,
    kafka::{
        connect::{CLIENT, ErrorRecorder, asking, lasting, position, topic_id},
        fault::{of_code, of_kafka},
        source::{
            fairness::Turns,
            offsets::bounds,
            rebalance::{Group, locked},
            start::Bounds,
        },
    },
};

/// Interval at which acknowledged offsets are passed to librdkafka to be committed.
const STORE_EVERY: Duration = Duration::from_millis(250);

/// How long to wait for the partitions that are resumed first. librdkafka takes up to a second to
/// fetch again.
const FIRST: Duration = Duration::from_millis(1500);

/// Interval at which the brokers are asked for the id of the topic, and how long they may take.
const IDENTIFY_EVERY: Duration = Duration::from_secs(5);
const IDENTIFYING: Duration = Duration::from_secs(1);

/// Pause before offsets that could not be read are requested again, and before an error about
/// offsets is looked into: other partitions may report the same error.
const RETRY: Duration = Duration::from_millis(500);

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

/// The end of a partition that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Number of the partition.
    pub partition: i32,
    /// Every record before this offset was polled. Markers of transactions before it are not
    /// records.
    pub offset: u64,
}

/// A member of a consumer group.
pub struct KafkaConsumer {
    connection: KafkaConnection,
    options: ConsumerOptions,
    consumer: BaseConsumer<Group>,
    streams: BTreeMap<i32, Arc<str>>,
    ours: BTreeSet<i32>,
    reached: BTreeMap<i32, Reached>,
    paused: bool,
    turns: Turns,
    /// Partitions that are resumed once the first ones had their turn. `since` is when they began
    /// to wait.
    others: Vec<i32>,
    since: Instant,
    stored: Instant,
    identified: Instant,
    /// When brokers refused an offset, and when undecided partitions were last tried.
    refused: Option<Instant>,
    tried: Instant,
}

impl KafkaConsumer {
    /// Joins the group. It does not wait for the assignment, which arrives during [`Self::poll`].
    pub fn join(connection: &KafkaConnection, options: &ConsumerOptions, flow: Arc<Flow>) -> Result<Self, StoreError> {
        Self::join_from(connection, options, flow, None, options.from_start.then(Vec::new))
    }

    fn join_from(
        connection: &KafkaConnection,
        options: &ConsumerOptions,
        flow: Arc<Flow>,
        earlier: Option<Arc<str>>,
        from_start: Option<Vec<i32>>,
    ) -> Result<Self, StoreError> {
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
            // The end of a partition may be a marker of a transaction, which is no record.
            .set("enable.partition.eof", "true")
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
            connection: connection.clone(),
            topic: options.topic.clone(),
            topic_id: Mutex::default(),
            earlier,
            from_earliest: options.from_earliest,
            from_start: Mutex::new(from_start),
            drain: options.drain,
            leaving: AtomicBool::default(),
            changes: Mutex::default(),
            undecided: Mutex::default(),
            outdated: AtomicBool::default(),
            views: Mutex::default(),
        };
        let failed = |error: KafkaError| of_kafka(connection, &error, None);
        let consumer = BaseConsumer::from_config_and_context(&config, group).map_err(failed)?;
        consumer.subscribe(&[&options.topic]).map_err(failed)?;
        Ok(Self {
            connection: connection.clone(),
            options: options.clone(),
            consumer,
            streams: BTreeMap::new(),
            ours: BTreeSet::new(),
            reached: BTreeMap::new(),
            paused: false,
            turns: Turns::default(),
            others: Vec::new(),
            since: Instant::now(),
            stored: Instant::now(),
            identified: Instant::now(),
            refused: None,
            tried: Instant::now(),
        })
    }

    /// Returns true if the assignment doesn't fit the topic any more: the topic was deleted and
    /// created again, or a partition lost records that were read. Call [`Self::join_again`] then.
    pub fn is_outdated(&self) -> bool {
        self.consumer.context().outdated.load(Relaxed)
    }

    /// Leaves the group and joins it again with a new client, which decides again where to read
    /// each partition. The old client knows leaders and epochs of the topic that it read. All
    /// partitions are revoked.
    pub fn join_again(self) -> Result<Self, StoreError> {
        let group = self.consumer.context();
        let flow = Arc::clone(&group.flow);
        let earlier = locked(&group.topic_id).clone().or_else(|| group.earlier.clone());
        let from_start = locked(&group.from_start).clone();
        let (connection, options) = (self.connection.clone(), self.options.clone());
        self.leave();
        Self::join_from(&connection, &options, flow, earlier, from_start)
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
                    // Not assigned, or not decided where to read it.
                    if came != Some(partition) && !self.ours.contains(&partition) {
                        continue;
                    }
                    let (group, streams) = (self.consumer.context(), &mut self.streams);
                    let stream = || {
                        let name = streams.entry(partition);
                        let name = name.or_insert_with(|| Arc::from(format!("{}|{partition}", group.topic)));
                        (Arc::clone(name), locked(&group.topic_id).clone().unwrap_or_default())
                    };
                    gathered.push(stream, &message);
                    // Records arrive in runs of one partition, so this lookup is rare.
                    if came.replace(partition) != Some(partition) {
                        self.turns.had(partition);
                    }
                    wait = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.reached.extend(self.end(partition).map(|reached| (partition, reached)));
                }
                Some(Err(error)) if is_refused_offset(&error) => {
                    self.refused.get_or_insert_with(Instant::now);
                }
                Some(Err(error)) => self.heard(&error)?,
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
        self.watch(gathered);
        Ok(())
    }

    /// Looks at intervals after what may be wrong with the assignment.
    fn watch(&mut self, gathered: &Gathered) {
        let group = self.consumer.context();
        if self.tried.elapsed() >= RETRY {
            group.assign_undecided(&self.consumer);
            self.tried = Instant::now();
        }
        if self.identified.elapsed() >= IDENTIFY_EVERY {
            match topic_id(self.consumer.client(), &group.topic, IDENTIFYING) {
                Ok(id) if !group.is_same_topic(id.as_deref()) => group.outdated.store(true, Relaxed),
                Ok(_) => {}
                Err(error) => tracing::debug!(topic = group.topic, %error, "failed to read the id of the topic"),
            }
            self.identified = Instant::now();
        }
        if self.refused.is_some_and(|since| since.elapsed() >= RETRY) {
            self.refused = (!self.skip_expired(gathered)).then(Instant::now);
        }
    }

    /// Returns the end of a partition that was just reached.
    fn end(&self, partition: i32) -> Option<Reached> {
        let (client, group) = (self.consumer.client(), self.consumer.context());
        // Nothing was received of a partition that ends where it is read from.
        let offset = position(client, &group.topic, partition).or_else(|| group.flow.tracker().next(partition))?;
        Some(Reached { partition, offset })
    }

    /// Returns the assigned partitions in which records of an open transaction follow those that can
    /// be read. Blocks.
    pub fn open_transactions(&self) -> Result<BTreeSet<i32>, StoreError> {
        let group = self.consumer.context();
        let open = || -> KafkaResult<BTreeSet<i32>> {
            let bounds = bounds(&self.consumer, &group.topic, &self.ours)?;
            let ends = group.ends(&bounds.keys().copied().collect())?;
            Ok(ends.into_iter().filter(|(at, end)| bounds[at].stable < *end).map(|(at, _)| at).collect())
        };
        open().map_err(|error| of_kafka(&self.connection, &error, None))
    }

    /// Returns the ends of partitions that were reached since the last call. The caller must have
    /// begun all batches that were gathered before.
    pub fn reached(&mut self) -> Vec<Reached> {
        std::mem::take(&mut self.reached).into_values().collect()
    }

    /// Returns the changes since the last call. The caller must discard gathered records of revoked
    /// partitions.
    pub fn changes(&mut self) -> Vec<Change> {
        let changes = std::mem::take(&mut *locked(&self.consumer.context().changes));
        for change in &changes {
            match change {
                Change::Assigned(assigned) => {
                    self.ours.extend(assigned.iter().map(|at| at.partition));
                    // librdkafka keeps the pause of a partition across a revocation and a new
                    // assignment.
                    self.others.clear();
                    self.set_paused(self.paused, self.ours.iter());
                }
                Change::Revoked { partitions, .. } => {
                    self.ours.retain(|ours| !partitions.contains(ours));
                    self.reached.retain(|reached, _| !partitions.contains(reached));
                }
            }
        }
        changes
    }

    /// Returns the assigned partitions.
    pub fn partitions(&self) -> &BTreeSet<i32> {
        &self.ours
    }

    /// Returns true if assigned partitions are not read yet, because their offsets can't be had.
    pub fn is_undecided(&self) -> bool {
        !locked(&self.consumer.context().undecided).is_empty()
    }

    /// Returns the known offsets of the assigned partitions.
    pub fn views(&self) -> BTreeMap<i32, PartitionView> {
        locked(&self.consumer.context().views).clone()
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
    fn heard(&self, error: &KafkaError) -> Result<(), StoreError> {
        let reason = self.consumer.context().voice.take();
        let code = error.rdkafka_error_code();
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

    /// Finds the partitions whose offsets the brokers refused. Resumes at the oldest record where
    /// the source's retention has deleted unread records. If that doesn't explain the error, the
    /// partitions have other records than those that were read, so the assignment is outdated.
    /// Returns false if the offsets of the partitions can't be had now.
    fn skip_expired(&self, gathered: &Gathered) -> bool {
        let group = self.consumer.context();
        let Ok(bounds) = bounds(&self.consumer, &group.topic, &self.ours) else { return false };
        if bounds.len() < self.ours.len() {
            return false;
        }
        let mut skipped = Vec::new();
        for (partition, Bounds { low, stable, .. }) in bounds {
            let read = gathered.next_offset(partition).or_else(|| group.flow.tracker().next(partition)).unwrap_or(0);
            if read < low && group.move_to(&self.consumer, partition, low) {
                group.flow.tracker().skip(partition, low);
                skipped.push(Assigned { partition, position: low, low, stable, start: Start::Expired(low - read) });
            }
        }
        if skipped.is_empty() {
            group.outdated.store(true, Relaxed);
        } else {
            group.push(Change::Assigned(skipped));
        }
        true
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

/// Returns true if brokers have no record at the offset that was requested.
fn is_refused_offset(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation))
}

impl Drop for KafkaConsumer {
    /// The client is dropped after this and calls the rebalance callback while it closes.
    fn drop(&mut self) {
        self.consumer.context().leaving.store(true, Relaxed);
    }
}
