//! Writes records to a topic like an event source does. It is used for generated events and in
//! tests.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
    statistics::Statistics,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    Access, ErrorKind, StoreError,
    contract::KafkaConnection,
    kafka::{
        connect::{ErrorRecorder, lasting},
        fault::{error, of_kafka},
        schema::{Need, Topic, ensure},
        sink::producer::LARGEST_RECORD,
    },
};

/// How long [`Feeder::finish`] waits for the last records.
const LAST: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_secs(2);

#[derive(Clone, Default)]
struct Count {
    voice: ErrorRecorder,
    delivered: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

impl ClientContext for Count {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.voice.stats(statistics);
    }
}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        let count = if report.is_ok() { &self.delivered } else { &self.lost };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes keyed records to a topic, in order.
pub struct Feeder {
    connection: KafkaConnection,
    topic: String,
    count: Count,
    client: BaseProducer<Count>,
    sent: u64,
}

impl Feeder {
    /// Connects. Fails if the topic does not exist.
    pub async fn connect(connection: &KafkaConnection, topic: &str) -> Result<Self, StoreError> {
        let wanted = Topic {
            name: topic.to_owned(),
            need: Need::Append,
            manage: lethe_crds::profile_pipeline::Manage::Check,
            partitions: None,
            replication: None,
        };
        ensure(connection, &wanted, Access::ReadOnly).await?;
        let mut config = lasting(connection);
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", "60000")
            .set("message.max.bytes", LARGEST_RECORD)
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536");
        let count = Count::default();
        let client = BaseProducer::from_config_and_context(&config, count.clone())
            .map_err(|error| of_kafka(connection, &error, None))?;
        Ok(Self { connection: connection.clone(), topic: topic.to_owned(), count, client, sent: 0 })
    }

    /// Queues a record. Waits while the queue is full. `timestamp` is in milliseconds since 1970.
    /// Blocks.
    pub fn send(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: i64) -> Result<(), StoreError> {
        loop {
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic).timestamp(timestamp);
            if let Some(key) = key {
                record = record.key(key);
            }
            if let Some(value) = value {
                record = record.payload(value);
            }
            match self.client.send(record) {
                Ok(()) => break,
                Err((error, _)) if error.rdkafka_error_code() == Some(Code::QueueFull) => {
                    self.poll(Duration::from_millis(10));
                }
                Err((error, _)) => return Err(of_kafka(&self.connection, &error, None)),
            }
        }
        self.sent += 1;
        if self.sent.is_multiple_of(256) {
            self.poll(Duration::ZERO);
            self.nothing_lost()?;
        }
        Ok(())
    }

    /// Waits until all records are delivered, up to one minute. Returns how many were delivered.
    /// Blocks.
    pub fn finish(self) -> Result<u64, StoreError> {
        let until = Instant::now() + LAST;
        while let Err(error) = self.client.flush(STEP) {
            if Instant::now() >= until {
                return Err(of_kafka(&self.connection, &error, self.count.voice.take().as_ref()));
            }
            self.poll(Duration::ZERO);
        }
        self.nothing_lost()?;
        Ok(self.count.delivered.load(Ordering::Relaxed))
    }

    fn poll(&self, wait: Duration) {
        self.client.poll(wait);
        self.count.voice.remind(self.client.client(), &self.connection);
    }

    fn nothing_lost(&self) -> Result<(), StoreError> {
        match self.count.lost.load(Ordering::Relaxed) {
            0 => Ok(()),
            lost => {
                let why = self.count.voice.take().map_or_else(String::new, |(code, _)| format!(" ({code})"));
                Err(error(
                    &self.connection,
                    ErrorKind::Busy,
                    format!("{lost} records were not taken by the topic{why}"),
                ))
            }
        }
    }
}
