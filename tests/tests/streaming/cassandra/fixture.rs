//! The keyspace that the tests share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use scylla::client::{session::Session, session_builder::SessionBuilder};
use serde_json::Value;
use tokio::sync::Mutex;

use super::*;

/// Benches in use. Cassandra takes a second to make a table, so all share a keyspace: the first
/// makes it, the last drops it.
static IN_USE: Mutex<usize> = Mutex::const_new(0);

/// Subjects of a fixture, at most.
const SUBJECTS: u8 = 16;

/// Subjects of its own for one test, and a client to look at their rows.
pub(super) struct CassandraFixture {
    pub(super) store: Arc<CassandraStore>,
    pub(super) session: Session,
    number: AtomicU32,
}

impl CassandraFixture {
    pub(super) async fn new() -> Self {
        let store = CassandraStore::connect(&connection(&address()))
            .await
            .unwrap_or_else(|error| panic!("{error}: these tests need a node at {}", address()));
        let session = client().await;
        let mut in_use = IN_USE.lock().await;
        if *in_use == 0 {
            make_keyspace(&session, &shared()).await;
        }
        *in_use += 1;
        drop(in_use);
        let fixture = Self { store, session, number: AtomicU32::new(0) };
        fixture.renew();
        fixture
    }

    /// Turns to other subjects, of which nothing was written.
    pub(super) fn renew(&self) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        self.number.store(NEXT.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// A number that no other test has.
    pub(super) fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    pub(super) fn reference(&self, subject: u8) -> Reference {
        assert!(subject < SUBJECTS);
        let mut bytes = [subject; 32];
        bytes[..4].copy_from_slice(&self.number().to_be_bytes());
        Reference(bytes)
    }

    /// The table of the latest states, or of all events in the order of their times.
    pub(super) fn table(records: Records) -> CassandraTable {
        let sink = match records {
            Records::Latest => declared(&shared(), "latest", &[]),
            Records::Append => declared(&shared(), "history", &["event_time", "event_id"]),
        };
        CassandraTable { sink, records, max_age: Some(AGE) }
    }

    pub(super) async fn open(&self, table: &CassandraTable) -> CassandraSink {
        CassandraSink::open(Arc::clone(&self.store), table.clone(), Access::Create).await.unwrap()
    }

    pub(super) async fn sink(&self, records: Records) -> CassandraSink {
        self.open(&CassandraFixture::table(records)).await
    }

    pub(super) async fn write(&self, sink: &mut CassandraSink, events: &[Event]) -> Vec<Answer> {
        sink.write(&batch(self, events)).await.unwrap()
    }

    pub(super) async fn run(&self, cql: &str) {
        self.session.query_unpaged(cql, ()).await.unwrap_or_else(|error| panic!("{error}: {cql}"));
    }

    /// The texts of a query's first column.
    pub(super) async fn texts(&self, cql: &str) -> Vec<String> {
        let rows = self.session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        rows.rows::<(String,)>().unwrap().map(|row| row.unwrap().0).collect()
    }

    /// Every row of the fixture's subjects, in order.
    pub(super) async fn dump(&self, table: &CassandraTable) -> Vec<Row> {
        let key = |name: &str| {
            table.sink.partition_key.iter().chain(table.sink.clustering_key.iter().flatten()).any(|key| key == name)
        };
        let names: Vec<&str> = table.sink.columns.iter().map(|column| column.name.as_str()).collect();
        let mut parts: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        for name in names.iter().filter(|name| !key(name)) {
            parts.push(format!("WRITETIME({name}) AS written_{name}, TTL({name}) AS left_{name}"));
        }
        let subjects: Vec<String> = (0..SUBJECTS).map(|subject| format!("'{}'", self.reference(subject))).collect();
        let cql = format!(
            "SELECT JSON {} FROM {}.{} WHERE subject_ref IN ({})",
            parts.join(", "),
            table.sink.keyspace,
            table.sink.table,
            subjects.join(", ")
        );
        let mut rows: Vec<Row> = self.texts(&cql).await.iter().map(|json| Row::of(json)).collect();
        rows.sort_by_key(|row| row.text("subject_ref"));
        rows
    }
}

impl Drop for CassandraFixture {
    fn drop(&mut self) {
        let left = in_a_runtime_of_its_own(async {
            let mut in_use = IN_USE.lock().await;
            *in_use -= 1;
            if *in_use == 0 {
                drop_keyspace(&shared()).await;
            }
        });
        assert!(left || thread::panicking(), "the keyspace could not be dropped");
    }
}

/// A keyspace of one test, ended with it.
pub(super) struct Keyspace(pub(super) String);

impl Keyspace {
    /// A name that no keyspace has yet.
    pub(super) fn new(test: &str) -> Self {
        Self(format!("{}_{test}", shared()))
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let name = self.0.clone();
        let left = in_a_runtime_of_its_own(async move { drop_keyspace(&name).await });
        assert!(left || thread::panicking(), "the keyspace could not be dropped");
    }
}

/// The keyspace that tests share, of this run alone.
pub(super) fn shared() -> String {
    format!("lethe_test_{}", std::process::id())
}

async fn client() -> Session {
    SessionBuilder::new().known_node(address()).build().await.unwrap()
}

pub(super) async fn make_keyspace(session: &Session, name: &str) {
    let cql = format!(
        "CREATE KEYSPACE IF NOT EXISTS {name} \
         WITH replication = {{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}}"
    );
    session.query_unpaged(cql, ()).await.unwrap();
}

async fn drop_keyspace(name: &str) {
    client().await.query_unpaged(format!("DROP KEYSPACE IF EXISTS {name}"), ()).await.unwrap();
}

/// Runs work to its end in a `drop`, where no runtime can be awaited. Returns whether it succeeded.
fn in_a_runtime_of_its_own(work: impl Future<Output = ()> + Send + 'static) -> bool {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    thread::spawn(move || runtime().block_on(work)).join().is_ok()
}

/// A row as another client sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// What its columns hold.
    pub(super) cells: serde_json::Map<String, Value>,
    /// The `WRITETIME` that all of its cells have.
    pub(super) written: i64,
    /// When all of its cells expire.
    pub(super) expires: Option<Expiry>,
}

/// Milliseconds since 1970, as far as Cassandra keeps an expiry: to the second, by two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry(pub(super) i64);

impl PartialEq for Expiry {
    fn eq(&self, other: &Self) -> bool {
        (self.0 - other.0).abs() <= 2000
    }
}

impl Row {
    fn of(json: &str) -> Self {
        let now = jiff::Timestamp::now().as_millisecond();
        let mut cells: serde_json::Map<String, Value> = serde_json::from_str(json).unwrap();
        let mut take = |prefix: &str| {
            let names: Vec<String> = cells.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
            // A cell without a value has neither.
            let mut found: Vec<Option<i64>> = names
                .iter()
                .filter(|name| !cells[&name[prefix.len()..]].is_null())
                .map(|name| cells[name].as_i64())
                .collect();
            for name in &names {
                cells.remove(name);
            }
            found.dedup();
            assert_eq!(found.len(), 1, "cells of several writes are in one row: {json}");
            found[0]
        };
        let (written, left) = (take("written_").unwrap(), take("left_"));
        Self { cells, written, expires: left.map(|seconds| Expiry(now + seconds * 1000)) }
    }

    pub(super) fn text(&self, column: &str) -> String {
        self.cells[column].as_str().unwrap().to_owned()
    }
}

/// The ids of the events whose rows are there, in order.
pub(super) fn ids(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.text("event_id")).collect()
}
