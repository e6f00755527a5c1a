//! Creates, fills, reads and deletes topics of the tests' Kafka.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    message::{Header, Headers, OwnedHeaders},
    metadata::MetadataPartition,
    producer::{BaseProducer, BaseRecord, Producer},
};

/// The longest time of a request to a healthy broker.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A record to write.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Milliseconds since 1970; `None` is now.
    pub timestamp: Option<i64>,
    /// Its partition; `None` is chosen by its key.
    pub partition: Option<i32>,
}

impl Sent {
    /// Creates a record with a key and a value.
    pub fn event(key: &str, value: &str) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    /// Creates a record without a value.
    pub fn tombstone(key: &str) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }
}

/// A record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: u64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// Returns all of its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let headers = self.headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]);
        let parts = [self.key.as_deref(), self.value.as_deref()].into_iter().flatten().chain(headers);
        parts.flat_map(|part| [part, b"\n"].concat()).collect()
    }

    /// Returns the text of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(String::from_utf8(value.clone()).unwrap())
    }
}

/// The topics of a cluster without a login.
pub struct Topics {
    bootstrap: String,
    meter: OnceLock<BaseConsumer>,
}

impl Topics {
    /// Returns the topics of the cluster at `host:port`.
    pub fn at(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned(), meter: OnceLock::new() }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("allow.auto.create.topics", "false");
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }

    /// Creates a topic without an expiry of records. Returns when it can be used.
    pub fn create(&self, topic: &str, partitions: i32) {
        self.create_with(topic, partitions, &[("retention.ms", "-1")]);
    }

    /// Creates a topic with settings. Returns when it can be used.
    pub fn create_with(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let made = wait(self.admin().create_topics([&new], &options())).unwrap();
        for answer in made {
            answer.unwrap();
        }
        let reader = self.reader("create");
        eventually("the topic is known", || {
            (0..partitions).all(|partition| reader.fetch_watermarks(topic, partition, PATIENCE).is_ok())
        });
    }

    /// Deletes a topic and creates it again without records.
    pub fn recreate(&self, topic: &str, partitions: i32) {
        for answer in wait(self.admin().delete_topics(&[topic], &options())).unwrap() {
            answer.unwrap();
        }
        self.create_when_deleted(topic, partitions, &[("retention.ms", "-1")]);
    }

    /// Creates a topic with settings once an earlier one of its name is deleted.
    pub fn create_when_deleted(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        eventually("the topic is deleted and created again", || {
            wait(self.admin().create_topics([&new], &options())).unwrap().iter().all(Result::is_ok)
        });
        let reader = self.reader("create");
        eventually("the new topic is known", || {
            (0..partitions).all(|at| reader.fetch_watermarks(topic, at, PATIENCE).is_ok_and(|(_, end)| end == 0))
        });
    }

    /// Commits an offset of a group that has no members, with a text.
    pub fn commit(&self, group: &str, topic: &str, partition: i32, offset: u64, text: &str) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(i64::try_from(offset).unwrap())).unwrap();
        list.find_partition(topic, partition).unwrap().set_metadata(text);
        self.reader(group).commit(&list, CommitMode::Sync).unwrap();
    }

    /// Returns the text that a group has committed with the offset of a partition.
    pub fn committed_text(&self, group: &str, topic: &str, partition: i32) -> String {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let committed = self.reader(group).committed_offsets(list, PATIENCE).unwrap();
        committed.elements()[0].metadata().to_owned()
    }

    /// Writes records in a transaction. The transaction is open until the producer ends it.
    pub fn begin_transaction(&self, topic: &str, records: impl IntoIterator<Item = Sent>) -> BaseProducer {
        let mut config = self.config();
        let producer: BaseProducer = config.set("transactional.id", topic).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        for sent in records {
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
            record.key = sent.key.as_deref();
            record.payload = sent.value.as_deref();
            record.partition = sent.partition;
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
        producer
    }

    /// Removes topics and groups, if they exist.
    pub fn remove(&self, topics: &[String], groups: &[String]) {
        let admin = self.admin();
        let _ = wait(admin.delete_topics(&names(topics), &options()));
        let _ = wait(admin.delete_groups(&names(groups), &options()));
    }

    /// Writes records in their order. Returns when brokers have acknowledged them.
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = Sent>) {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("linger.ms", "5").set("partitioner", "murmur2_random");
        let reports = Reports::default();
        let producer: BaseProducer<Reports> = config.create_with_context(reports.clone()).unwrap();
        for sent in records {
            let headers = sent
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).headers(headers);
            record.key = sent.key.as_deref();
            record.payload = sent.value.as_deref();
            record.timestamp = sent.timestamp;
            record.partition = sent.partition;
            let mut waiting = Some(record);
            while let Some(record) = waiting.take() {
                match producer.send(record) {
                    Ok(()) => {}
                    Err((KafkaError::MessageProduction(Code::QueueFull), record)) => {
                        producer.poll(Duration::from_millis(10));
                        waiting = Some(record);
                    }
                    Err((error, _)) => panic!("{error}"),
                }
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(PATIENCE).unwrap();
        assert_eq!(reports.0.load(Ordering::Relaxed), 0, "records of the test were not acknowledged");
    }

    /// Returns a client with the offsets of a group, which does not join the group.
    pub fn reader(&self, group: &str) -> BaseConsumer {
        let mut config = self.config();
        config.set("group.id", group).set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        config.create().unwrap()
    }

    /// Returns the number of records that were written to a topic, or 0 if it does not exist.
    pub fn count(&self, topic: &str) -> u64 {
        let reader = self.meter.get_or_init(|| self.reader("meter"));
        let ends = partitions(reader, topic, PATIENCE).unwrap().into_iter();
        // A partition without a leader has no records yet.
        let end =
            |partition| reader.fetch_watermarks(topic, partition, PATIENCE).map_or(0, |(_, end)| end.unsigned_abs());
        ends.map(end).sum()
    }

    /// Removes the records before these offsets, as the retention of a topic does.
    pub fn remove_before(&self, topic: &str, offsets: &BTreeMap<i32, u64>) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(i64::try_from(*offset).unwrap())).unwrap();
        }
        for element in wait(self.admin().delete_records(&list, &options())).unwrap().elements() {
            element.error().unwrap();
        }
    }

    /// Returns all records of a topic by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        let reader = self.reader("read");
        let mut list = TopicPartitionList::new();
        let mut open: BTreeMap<i32, i64> = BTreeMap::new();
        for partition in partitions(&reader, topic, PATIENCE).unwrap() {
            let (low, high) = reader.fetch_watermarks(topic, partition, PATIENCE).unwrap();
            if low < high {
                list.add_partition_offset(topic, partition, Offset::Offset(low)).unwrap();
                open.insert(partition, high);
            }
        }
        reader.assign(&list).unwrap();
        let mut records = Vec::new();
        let mut last = Instant::now();
        while !open.is_empty() {
            match reader.poll(Duration::from_millis(100)) {
                None => assert!(last.elapsed() < PATIENCE, "{topic} returns no records"),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                Some(Err(error)) => panic!("{topic}: {error}"),
                Some(Ok(message)) => {
                    last = Instant::now();
                    if message.offset() + 1 >= open.get(&message.partition()).copied().unwrap_or(0) {
                        open.remove(&message.partition());
                    }
                    let headers = message.headers().into_iter().flat_map(Headers::iter);
                    records.push(Record {
                        partition: message.partition(),
                        offset: message.offset().unsigned_abs(),
                        timestamp: message.timestamp().to_millis().unwrap(),
                        key: message.key().map(<[u8]>::to_vec),
                        value: message.payload().map(<[u8]>::to_vec),
                        headers: headers.map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect(),
                    });
                }
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }
}

/// Counts the records that were not acknowledged.
#[derive(Clone, Default)]
struct Reports(Arc<AtomicU64>);

impl ClientContext for Reports {}

impl rdkafka::producer::ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &rdkafka::message::DeliveryResult<'_>, (): ()) {
        self.0.fetch_add(u64::from(report.is_err()), Ordering::Relaxed);
    }
}

fn names(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Waits until a condition holds. Fails the test after [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    within(PATIENCE, what, is_so);
}

/// Waits until a condition holds. Fails the test after `bound`.
#[track_caller]
pub fn within(bound: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < bound, "not within {bound:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An offset of each partition, and its end.
pub type Offsets = BTreeMap<i32, (u64, u64)>;

/// Returns the committed offset of each partition of a topic, and the partition's end. Fails if
/// brokers don't respond in time.
pub fn committed(topic: &str, group: &BaseConsumer, patience: Duration) -> KafkaResult<Offsets> {
    let mut list = TopicPartitionList::new();
    for partition in partitions(group, topic, patience)? {
        list.add_partition(topic, partition);
    }
    let committed = group.committed_offsets(list, patience)?;
    let ends = committed.elements().into_iter().map(|element| {
        let (low, high) = group.fetch_watermarks(topic, element.partition(), patience)?;
        let at = if let Offset::Offset(at) = element.offset() { at } else { low };
        Ok((element.partition(), (at.unsigned_abs(), high.unsigned_abs())))
    });
    ends.collect()
}

fn partitions(reader: &BaseConsumer, topic: &str, patience: Duration) -> KafkaResult<Vec<i32>> {
    let metadata = reader.fetch_metadata(Some(topic), patience)?;
    Ok(metadata.topics()[0].partitions().iter().map(MetadataPartition::id).collect())
}
