//! The rates of the engines with their own clients alone, with the settings of the worker and
//! records of about the same size.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use lethe_tests::engines::Engines;
use mongodb::bson::{Document, doc};
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
    producer::{BaseProducer, BaseRecord, Producer},
};
use scylla::client::session_builder::SessionBuilder;

use crate::measured::{Cost, of_this_process};

/// Rows written to a store.
const ROWS: u64 = 30_000;
/// Size of a row's document in bytes.
const SIZE: usize = 500;
/// Statements in flight.
const AT_ONCE: usize = 128;

/// Copies a topic to another, record by record.
pub fn kafka(engines: &Engines, from: &str, to: &str, events: u64) -> Cost {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", engines.kafka())
        .set("group.id", format!("{to}.copy"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", engines.kafka())
        .set("enable.idempotence", "true")
        .set("linger.ms", "1")
        .set("compression.type", "lz4")
        .create()
        .unwrap();
    consumer.subscribe(&[from]).unwrap();
    of_this_process(events, || {
        let mut seen = 0;
        while seen < events {
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.unwrap();
            let mut record = BaseRecord::to(to)
                .key(message.key().unwrap_or_default())
                .payload(message.payload().unwrap_or_default());
            while let Err((error, back)) = producer.send(record) {
                assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
                producer.poll(Duration::from_millis(5));
                record = back;
            }
            seen += 1;
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Prepared upserts, so many at once.
pub fn cassandra(engines: &Engines, keyspace: &str) -> Cost {
    let runtime = runtime();
    let session = runtime.block_on(SessionBuilder::new().known_node(engines.cassandra()).build()).unwrap();
    let (session, insert) = runtime.block_on(async {
        let table = format!("{keyspace}.ceiling");
        let replication = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}";
        let keyspace = format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}");
        session.query_unpaged(keyspace, ()).await.unwrap();
        let create = format!("CREATE TABLE IF NOT EXISTS {table} (id text PRIMARY KEY, document text)");
        session.query_unpaged(create, ()).await.unwrap();
        let insert = format!("INSERT INTO {table} (id, document) VALUES (?, ?) USING TIMESTAMP ? AND TTL 86400");
        let insert = session.prepare(insert).await.unwrap();
        (Arc::new(session), insert)
    });
    let document = "x".repeat(SIZE);
    of_this_process(ROWS, || {
        let writes = stream::iter(0..ROWS).for_each_concurrent(AT_ONCE, |row| {
            let (session, insert, document) = (Arc::clone(&session), insert.clone(), &document);
            async move {
                let at = i64::try_from(row).unwrap();
                session.execute_unpaged(&insert, (format!("{row:064x}"), document, at)).await.unwrap();
            }
        });
        runtime.block_on(writes);
    })
}

/// Upserts, a thousand in a command.
pub fn mongodb(engines: &Engines, database: &str) -> Cost {
    let runtime = runtime();
    let uri = format!("mongodb://{}", engines.mongodb());
    let database = runtime.block_on(mongodb::Client::with_uri_str(uri)).unwrap().database(database);
    let document = "x".repeat(SIZE);
    of_this_process(ROWS, || {
        for from in (0..ROWS).step_by(1_000) {
            let updates: Vec<Document> = (from..from + 1_000)
                .map(|row| {
                    let set = doc! {"$set": {"document": &document, "version": i64::try_from(row).unwrap()}};
                    doc! {"q": {"_id": format!("{row:064x}")}, "u": set, "upsert": true}
                })
                .collect();
            let command = doc! {"update": "ceiling", "updates": updates, "ordered": false};
            runtime.block_on(async { database.run_command(command).await }).unwrap();
        }
    })
}
