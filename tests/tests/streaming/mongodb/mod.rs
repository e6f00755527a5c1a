//! What is MongoDB's own: forms of BSON, indexes, opening a collection, errors. The laws that all
//! stores keep are in `tests/contract`.
#![allow(clippy::unwrap_used)]

mod faults;
mod open;
mod records;
mod sink;
mod vault;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use lethe_core::{
    identity::Reference,
    record::{Body, Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::{Manage, MongodbSink, Records};
use lethe_stores::{
    Access, Answer, Sink,
    mongodb::{CollectionOptions, CollectionSink, MongodbStore},
    open::MongodbConnection,
};
use mongodb::{
    Client, Database,
    bson::{Document, doc},
};

/// `host:port` of the server that the tests share.
fn address() -> String {
    lethe_tests::engines::engines().mongodb().to_owned()
}

fn connection(host: &str) -> MongodbConnection {
    MongodbConnection {
        store: "docs".to_owned(),
        hosts: vec![host.to_owned()],
        replica_set: None,
        tls: None,
        login: None,
        auth_source: "admin".to_owned(),
    }
}

/// A database of its own for one test, and a client to look into it.
struct MongodbFixture {
    store: Arc<MongodbStore>,
    database: Database,
}

impl MongodbFixture {
    async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let store = MongodbStore::connect(&connection(&address())).await.unwrap();
        let client = Client::with_uri_str(format!("mongodb://{}", address())).await.unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lethe_test_{}_{number}", std::process::id());
        let database = client.database(&name);
        database.drop().await.unwrap();
        Self { store, database }
    }

    fn options(&self, records: Records) -> CollectionOptions {
        let sink = MongodbSink {
            store_ref: serde_json::from_value(serde_json::json!({"name": "docs"})).unwrap(),
            database: self.database.name().to_owned(),
            collection: "people".to_owned(),
            manage: Some(Manage::Create),
        };
        CollectionOptions { sink, records, max_age: Some(86_400_000) }
    }

    async fn sink(&self, records: Records) -> CollectionSink {
        CollectionSink::open(Arc::clone(&self.store), self.options(records), Access::Create).await.unwrap()
    }

    /// Every document, whole, in the order of `_id`.
    async fn dump(&self) -> Vec<Document> {
        let rows = self.database.run_command(doc! {"find": "people", "sort": {"_id": 1}, "batchSize": 100_000}).await;
        let rows = rows.unwrap();
        let batch = rows.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        batch.iter().map(|row| row.as_document().unwrap().clone()).collect()
    }

    async fn run(&self, command: Document) -> Document {
        self.database.run_command(command).await.unwrap()
    }

    async fn end(self) {
        self.database.drop().await.unwrap();
    }
}

/// An event. Its version and id decide the rest, as in a real source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    subject: u8,
    id: String,
    version: i64,
    delete: bool,
}

fn event(subject: u8, id: &str, version: i64) -> Event {
    Event { subject, id: id.to_owned(), version, delete: false }
}

fn deletion(subject: u8, id: &str, version: i64) -> Event {
    Event { delete: true, ..event(subject, id, version) }
}

impl Event {
    /// Far enough ahead that no server removes it as expired in the middle of a test.
    fn time(&self) -> i64 {
        4_102_444_800_000 + self.version.div_euclid(1000)
    }

    fn document(&self) -> String {
        format!(
            "{{\"subject_ref\":\"{}\",\"event_id\":\"{}\",\"event_time\":\"2100-01-01T00:00:00.000Z\",\
                 \"plan\":\"{}\",\"address\":{{\"city\":\"{}\"}},\"age\":41,\"score\":0.5}}",
            reference(self.subject),
            self.id,
            self.id,
            self.version
        )
    }
}

fn reference(subject: u8) -> Reference {
    Reference([subject; 32])
}

fn batch(events: &[Event]) -> OutgoingBatch {
    let mut batch = OutgoingBatch::default();
    for event in events {
        let mut put = |text: &str| {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(text.as_bytes());
            start..batch.bytes.len()
        };
        let event_id = put(&event.id);
        let body = if event.delete { Body::Delete } else { Body::Document(put(&event.document())) };
        batch.records.push(Outgoing {
            subject: reference(event.subject),
            event_id,
            version: event.version,
            time: event.time(),
            offset: 0,
            expires: Some(event.time() + 86_400_000),
            body,
        });
    }
    batch
}

async fn write(sink: &mut CollectionSink, events: &[Event]) -> Vec<Answer> {
    sink.write(&batch(events)).await.unwrap()
}
