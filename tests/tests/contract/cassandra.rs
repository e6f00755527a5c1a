//! Cassandra: one session and one keyspace for the whole binary, since a node takes long to make a
//! table.

use std::sync::Arc;

use lethe_core::{identity::Token, version::Version};
use lethe_crds::profile_pipeline::CassandraSink as Declared;
use lethe_stores::{
    Access, Records, StoreError, Vault,
    cassandra::{CassandraRecords, CassandraSink, CassandraStore, CassandraTable, CassandraVault},
    open::CassandraConnection,
};
use lethe_tests::engines::engines;
use scylla::client::{session::Session, session_builder::SessionBuilder};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    event::{AGE, Event},
    fixture::{
        AbsentVaultStore, Answers, Deletion, Expiry, Fixture, LatestStore, RecordsStore, RefusingStore, Row, Shape,
        SinkStore, Subjects, TableStore, VaultStore, hex, is_left_over, number, run_name,
    },
    laws::{
        bookkeeping::bookkeeping_laws, day_keys::day_keys_laws, keys::keys_laws, latest::latest_laws, look::look_laws,
        masters::masters_laws, records::records_laws, refusal::refusal_laws, sink::sink_laws, table::table_laws,
        time_key::time_key_laws,
    },
};

sink_laws!(Cassandra);
latest_laws!(Cassandra);
table_laws!(Cassandra);
time_key_laws!(Cassandra);
refusal_laws!(Cassandra);
records_laws!(Cassandra);
keys_laws!(Cassandra);
masters_laws!(Cassandra);
day_keys_laws!(Cassandra);
bookkeeping_laws!(Cassandra);
look_laws!(Cassandra);

struct Cassandra {
    store: Arc<CassandraStore>,
    session: Arc<Session>,
    /// The place that no vault was made in.
    absent: String,
}

impl Fixture for Cassandra {
    async fn new() -> Self {
        static SHARED: OnceCell<(Arc<CassandraStore>, Arc<Session>)> = OnceCell::const_new();
        let (store, session) = SHARED.get_or_init(connect).await.clone();
        Self { store, session, absent: format!("{}_{}", run_name(), number()) }
    }

    async fn end(self) {
        // What does not exist is not asked for: a change of the schema takes long.
        if !self.texts(&keyspaces(&self.absent)).await.is_empty() {
            self.run(&format!("DROP KEYSPACE {}", self.absent)).await;
        }
    }
}

async fn connect() -> (Arc<CassandraStore>, Arc<Session>) {
    let connection = CassandraConnection {
        store: "cluster".to_owned(),
        contact_points: vec![engines().cassandra().to_owned()],
        local_datacenter: "datacenter1".to_owned(),
        tls: None,
        login: None,
    };
    let session = SessionBuilder::new().known_node(engines().cassandra()).build().await.unwrap();
    let shared = Cassandra {
        store: CassandraStore::connect(&connection).await.unwrap(),
        session: Arc::new(session),
        absent: String::new(),
    };
    for name in shared.texts("SELECT keyspace_name FROM system_schema.keyspaces").await {
        if is_left_over(&name) {
            shared.run(&format!("DROP KEYSPACE IF EXISTS {name}")).await;
        }
    }
    shared
        .run(&format!(
            "CREATE KEYSPACE {} WITH replication = {{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}}",
            run_name()
        ))
        .await;
    (shared.store, shared.session)
}

fn keyspaces(name: &str) -> String {
    format!("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{name}'")
}

impl Cassandra {
    async fn run(&self, cql: &str) {
        self.session.query_unpaged(cql, ()).await.unwrap_or_else(|error| panic!("{error}: {cql}"));
    }

    /// The texts of a query's first column.
    async fn texts(&self, cql: &str) -> Vec<String> {
        let rows = self.session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        rows.rows::<(String,)>().unwrap().map(|row| row.unwrap().0).collect()
    }

    async fn keyspace_vault(&self, keyspace: &str) -> CassandraVault {
        CassandraVault::open(Arc::clone(&self.store), keyspace, Access::Create).await.unwrap().unwrap()
    }
}

/// Name, type, and what fills it.
const COLUMNS: [(&str, &str, &str); 8] = [
    ("subject_ref", "text", "SubjectRef"),
    ("event_time", "timestamp", "EventTime"),
    ("event_id", "text", "EventId"),
    ("version", "bigint", "Version"),
    ("plan", "text", "/plan"),
    ("city", "text", "/address/city"),
    ("age", "int", "/age"),
    ("score", "double", "/score"),
];

fn table(shape: Shape) -> CassandraTable {
    let (table, clustering): (_, &[&str]) = match shape {
        Shape::Latest => ("latest", &[]),
        Shape::Append => ("events", &["event_id"]),
        Shape::AppendByTime => ("history", &["event_time", "event_id"]),
    };
    CassandraTable { sink: declared(table, clustering), records: shape.records(), max_age: Some(AGE) }
}

fn declared(table: &str, clustering: &[&str]) -> Declared {
    let column = |(name, cql_type, filled): (&str, &str, &str)| {
        let by = if filled.starts_with('/') { "path" } else { "meta" };
        json!({"name": name, "type": cql_type, by: filled})
    };
    let sink = json!({
        "storeRef": {"name": "cluster"}, "keyspace": run_name(), "table": table, "manage": "Create",
        "columns": COLUMNS.map(column), "partitionKey": ["subject_ref"], "clusteringKey": clustering,
    });
    serde_json::from_value(sink).unwrap()
}

impl SinkStore for Cassandra {
    type Sink = CassandraSink;

    const CASES: u32 = 24;

    async fn open(&self, shape: Shape) -> CassandraSink {
        CassandraSink::open(Arc::clone(&self.store), table(shape), Access::Create).await.unwrap()
    }

    async fn rows(&self, shape: Shape, of: &Subjects) -> Vec<Row> {
        let sink = table(shape).sink;
        let is_key = |name: &str| name == "subject_ref" || sink.clustering_key.iter().flatten().any(|key| key == name);
        let mut selected: Vec<String> = COLUMNS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        for (name, ..) in COLUMNS.iter().filter(|(name, ..)| !is_key(name)) {
            selected.push(format!("WRITETIME({name}) AS written_{name}, TTL({name}) AS left_{name}"));
        }
        let subjects: Vec<String> = of.references().iter().map(|reference| format!("'{reference}'")).collect();
        let cql = format!(
            "SELECT JSON {} FROM {}.{} WHERE subject_ref IN ({})",
            selected.join(", "),
            sink.keyspace,
            sink.table,
            subjects.join(", ")
        );
        let mut rows: Vec<Row> = self.texts(&cql).await.iter().map(|json| row(json, of)).collect();
        rows.sort_by(|a, b| a.seen.cmp(&b.seen));
        rows
    }
}

fn row(json: &str, of: &Subjects) -> Row {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut cells: serde_json::Map<String, Value> = serde_json::from_str(json).unwrap();
    let mut take = |prefix: &str| {
        let names: Vec<String> = cells.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        // A cell without a value has neither.
        let is_set = |name: &&String| !cells[&name[prefix.len()..]].is_null();
        let mut found: Vec<Option<i64>> = names.iter().filter(is_set).map(|name| cells[name].as_i64()).collect();
        for name in &names {
            cells.remove(name);
        }
        found.dedup();
        assert_eq!(found.len(), 1, "cells of several writes are in one row: {json}");
        found[0]
    };
    let (written, left) = (take("written_").unwrap(), take("left_"));
    let version = cells["version"].as_i64().unwrap();
    // A tie is won by a raised rewrite digit, which is used for nothing else.
    let of_event = |version| Version::from_stored(version).without_rewrite();
    assert_eq!(of_event(written), of_event(version));
    let text = |name: &str| cells[name].as_str().unwrap();
    let document = json!({"plan": text_of(&cells, "plan"), "address": {"city": text_of(&cells, "city")}});
    let subject = of.find(text("subject_ref")).unwrap();
    let mut row = Row::of(subject, text("event_id"), version, Some(&without_nulls(document)));
    row.expires = left.map(|seconds| Expiry(now + seconds * 1000));
    row.whole = format!("{cells:?} written {written}");
    row
}

fn text_of(cells: &serde_json::Map<String, Value>, column: &str) -> Value {
    cells[column].clone()
}

/// A column without a value is a field that is not there.
fn without_nulls(mut document: Value) -> Value {
    document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    document["address"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
    document
}

impl LatestStore for Cassandra {
    const DELETION: Deletion = Deletion::Hidden;
}

impl TableStore for Cassandra {
    const ANSWERS: Answers = Answers::Memory;
}

impl RefusingStore for Cassandra {
    const MISFIT: &'static str = r#"{"age":"hunter2"}"#;
    const MISFIT_RULE: (&'static str, Option<&'static str>) = ("type", Some("/age"));
    const LARGE: usize = 4_000_000;
    // What Lethe itself holds back, and what a node refuses whose commit log has small segments.
    const TOO_LARGE: &'static [usize] = &[17_000_000, 12_000_000];
}

impl RecordsStore for Cassandra {
    async fn records(&self, shape: Shape) -> Box<dyn Records> {
        Box::new(CassandraRecords::new(Arc::clone(&self.store), table(shape)))
    }

    async fn absent(&self) -> Box<dyn Records> {
        let nowhere = CassandraTable { sink: declared("nowhere", &[]), ..table(Shape::Latest) };
        Box::new(CassandraRecords::new(Arc::clone(&self.store), nowhere))
    }

    fn found(event: &Event, of: &Subjects) -> Value {
        json!({
            "subject_ref": of.reference(event.subject).to_string(), "event_id": event.id, "version": event.version,
            "plan": event.id, "city": event.version.to_string(), "age": 41, "score": 0.5,
        })
    }
}

impl VaultStore for Cassandra {
    const CASES: u32 = 12;

    async fn vault(&self) -> Arc<dyn Vault> {
        Arc::new(self.keyspace_vault(run_name()).await)
    }

    async fn shred(&self, space: String, token: Token) -> Result<u64, StoreError> {
        self.keyspace_vault(run_name()).await.shred(space, token).await
    }

    async fn sealed_rows(&self, space: String, token: Token) -> u64 {
        let cql = format!(
            "SELECT JSON master, sealed FROM {}.lethe_keys WHERE space = '{space}' AND subject = 0x{}",
            run_name(),
            hex(token)
        );
        let rows = self.texts(&cql).await;
        rows.iter().filter(|row| *row != r#"{"master": null, "sealed": null}"#).count() as u64
    }

    async fn attestations(&self, key: String) -> Vec<String> {
        let cql = format!("SELECT attestation FROM {}.lethe_attestations WHERE key_name = '{key}'", run_name());
        self.texts(&cql).await
    }

    async fn audit_lines(&self) -> Vec<String> {
        let cql = format!("SELECT written_at, number, line FROM {}.lethe_audit", run_name());
        let rows = self.session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        let rows = rows.rows::<(scylla::value::CqlTimestamp, i64, String)>().unwrap().map(Result::unwrap);
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|(at, number, _)| (at.0, *number));
        rows.into_iter().map(|(.., line)| line).collect()
    }
}

impl AbsentVaultStore for Cassandra {
    async fn look(&self) -> bool {
        CassandraVault::open(Arc::clone(&self.store), &self.absent, Access::ReadOnly).await.unwrap().is_some()
    }

    async fn make(&self) {
        self.keyspace_vault(&self.absent).await;
    }

    async fn is_anything_there(&self) -> bool {
        !self.texts(&keyspaces(&self.absent)).await.is_empty()
    }
}
