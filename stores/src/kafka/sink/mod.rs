//! A topic as a sink. The key of a record is the reference of the subject, and the value is the
//! event as JSON. A deletion is a tombstone. The ID of the event is stored in a header.

mod feeder;
pub(crate) mod producer;

pub use feeder::Feeder;

use futures::future::BoxFuture;
use lethe_core::{
    identity::hex,
    latest::{Latest, Pick},
    outcome::Outcome,
    reason::{Reason, Rejection},
    record::{Body, Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::Records;
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::{
    Answer, Sink, StoreError,
    contract::KafkaConnection,
    kafka::sink::producer::{Outbound, Producer},
};

/// Name of the header that holds the ID of the event, in the form that this sink may see.
const EVENT_ID: &str = "lethe.event_id";

/// How many subjects are remembered for a topic of the latest state.
const REMEMBERED: usize = 100_000;

/// Options of the sink.
#[derive(Clone, Debug)]
pub struct KafkaSinkOptions {
    /// Name of the topic.
    pub topic: String,
    /// Whether the topic holds the latest state of each subject or every event.
    pub records: Records,
}

/// A sink that writes to a topic. A batch that is written again after an error is in the topic
/// twice. Readers recognize the duplicates by the ID of the event.
pub struct KafkaSink {
    producer: Producer,
    latest: Option<Latest>,
}

impl KafkaSink {
    /// Opens a producer. Call [`crate::kafka::ensure`] first, which checks the topic.
    pub fn open(connection: &KafkaConnection, options: &KafkaSinkOptions) -> Result<Self, StoreError> {
        let latest = match options.records {
            Records::Latest => Some(Latest::new(REMEMBERED)),
            Records::Append => None,
        };
        Ok(Self { producer: Producer::new(connection, &options.topic)?, latest })
    }

    async fn append(&mut self, batch: &OutgoingBatch) -> Result<Vec<Answer>, StoreError> {
        let taken = send(&mut self.producer, batch, batch.records.iter()).await?;
        Ok(batch.records.iter().zip(taken).map(|(record, taken)| answer(record, taken)).collect())
    }

    async fn newest(&mut self, batch: &OutgoingBatch, mut latest: Latest) -> (Latest, Result<Vec<Answer>, StoreError>) {
        let (outcomes, mut picks) = latest.choose(batch);
        let mut answers: Vec<Answer> = outcomes.into_iter().map(Ok).collect();
        while !picks.is_empty() {
            // Write in the order of the source, so that readers see the subjects in the order of
            // their events.
            picks.sort_by_key(|pick| pick.record);
            let records = picks.iter().map(|pick| &batch.records[pick.record]);
            let taken = match send(&mut self.producer, batch, records).await {
                Ok(taken) => taken,
                Err(error) => return (latest, Err(error)),
            };
            let mut refused: Vec<Pick> = Vec::new();
            for (pick, taken) in picks.drain(..).zip(taken) {
                answers[pick.record] = answer(&batch.records[pick.record], taken);
                if taken.is_ok() {
                    latest.remember(batch, &pick);
                } else {
                    refused.extend(pick.fall_back(batch));
                }
            }
            picks = refused;
        }
        (latest, Ok(answers))
    }
}

impl Sink for KafkaSink {
    fn repeats(&self) -> bool {
        true
    }

    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>> {
        Box::pin(async move {
            match self.latest.take() {
                None => self.append(batch).await,
                Some(latest) => {
                    let (latest, answers) = self.newest(batch, latest).await;
                    self.latest = Some(latest);
                    answers
                }
            }
        })
    }
}

async fn send<'b>(
    producer: &mut Producer,
    batch: &'b OutgoingBatch,
    records: impl ExactSizeIterator<Item = &'b Outgoing>,
) -> Result<Vec<Result<(), Code>>, StoreError> {
    // librdkafka copies keys and headers at once, so one buffer would suffice. The borrow of the
    // iterator forbids that; a record costs 64 bytes instead.
    let prepared: Vec<_> = records
        .map(|record| (hex(&record.subject.0), [(EVENT_ID, &batch.bytes[record.event_id.clone()])], record))
        .collect();
    let outbound = prepared.iter().map(|(key, headers, record)| Outbound {
        key: Some(key.as_ref()),
        value: match &record.body {
            Body::Document(range) => Some(&batch.bytes[range.clone()]),
            Body::Delete => None,
        },
        timestamp: (record.time > 0).then_some(record.time),
        headers,
    });
    producer.write(outbound).await
}

fn answer(record: &Outgoing, taken: Result<(), Code>) -> Answer {
    let rule = match taken {
        Ok(()) => {
            return Ok(match record.body {
                Body::Document(_) => Outcome::Delivered,
                Body::Delete => Outcome::Deleted,
            });
        }
        Err(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => "size",
        Err(Code::InvalidTimestamp) => "timestamp",
        Err(_) => "record",
    };
    Err(Rejection { reason: Reason::SinkRefused, rule: Some(rule), path: None })
}
