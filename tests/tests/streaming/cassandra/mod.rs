//! What is Cassandra's own: column types, expiry, opening a table, errors. The laws that all stores
//! keep are in `tests/contract`.
#![allow(clippy::unwrap_used)]

mod expiry;
mod faults;
mod fixture;
mod open;
mod sink;
mod vault;

use std::sync::LazyLock;

use fixture::{CassandraFixture, Keyspace};
use lethe_core::{
    identity::Reference,
    record::{Body, Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::{CassandraSink as Declared, Records};
use lethe_stores::{
    Access, Answer, Sink,
    cassandra::{CassandraSink, CassandraStore, CassandraTable},
    open::CassandraConnection,
};

/// How old records of these tests may become, in milliseconds.
const AGE: i64 = 86_400_000;

/// When the tests began: a time to live counts from now, so events are of today.
static BEGAN: LazyLock<i64> = LazyLock::new(|| jiff::Timestamp::now().as_millisecond());

/// `host:port` of the node that the tests share.
fn address() -> String {
    lethe_tests::engines::engines().cassandra().to_owned()
}

fn connection(host: &str) -> CassandraConnection {
    CassandraConnection {
        store: "cluster".to_owned(),
        contact_points: vec![host.to_owned()],
        local_datacenter: "datacenter1".to_owned(),
        tls: None,
        login: None,
    }
}

/// A column of each type; name, type, and what fills it.
const COLUMNS: [(&str, &str, &str); 15] = [
    ("subject_ref", "text", "SubjectRef"),
    ("event_time", "timestamp", "EventTime"),
    ("event_id", "text", "EventId"),
    ("version", "bigint", "Version"),
    ("plan", "text", "/plan"),
    ("city", "text", "/address/city"),
    ("age", "int", "/age"),
    ("score", "double", "/score"),
    ("spent", "decimal", "/spent"),
    ("visits", "bigint", "/visits"),
    ("active", "boolean", "/active"),
    ("seen", "timestamp", "/seen"),
    ("born", "date", "/born"),
    ("ip", "inet", "/ip"),
    ("device", "uuid", "/device"),
];

fn declared(keyspace: &str, table: &str, clustering: &[&str]) -> Declared {
    let columns: Vec<serde_json::Value> = COLUMNS
        .iter()
        .map(|(name, cql_type, filled)| {
            let by = if filled.starts_with('/') { "path" } else { "meta" };
            serde_json::json!({"name": name, "type": cql_type, by: filled})
        })
        .collect();
    let sink = serde_json::json!({
        "storeRef": {"name": "cluster"}, "keyspace": keyspace, "table": table, "manage": "Create",
        "columns": columns, "partitionKey": ["subject_ref"], "clusteringKey": clustering,
    });
    serde_json::from_value(sink).unwrap()
}

/// An event. Its version and id decide the rest, as in a real source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    subject: u8,
    id: String,
    version: i64,
    /// Written in place of the usual document.
    json: Option<String>,
    /// When it expires, in place of `AGE` after its time.
    expires: Option<i64>,
}

fn event(subject: u8, id: &str, version: i64) -> Event {
    Event { subject, id: id.to_owned(), version, json: None, expires: None }
}

fn with_json(subject: u8, id: &str, version: i64, json: &str) -> Event {
    Event { json: Some(json.to_owned()), ..event(subject, id, version) }
}

impl Event {
    fn time(&self) -> i64 {
        *BEGAN + self.version.div_euclid(1000)
    }

    fn document(&self) -> String {
        self.json.clone().unwrap_or_else(|| {
            format!(
                "{{\"subject_ref\":\"-\",\"event_id\":\"-\",\"event_time\":\"-\",\"plan\":\"{}\",\
                 \"address\":{{\"city\":\"{}\"}},\"age\":41,\"score\":0.5}}",
                self.id, self.version
            )
        })
    }
}

fn batch(of: &CassandraFixture, events: &[Event]) -> OutgoingBatch {
    let mut batch = OutgoingBatch::default();
    for event in events {
        let mut put = |text: &str| {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(text.as_bytes());
            start..batch.bytes.len()
        };
        let event_id = put(&event.id);
        let body = Body::Document(put(&event.document()));
        batch.records.push(Outgoing {
            subject: of.reference(event.subject),
            event_id,
            version: event.version,
            time: event.time(),
            offset: 0,
            expires: Some(event.expires.unwrap_or(event.time() + AGE)),
            body,
        });
    }
    batch
}
