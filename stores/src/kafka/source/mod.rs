//! A topic as a source: a member of a consumer group. It has a thread of its own, which polls at
//! all times, paused or not.

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
    kafka::{
        connect::{CLIENT, Voice, asking, lasting},
        fault::{of_code, of_kafka},
        source::{
            fairness::Turns,
            rebalance::{Group, add},
        },
    },
    open::KafkaConnection,
};

/// How often acknowledged offsets are handed over to be committed.
const STORE_EVERY: Duration = Duration::from_millis(250);

/// How long partitions that go first are waited for: the client takes up to a second to fetch again.
const FIRST: Duration = Duration::from_millis(1500);

/// Which topic is read, and how.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// Start at the oldest record when the group has no offsets; else after the newest.
    pub from_earliest: bool,
    /// Read every partition from its oldest record, whatever is committed.
    pub from_start: bool,
    /// How long what is under way may take when partitions go.
    pub drain: Duration,
    /// Whose member it is: another member of the group that says so, too, works for the same.
    pub identity: Option<String>,
}

impl ConsumerOptions {
    /// What brokers know it as.
    fn client_id(&self) -> String {
        self.identity.as_ref().map_or_else(|| CLIENT.to_owned(), |identity| format!("{CLIENT}/{identity}"))
    }
}

/// Members of the group that say to work for somebody else, or don't say for whom. Blocks.
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
    /// Partitions that go on when others have had their turn, and since when they wait.
    others: Vec<i32>,
    since: Instant,
    stored: Instant,
}

impl KafkaConsumer {
    /// Joins the group. Blocks for moments only: the assignment comes while polling.
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
            // Of what was stored, that is: nothing is stored but what every sink holds.
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "500")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", "16384")
            // What an answer holds must get through a slow connection within socket.timeout.ms.
            .set("fetch.max.bytes", "4194304")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", "200")
            .set("fetch.error.backoff.ms", "200");
        let group = Group {
            voice: Voice::default(),
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

    /// Polls: waits for a first record for at most `wait`, then takes what is there. What is
    /// acknowledged is committed from time to time. An error is one that time won't cure; a lost broker is none.
    pub fn poll(&mut self, gathered: &mut Gathered, limits: Limits, wait: Duration) -> Result<(), StoreError> {
        let (mut wait, mut came) = (wait, None);
        // Once at least: a consumer that is paused because all is full is polled, too.
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
                    // Records come in runs of a partition.
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

    /// What changed since this was last asked. What was gathered of partitions that went must be
    /// forgotten.
    pub fn changes(&mut self) -> Vec<Change> {
        let changes =
            std::mem::take(&mut *self.consumer.context().changes.lock().unwrap_or_else(PoisonError::into_inner));
        for change in &changes {
            match change {
                Change::Assigned(assigned) => {
                    self.ours.extend(assigned.iter().map(|at| at.partition));
                    // A partition that left while it was paused comes back paused.
                    self.others.clear();
                    self.set_paused(self.paused, self.ours.iter());
                }
                Change::Revoked { partitions, .. } => self.ours.retain(|ours| !partitions.contains(ours)),
            }
        }
        changes
    }

    /// Partitions that are ours.
    pub fn partitions(&self) -> &BTreeSet<i32> {
        &self.ours
    }

    /// What the client knows of its partitions.
    pub fn views(&self) -> BTreeMap<i32, PartitionView> {
        self.consumer.context().views.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops fetching, or goes on: with the partitions first that had nothing for the longest time. It must
    /// be polled all the same.
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

    /// Once those that went first had their turn.
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

    /// Whether fetching is stopped.
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
            tracing::debug!(%error, paused, "partitions could not be paused or resumed");
        }
    }

    /// An error event. Brokers come and go; what a person must mend ends the run.
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
                // A topic that was made a moment ago is unknown to some brokers, and a broker that
                // restarts may not know its users yet: whoever polls decides when it is too long.
                tracing::warn!(target: "librdkafka", %error, "the broker refuses");
                Err(of_code(&self.connection, code, &error.to_string()))
            }
            _ => {
                tracing::info!(target: "librdkafka", %error, "going on");
                Ok(())
            }
        }
    }

    /// The source's retention overtook us: goes on at the oldest record there is, and says so.
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
            // Nothing can be sought in a partition whose offset was refused: it is taken anew.
            let mut list = TopicPartitionList::new();
            add(&mut list, &group.topic, *partition, low);
            let taken =
                self.consumer.incremental_unassign(&list).and_then(|()| self.consumer.incremental_assign(&list));
            if let Err(error) = taken {
                tracing::warn!(topic = group.topic, partition, %error, "a partition could not be taken anew");
                continue;
            }
            group.flow.tracker().skip(*partition, low);
            let expired_unread = low - read;
            let gone = Assigned { partition: *partition, position: low, low, high, expired_unread, committed: true };
            group.changes.lock().unwrap_or_else(PoisonError::into_inner).push(Change::Assigned(vec![gone]));
        }
    }

    /// Leaves the group: waits for what is under way as long as `drain` says, commits, goes. Answers
    /// how many batches were left undelivered.
    pub fn leave(mut self) -> usize {
        let partitions: Vec<i32> = self.ours.iter().copied().collect();
        self.pause(true);
        let group = self.consumer.context();
        // Polled meanwhile, so that a rebalance of others is not held up.
        let until = Instant::now() + group.drain;
        while Instant::now() < until && group.flow.drain(&partitions, Duration::from_millis(50)) > 0 {
            let _ = self.consumer.poll(Duration::ZERO);
        }
        let left = group.flow.in_flight();
        group.commit(&self.consumer);
        self.consumer.unsubscribe();
        // The revocation runs while it is dropped.
        left
    }
}

impl Drop for KafkaConsumer {
    /// The client is dropped after this, and calls back while it closes.
    fn drop(&mut self) {
        self.consumer.context().leaving.store(true, Relaxed);
    }
}
