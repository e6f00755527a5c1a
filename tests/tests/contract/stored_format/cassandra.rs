//! A kept pair of keyspaces, one of keys and one of rows, with dead letters in a topic.

use std::{fs, sync::Arc};

use lethe_stores::{
    Access, DeadLetters, Vault,
    cassandra::{CassandraStore, CassandraVault},
    open::CassandraConnection,
};
use lethe_tests::engines::engines;
use scylla::client::{session::Session, session_builder::SessionBuilder};
use serde_json::{Map, Value};

use super::{StoredStore, entry::Entry, topic::DeadTopic};

/// Two keyspaces and a topic.
pub struct Stored {
    session: Session,
    keyspaces: [String; 2],
    topic: DeadTopic,
}

const SCHEMA: &str = "schema.cql";
const ROWS: &str = "rows.ndjson";
const LETTERS: &str = "letters.ndjson";

impl Stored {
    async fn run(&self, cql: &str) {
        self.session.query_unpaged(cql, ()).await.unwrap_or_else(|error| panic!("{error}: {cql}"));
    }

    /// The statements that make the keyspaces and their tables, one a line.
    async fn schema(&self) -> Vec<String> {
        let mut statements = Vec::new();
        for keyspace in &self.keyspaces {
            let described = format!("DESCRIBE KEYSPACE {keyspace}");
            let rows = self.session.query_unpaged(described, ()).await.unwrap().into_rows_result().unwrap();
            let rows = rows.rows::<(String, String, String, String)>().unwrap().map(Result::unwrap);
            statements.extend(rows.map(|(_, kind, _, cql)| {
                // The options of a table are the node's defaults, and differ between its versions.
                let cql = if kind == "table" { cql.split(" WITH ").next().unwrap_or_default() } else { &cql };
                cql.trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" ")
            }));
        }
        statements
    }

    async fn tables(&self, keyspace: &str) -> Vec<String> {
        let cql = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
        let rows = self.session.query_unpaged(cql, (keyspace,)).await.unwrap().into_rows_result().unwrap();
        rows.rows::<(String,)>().unwrap().map(|row| row.unwrap().0).collect()
    }

    async fn rows(&self, keyspace: &str, table: &str) -> Vec<Entry> {
        let cql = "SELECT column_name, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?";
        let rows = self.session.query_unpaged(cql, (keyspace, table)).await.unwrap().into_rows_result().unwrap();
        let columns: Vec<(String, String)> = rows.rows().unwrap().map(Result::unwrap).collect();
        let mut selected: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        for (name, _) in columns.iter().filter(|(_, kind)| kind == "regular") {
            selected.push(format!("WRITETIME({name}) AS \"written {name}\""));
        }
        let cql = format!("SELECT JSON {} FROM {keyspace}.{table}", selected.join(", "));
        let rows = self.session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        let rows = rows.rows::<(String,)>().unwrap().map(|row| row.unwrap().0);
        let mut entries: Vec<Entry> = rows.map(|json| entry(table, &json)).collect();
        entries.sort_by_key(|entry| entry.row.to_string());
        entries
    }
}

fn entry(table: &str, json: &str) -> Entry {
    let cells: Map<String, Value> = serde_json::from_str(json).unwrap();
    let written = cells.iter().filter(|(name, _)| name.starts_with("written "));
    let written = written.filter_map(|(_, at)| at.as_i64()).max();
    let is_cell = |(name, value): &(String, Value)| !name.contains(' ') && !value.is_null();
    let row = Value::Object(cells.into_iter().filter(is_cell).collect());
    Entry { place: table.to_owned(), row, written }
}

impl StoredStore for Stored {
    const FOLDER: &'static str = "cassandra";
    const SINKS: [&'static str; 2] = ["profiles", "profile_history"];

    async fn connect(stored: &super::Stored) -> Self {
        let session = SessionBuilder::new().known_node(engines().cassandra()).build().await.unwrap();
        let keyspaces = ["keys", "rows"].map(|part| format!("{}_{part}", stored.name));
        Self { session, keyspaces, topic: DeadTopic(format!("{}_dead", stored.name)) }
    }

    async fn restore(&self, stored: &super::Stored) {
        for statement in stored.renamed(&stored.kept(SCHEMA)).lines() {
            self.run(statement).await;
        }
        for line in stored.renamed(&stored.kept(ROWS)).lines() {
            let entry = Entry::of(line);
            let keyspace = &self.keyspaces[usize::from(!entry.place.starts_with("lethe_"))];
            let at = entry.written.map(|at| format!(" USING TIMESTAMP {at}")).unwrap_or_default();
            let cql = format!("INSERT INTO {keyspace}.{} JSON ? DEFAULT UNSET{at}", entry.place);
            self.session.query_unpaged(cql, (entry.row.to_string(),)).await.unwrap();
        }
        let letters = stored.renamed(&stored.kept(LETTERS));
        self.topic.restore(&letters.lines().map(Entry::of).collect::<Vec<_>>()).await;
    }

    async fn dump(&self, _: &super::Stored) -> Vec<Entry> {
        let mut entries = Vec::new();
        for keyspace in &self.keyspaces {
            for table in self.tables(keyspace).await {
                entries.extend(self.rows(keyspace, &table).await);
            }
        }
        entries.extend(self.topic.dump());
        entries
    }

    async fn keep(&self, stored: &super::Stored) {
        let text = |lines: Vec<String>| stored.as_kept(&(lines.join("\n") + "\n"));
        fs::write(stored.kept_path(SCHEMA), text(self.schema().await)).unwrap();
        let (letters, mut rows): (Vec<Entry>, Vec<Entry>) =
            self.dump(stored).await.into_iter().partition(|entry| entry.place == "topic");
        // What was written with the clock ahead would win over every later write.
        let now = jiff::Timestamp::now().as_microsecond();
        for row in &mut rows {
            row.written = row.written.map(|at| at.min(now));
        }
        for (name, entries) in [(ROWS, rows), (LETTERS, letters)] {
            fs::write(stored.kept_path(name), text(entries.iter().map(Entry::line).collect())).unwrap();
        }
    }

    async fn vault(&self, _: &super::Stored) -> Arc<dyn Vault> {
        let connection = CassandraConnection {
            store: "store".to_owned(),
            contact_points: vec![engines().cassandra().to_owned()],
            local_datacenter: "datacenter1".to_owned(),
            tls: None,
            login: None,
        };
        let store = CassandraStore::connect(&connection).await.unwrap();
        Arc::new(CassandraVault::open(store, &self.keyspaces[0], Access::ReadOnly).await.unwrap().unwrap())
    }

    async fn letters(&self, _: &super::Stored) -> Arc<dyn DeadLetters> {
        Arc::new(self.topic.letters())
    }

    async fn shred_and_register(&self, _: &super::Stored, token: [u8; 32]) {
        let keys = &self.keyspaces[0];
        for class in ["identity", "profile"] {
            let shred = format!(
                "UPDATE {keys}.lethe_keys SET state = 'shredded', master = null, sealed = null \
                 WHERE space = 'customers' AND subject = ? AND class = ? IF state = 'live'"
            );
            self.session.query_unpaged(shred, (token.to_vec(), class)).await.unwrap();
        }
        self.run(&format!(
            "INSERT INTO {keys}.lethe_places (store, name, space, form, pipeline) \
             VALUES ('store', 'tokens', 'customers', 'Token', 'default.people')"
        ))
        .await;
    }

    async fn end(&self, _: &super::Stored) {
        for keyspace in &self.keyspaces {
            self.run(&format!("DROP KEYSPACE {keyspace}")).await;
        }
        self.topic.end().await;
    }
}
