//! Dead letters in a topic, as lines of JSON.

use std::time::Duration;

use lethe_crds::profile_pipeline::Manage;
use lethe_stores::{
    Access,
    kafka::{KafkaLetters, Need, Topic, ensure},
    open::KafkaConnection,
};
use lethe_tests::engines::engines;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::{Value, json};

use super::entry::Entry;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A topic of dead letters.
pub struct DeadTopic(pub String);

/// Bytes in hexadecimal.
fn text(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| Value::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn bytes(text: &Value) -> Option<Vec<u8>> {
    let pairs = text.as_str()?.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

impl DeadTopic {
    fn config() -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", engines().kafka()).set("allow.auto.create.topics", "false");
        config
    }

    fn connection() -> KafkaConnection {
        KafkaConnection {
            store: "events".to_owned(),
            bootstrap_servers: engines().kafka().split(',').map(str::to_owned).collect(),
            tls: None,
            login: None,
        }
    }

    /// Opens it as Lethe does.
    pub fn letters(&self) -> KafkaLetters {
        KafkaLetters::open(&Self::connection(), &self.0).unwrap()
    }

    /// Makes the topic and writes records to it.
    pub async fn restore(&self, records: &[Entry]) {
        let topic = Topic {
            name: self.0.clone(),
            need: Need::DeadLetters,
            manage: Manage::Create,
            partitions: Some(1),
            replication: None,
        };
        ensure(&Self::connection(), &topic, Access::Create).await.unwrap();
        let producer: BaseProducer = Self::config().create().unwrap();
        for record in records {
            let row = &record.row;
            let headers = row["headers"].as_array().unwrap().iter().fold(OwnedHeaders::new(), |headers, header| {
                let value = header[1].as_str();
                headers.insert(Header { key: header[0].as_str().unwrap(), value })
            });
            let (key, value) = (bytes(&row["key"]), bytes(&row["value"]));
            let mut sent: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.0).headers(headers).partition(0);
            (sent.key, sent.payload) = (key.as_deref(), value.as_deref());
            producer.send(sent).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(TIMEOUT).unwrap();
    }

    /// Every record, in order. Times of writing are left out: brokers remove what is old.
    pub fn dump(&self) -> Vec<Entry> {
        let mut config = Self::config();
        config.set("group.id", "stored").set("enable.auto.commit", "false");
        let reader: BaseConsumer = config.create().unwrap();
        let (low, high) = reader.fetch_watermarks(&self.0, 0, TIMEOUT).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.0, 0, Offset::Offset(low)).unwrap();
        reader.assign(&list).unwrap();
        let (mut records, mut next) = (Vec::new(), low);
        while next < high {
            let message = reader.poll(TIMEOUT).unwrap().unwrap();
            next = message.offset() + 1;
            let shown = |value: Option<&[u8]>| value.map(|value| String::from_utf8(value.to_vec()).unwrap());
            let headers: Vec<Value> = message
                .headers()
                .into_iter()
                .flat_map(Headers::iter)
                .map(|header| json!([header.key, shown(header.value)]))
                .collect();
            let row = json!({"key": text(message.key()), "value": text(message.payload()), "headers": headers});
            records.push(Entry::new("topic", row));
        }
        records
    }

    /// Removes the topic.
    pub async fn end(&self) {
        let admin: AdminClient<DefaultClientContext> = Self::config().create().unwrap();
        admin.delete_topics(&[&self.0], &AdminOptions::new()).await.unwrap();
    }
}
