//! An idempotent producer that reports the result of each record.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer},
    statistics::Statistics,
};
use tokio::sync::Notify;

use crate::{
    ErrorKind, StoreError,
    contract::KafkaConnection,
    kafka::{
        connect::{ErrorRecorder, lasting},
        fault::{error, of_code, of_kafka},
    },
};

/// How long to wait before a record is queued again after the queue of librdkafka was full.
const FULL: Duration = Duration::from_millis(2);

/// Interval at which missing answers are logged, with the reason.
const SILENCE: Duration = Duration::from_secs(5);

/// The largest record that a client sends, in bytes; `message.max.bytes` in its configuration. The
/// topic decides what it accepts. Less than the queue of the client holds, and less than the
/// request that a broker reads by default (100 MiB).
pub(crate) const LARGEST_RECORD: &str = "64000000";

/// Bytes of records that the client sends to a partition as one batch, at most; a larger record is
/// sent by itself. This is librdkafka's default.
const BATCH_BYTES: usize = 1_000_000;

/// The same after a topic has refused batches as too large: a part of the last limit, at least this.
const SMALLER: usize = 4;
const SMALLEST_BATCH_BYTES: usize = 4_000;

/// A record to write.
#[derive(Clone, Copy)]
pub(crate) struct Outbound<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// Milliseconds since 1970. `None` means the current time of the client.
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
}

/// Records that are queued and not answered yet.
#[derive(Default)]
struct Pending {
    left: AtomicUsize,
    failed: Mutex<Vec<(usize, Code)>>,
    answered: Notify,
}

impl Pending {
    fn answer(&self, failed: Option<(usize, Code)>) {
        if let Some(failed) = failed {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(failed);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.answered.notify_one();
        }
    }
}

#[derive(Clone, Default)]
struct Reports(ErrorRecorder);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.stats(statistics);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<(Arc<Pending>, usize)>;

    fn delivery(&self, report: &DeliveryResult<'_>, opaque: Self::DeliveryOpaque) {
        let (pending, at) = *opaque;
        let failed = match report {
            Ok(_) => None,
            Err((error, _)) => Some((at, error.rdkafka_error_code().unwrap_or(Code::Unknown))),
        };
        pending.answer(failed);
    }
}

/// An idempotent producer of one topic. librdkafka retries each record, in order, until a broker
/// has stored it. There is no timeout.
pub(crate) struct Producer {
    connection: KafkaConnection,
    topic: String,
    reports: Reports,
    batch_bytes: usize,
    client: ThreadedProducer<Reports>,
}

impl Producer {
    pub(crate) fn new(connection: &KafkaConnection, topic: &str) -> Result<Self, StoreError> {
        let reports = Reports::default();
        let client = client(connection, &reports, BATCH_BYTES)?;
        Ok(Self { connection: connection.clone(), topic: topic.to_owned(), reports, batch_bytes: BATCH_BYTES, client })
    }

    /// Writes records in order. Returns for each record whether the topic accepted it. Returns
    /// `Err` if the result of some records is unknown.
    pub(crate) async fn write<'a>(
        &mut self,
        records: impl ExactSizeIterator<Item = Outbound<'a>>,
    ) -> Result<Vec<Result<(), Code>>, StoreError> {
        let records: Vec<Outbound<'a>> = records.collect();
        let mut answers = self.send_all(&records).await?;
        if records.len() > 1 && answers.contains(&Err(Code::MessageSizeTooLarge)) {
            self.send_singly(&records, &mut answers).await?;
        }
        Ok(answers)
    }

    /// Sends each record by itself that was refused as too large: the topic's limit is on a batch,
    /// so the batch may have been too large and not the record. The last record of a key stays the
    /// last one: what follows an accepted record is sent again after it.
    async fn send_singly(
        &mut self,
        records: &[Outbound<'_>],
        answers: &mut [Result<(), Code>],
    ) -> Result<(), StoreError> {
        let mut moved: HashSet<&[u8]> = HashSet::new();
        let mut is_batch_too_large = false;
        for (record, answer) in records.iter().zip(answers) {
            let was_refused = *answer == Err(Code::MessageSizeTooLarge);
            if was_refused || answer.is_ok() && record.key.is_some_and(|key| moved.contains(key)) {
                *answer = self.send_all(std::slice::from_ref(record)).await?.pop().unwrap_or(Ok(()));
            }
            if was_refused && answer.is_ok() {
                is_batch_too_large = true;
                moved.extend(record.key);
            }
        }
        if is_batch_too_large {
            self.batch_bytes = (self.batch_bytes / SMALLER).max(SMALLEST_BATCH_BYTES);
            tracing::info!(
                topic = self.topic,
                bytes = self.batch_bytes,
                "the topic refuses large batches, sending less"
            );
            self.client = client(&self.connection, &self.reports, self.batch_bytes)?;
        }
        Ok(())
    }

    async fn send_all(&mut self, records: &[Outbound<'_>]) -> Result<Vec<Result<(), Code>>, StoreError> {
        let count = records.len();
        let mut answers = vec![Ok(()); count];
        // The extra count belongs to this function: without it, early answers could reach zero
        // before all records are queued.
        let pending = Arc::new(Pending { left: AtomicUsize::new(count + 1), ..Pending::default() });
        for (at, record) in records.iter().enumerate() {
            if let Err(code) = self.send(record, at, &pending).await {
                pending.answer(Some((at, code)));
            }
        }
        pending.answer(None);
        while tokio::time::timeout(SILENCE, pending.answered.notified()).await.is_err() {
            self.reports.0.remind(self.client.client(), &self.connection);
            let left = pending.left.load(Ordering::Acquire);
            let why = self.reports.0.take().map(|(code, text)| of_code(&self.connection, code, &text).to_string());
            tracing::warn!(topic = self.topic, left, why, "no broker has acknowledged the records yet, waiting");
        }
        for (at, code) in pending.failed.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if !is_record_s_fault(code) {
                return Err(self.lost(code));
            }
            answers[at] = Err(code);
        }
        Ok(answers)
    }

    async fn send(&self, record: &Outbound<'_>, at: usize, pending: &Arc<Pending>) -> Result<(), Code> {
        loop {
            match self.enqueue(record, Box::new((Arc::clone(pending), at))) {
                Ok(()) => return Ok(()),
                Err(Code::QueueFull) => tokio::time::sleep(FULL).await,
                Err(code) => return Err(code),
            }
        }
    }

    fn enqueue(&self, record: &Outbound<'_>, opaque: Box<(Arc<Pending>, usize)>) -> Result<(), Code> {
        let mut sent: BaseRecord<'_, [u8], [u8], _> = BaseRecord::with_opaque_to(&self.topic, opaque);
        if let Some(key) = record.key {
            sent = sent.key(key);
        }
        if let Some(value) = record.value {
            sent = sent.payload(value);
        }
        if let Some(timestamp) = record.timestamp {
            sent = sent.timestamp(timestamp);
        }
        if !record.headers.is_empty() {
            let headers = record
                .headers
                .iter()
                .fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
                    headers.insert(Header { key, value: Some(*value) })
                });
            sent = sent.headers(headers);
        }
        self.client.send(sent).map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(Code::Unknown))
    }

    /// Converts an error after which the result of some records is unknown. Replaces the producer
    /// if the error is fatal, because it can't keep the order of records any more.
    fn lost(&mut self, code: Code) -> StoreError {
        let fatal = self.client.client().fatal_error();
        if fatal.is_some() {
            match client(&self.connection, &self.reports, self.batch_bytes) {
                Ok(client) => self.client = client,
                Err(error) => return error,
            }
        }
        let reason = self.reports.0.take();
        match (fatal, reason) {
            (Some((code, _)), _) => {
                let message = format!("the producer was created again after {code}");
                error(&self.connection, ErrorKind::Busy, message)
            }
            (None, Some((reported, text))) => of_code(&self.connection, reported, &text),
            (None, None) => of_code(&self.connection, code, &code.to_string()),
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Records that are still queued are discarded. Their offsets are not committed, so they are
        // read again.
        self.client.purge(PurgeConfig::default().queue().inflight());
    }
}

fn client(
    connection: &KafkaConnection,
    reports: &Reports,
    batch_bytes: usize,
) -> Result<ThreadedProducer<Reports>, StoreError> {
    let mut config = lasting(connection);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set("message.max.bytes", LARGEST_RECORD)
        .set("batch.size", batch_bytes.to_string())
        .set("request.timeout.ms", "5000")
        .set("linger.ms", "1")
        .set("compression.type", "lz4")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "65536")
        .set("retry.backoff.ms", "100")
        .set("retry.backoff.max.ms", "1000");
    ThreadedProducer::from_config_and_context(&config, reports.clone())
        .map_err(|error| of_kafka(connection, &error, None))
}

/// Returns true if the code concerns one record and not the cluster.
fn is_record_s_fault(code: Code) -> bool {
    matches!(code, Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::InvalidRecord | Code::InvalidTimestamp)
}
