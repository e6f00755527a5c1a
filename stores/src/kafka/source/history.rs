//! Reads a topic between two offsets. It does not join a consumer group, so it commits nothing and
//! causes no rebalance.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
    metadata::MetadataPartition,
};

use crate::{
    ErrorKind, StoreError,
    contract::KafkaConnection,
    kafka::{
        Gathered, Limits,
        connect::{ErrorRecorder, PATIENCE, lasting},
        fault::{error, of_kafka},
    },
};

/// How long no record may arrive before the read fails with a timeout.
const SILENCE: Duration = Duration::from_secs(20);

impl ConsumerContext for ErrorRecorder {}

/// A read of ranges of a topic. Blocks.
pub struct History {
    connection: KafkaConnection,
    topic: String,
    consumer: BaseConsumer<ErrorRecorder>,
    /// Partitions that are not read to their end yet, with the offset before which each ends.
    open: BTreeMap<i32, u64>,
    streams: BTreeMap<i32, Arc<str>>,
}

impl History {
    /// Reads partitions, each given as its number, first offset and end offset. The end is
    /// exclusive.
    pub fn open(connection: &KafkaConnection, topic: &str, parts: &[(i32, u64, u64)]) -> Result<Self, StoreError> {
        let consumer = asker(connection)?;
        let mut list = TopicPartitionList::new();
        let mut open = BTreeMap::new();
        for (partition, from, to) in parts.iter().filter(|(_, from, to)| from < to) {
            let offset = Offset::Offset(i64::try_from(*from).unwrap_or(i64::MAX));
            list.add_partition_offset(topic, *partition, offset).map_err(|error| of_kafka(connection, &error, None))?;
            open.insert(*partition, *to);
        }
        if !open.is_empty() {
            consumer.assign(&list).map_err(|error| of_kafka(connection, &error, None))?;
        }
        Ok(Self { connection: connection.clone(), topic: topic.to_owned(), consumer, open, streams: BTreeMap::new() })
    }

    /// Reads everything that the topic holds at the time of the call.
    pub fn whole(connection: &KafkaConnection, topic: &str) -> Result<Self, StoreError> {
        let consumer = asker(connection)?;
        let failed = |error: KafkaError| of_kafka(connection, &error, consumer.context().take().as_ref());
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(failed)?;
        let partitions: Vec<i32> =
            metadata.topics().iter().flat_map(|topic| topic.partitions().iter().map(MetadataPartition::id)).collect();
        let mut parts = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE).map_err(failed)?;
            parts.push((partition, low.max(0).unsigned_abs(), high.max(0).unsigned_abs()));
        }
        Self::open(connection, topic, &parts)
    }

    /// Passes the next message to `read` and returns its result; `None` at the end.
    pub(crate) fn next<R>(&mut self, mut read: impl FnMut(&BorrowedMessage<'_>) -> R) -> Result<Option<R>, StoreError> {
        let mut heard = Instant::now();
        while !self.open.is_empty() {
            self.consumer.context().remind(self.consumer.client(), &self.connection);
            match self.consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset().max(0).unsigned_abs());
                    let Some(end) = self.open.get(&partition).copied() else { continue };
                    if offset + 1 >= end {
                        self.open.remove(&partition);
                    }
                    if offset < end {
                        return Ok(Some(read(&message)));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.open.remove(&partition);
                }
                Some(Err(error)) => {
                    let answer = of_kafka(&self.connection, &error, self.consumer.context().take().as_ref());
                    if !answer.is_transient() {
                        return Err(answer);
                    }
                }
                None if heard.elapsed() > SILENCE => {
                    return Err(error(
                        &self.connection,
                        ErrorKind::Timeout,
                        format!("the topic {:?} gave no answer for {} s", self.topic, SILENCE.as_secs()),
                    ));
                }
                None => {}
            }
        }
        Ok(None)
    }

    /// Returns the next records, one batch per partition; `None` at the end.
    pub fn gather(&mut self, limits: Limits) -> Result<Option<Gathered>, StoreError> {
        let mut gathered = Gathered::default();
        let mut streams = std::mem::take(&mut self.streams);
        let topic = self.topic.clone();
        while !gathered.is_full(limits) {
            let pushed = self.next(|message| {
                let partition = message.partition();
                let stream = || {
                    let name = streams.entry(partition);
                    let name = name.or_insert_with(|| Arc::from(format!("{topic}|{partition}")));
                    (Arc::clone(name), Arc::default())
                };
                gathered.push(stream, message);
            })?;
            if pushed.is_none() {
                break;
            }
        }
        self.streams = streams;
        Ok((!gathered.is_empty()).then_some(gathered))
    }
}

fn asker(connection: &KafkaConnection) -> Result<BaseConsumer<ErrorRecorder>, StoreError> {
    let mut config = lasting(connection);
    config
        // The group is never joined. librdkafka requires a group ID to consume messages.
        .set("group.id", "lethe.history")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.queue.backoff.ms", "10");
    BaseConsumer::from_config_and_context(&config, ErrorRecorder::default())
        .map_err(|error| of_kafka(connection, &error, None))
}
