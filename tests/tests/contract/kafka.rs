//! Kafka: a topic for each law and shape. A topic of the latest state is read as compaction leaves
//! it, and is a function of the events only while one worker writes it: a worker that starts again
//! remembers nothing, and a topic can not be asked. So Kafka keeps the laws of one worker, and not
//! those of tables.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lethe_crds::profile_pipeline::Manage;
use lethe_stores::{
    Access, DeadLetters,
    kafka::{KafkaLetters, KafkaSink, KafkaSinkOptions, Need, Topic, ensure},
    open::KafkaConnection,
};
use lethe_tests::engines::engines;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedMessage, Headers},
};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    fixture::{DeadLetterStore, Deletion, Fixture, LatestStore, Row, Shape, SinkStore, Subjects, number, run_name},
    laws::{dead_letters::dead_letters_laws, latest::latest_laws, sink::sink_laws},
};

sink_laws!(Kafka);
latest_laws!(Kafka);
dead_letters_laws!(Kafka);

struct Kafka {
    connection: KafkaConnection,
    name: String,
    /// One for all reads: to start and end it takes half a second.
    reader: BaseConsumer,
    /// The topics that were made.
    made: Mutex<Vec<Need>>,
}

const TIMEOUT: Duration = Duration::from_secs(20);

impl Fixture for Kafka {
    async fn new() -> Self {
        let connection = KafkaConnection {
            store: "events".to_owned(),
            bootstrap_servers: engines().kafka().split(',').map(str::to_owned).collect(),
            tls: None,
            login: None,
        };
        let mut config = config();
        let reader = config.set("group.id", run_name()).set("enable.auto.commit", "false").create().unwrap();
        Self { connection, name: format!("{}_{}", run_name(), number()), reader, made: Mutex::default() }
    }

    async fn end(self) {
        let admin: AdminClient<DefaultClientContext> = config().create().unwrap();
        let topics: Vec<String> = self.made.lock().await.iter().map(|need| self.topic(*need).name).collect();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        admin.delete_topics(&names, &options).await.unwrap();
    }
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", engines().kafka())
        .set("allow.auto.create.topics", "false")
        // A read ends at an offset that is known: the broker need not wait for more.
        .set("fetch.wait.max.ms", "10");
    config
}

impl Kafka {
    fn topic(&self, need: Need) -> Topic {
        let kind = match need {
            Need::Source => "source",
            Need::Append => "events",
            Need::Latest => "latest",
            Need::DeadLetters => "dead",
        };
        Topic {
            name: format!("{}.{kind}", self.name),
            need,
            manage: Manage::Create,
            partitions: Some(1),
            replication: None,
        }
    }

    async fn make(&self, need: Need) -> String {
        let topic = self.topic(need);
        let mut made = self.made.lock().await;
        if !made.contains(&need) {
            ensure(&self.connection, &topic, Access::Create).await.unwrap();
            made.push(need);
        }
        topic.name
    }
}

fn need(shape: Shape) -> Need {
    match shape {
        Shape::Latest => Need::Latest,
        Shape::Append => Need::Append,
        Shape::AppendByTime => panic!("a topic has no key but the subject"),
    }
}

impl SinkStore for Kafka {
    type Sink = KafkaSink;

    const CASES: u32 = 16;

    async fn open(&self, shape: Shape) -> KafkaSink {
        let topic = self.make(need(shape)).await;
        KafkaSink::open(&self.connection, &KafkaSinkOptions { topic, records: shape.records() }).unwrap()
    }

    async fn rows(&self, shape: Shape, of: &Subjects) -> Vec<Row> {
        let rows = self.read(&self.topic(need(shape)).name, of);
        if shape == Shape::Append {
            return rows;
        }
        let last: BTreeMap<u8, Row> = rows.into_iter().map(|row| (row.seen.subject, row)).collect();
        last.into_values().filter(|row| !row.seen.is_deleted).collect()
    }
}

impl LatestStore for Kafka {
    const DELETION: Deletion = Deletion::Hidden;
}

impl Kafka {
    /// The records of these subjects, in the order of the topic.
    fn read(&self, topic: &str, of: &Subjects) -> Vec<Row> {
        let (low, high) = self.reader.fetch_watermarks(topic, 0, TIMEOUT).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(low)).unwrap();
        self.reader.assign(&list).unwrap();
        let (mut rows, mut next) = (Vec::new(), low);
        while next < high {
            let message = self.reader.poll(TIMEOUT).unwrap_or_else(|| panic!("{topic} gives nothing")).unwrap();
            next = message.offset() + 1;
            rows.extend(row(&message, of));
        }
        self.reader.unassign().unwrap();
        rows
    }
}

fn row(message: &BorrowedMessage<'_>, of: &Subjects) -> Option<Row> {
    let subject = of.find(std::str::from_utf8(message.key().unwrap()).unwrap())?;
    let id = message.headers().unwrap().iter().find(|header| header.key == "lethe.event_id").unwrap().value.unwrap();
    let document: Option<Value> = message.payload().map(|payload| serde_json::from_slice(payload).unwrap());
    let shown = document.as_ref().and_then(|document| document.pointer("/address/city")?.as_str()?.parse().ok());
    let mut row = Row::of(subject, std::str::from_utf8(id).unwrap(), shown.unwrap_or(0), document.as_ref());
    row.whole = format!("{:?} {document:?}", message.timestamp());
    Some(row)
}

impl DeadLetterStore for Kafka {
    const CASES: u32 = 8;

    async fn letters(&self) -> Arc<dyn DeadLetters> {
        let topic = self.make(Need::DeadLetters).await;
        Arc::new(KafkaLetters::open(&self.connection, &topic).unwrap())
    }
}
