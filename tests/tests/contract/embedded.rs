//! SQLite: a file for each law.

use std::{path::PathBuf, sync::Arc};

use lethe_core::identity::Token;
use lethe_stores::{
    DeadLetters, Records, StoreError, Vault,
    embedded::{EmbeddedStore, TableOptions, TableRecords, TableSink},
};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    event::Event,
    fixture::{
        Answers, DeadLetterStore, Deletion, Expiry, Fixture, LatestStore, RecordsStore, Row, Shape, SinkStore,
        Subjects, TableStore, VaultStore,
    },
    laws::{
        bookkeeping::bookkeeping_laws, day_keys::day_keys_laws, dead_letters::dead_letters_laws, keys::keys_laws,
        latest::latest_laws, masters::masters_laws, records::records_laws, sink::sink_laws, table::table_laws,
    },
};

sink_laws!(Embedded);
latest_laws!(Embedded);
table_laws!(Embedded);
records_laws!(Embedded);
keys_laws!(Embedded);
masters_laws!(Embedded);
day_keys_laws!(Embedded);
bookkeeping_laws!(Embedded);
dead_letters_laws!(Embedded);

struct Embedded {
    _dir: TempDir,
    path: PathBuf,
}

impl Embedded {
    fn store(&self) -> Arc<EmbeddedStore> {
        EmbeddedStore::open("profiles", &self.path).unwrap()
    }

    /// Another program's view of the file.
    fn look(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn texts(&self, sql: &str, values: impl rusqlite::Params) -> Vec<String> {
        let connection = self.look();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map(values, |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

impl Fixture for Embedded {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lethe.db");
        Self { _dir: dir, path }
    }
}

fn table(shape: Shape) -> &'static str {
    match shape {
        Shape::Latest => "latest",
        Shape::Append => "events",
        Shape::AppendByTime => panic!("the key of a table of events is always the subject and the id"),
    }
}

impl SinkStore for Embedded {
    type Sink = TableSink;

    const CASES: u32 = 96;

    async fn open(&self, shape: Shape) -> TableSink {
        let options = TableOptions { table: table(shape).to_owned(), records: shape.records(), fields: Vec::new() };
        TableSink::open(self.store(), &options).unwrap()
    }

    async fn rows(&self, shape: Shape, of: &Subjects) -> Vec<Row> {
        let connection = self.look();
        let own = format!("SELECT *, NULL AS document FROM lethe_deleted WHERE table_name = '{}'", table(shape));
        let sources = match shape {
            Shape::Latest => vec![format!("SELECT * FROM {}", table(shape))],
            _ => vec![format!("SELECT * FROM {}", table(shape)), own],
        };
        let mut rows = Vec::new();
        for sql in sources {
            let mut statement = connection.prepare(&sql).unwrap();
            let columns = statement.column_count();
            let found = statement.query_map([], |row| {
                let document: Option<String> = row.get("document")?;
                let document: Option<Value> = document.map(|document| serde_json::from_str(&document).unwrap());
                let Some(subject) = of.find(&row.get::<_, String>("subject_ref")?) else { return Ok(None) };
                let id: String = row.get("event_id")?;
                let expires: Option<String> = row.get("expires_at")?;
                let cells: Vec<String> =
                    (0..columns).map(|at| row.get_ref(at).map(|cell| format!("{cell:?}"))).collect::<Result<_, _>>()?;
                let expires = expires.map(|at| Expiry(at.parse::<jiff::Timestamp>().unwrap().as_millisecond()));
                let row = Row::of(subject, &id, row.get("version")?, document.as_ref());
                Ok(Some(Row { expires, whole: cells.join("|"), ..row }))
            });
            rows.extend(found.unwrap().filter_map(Result::unwrap));
        }
        rows.sort_by(|a, b| a.seen.cmp(&b.seen));
        rows
    }
}

impl LatestStore for Embedded {
    const DELETION: Deletion = Deletion::Marker;
}

impl TableStore for Embedded {
    const ANSWERS: Answers = Answers::Row;
}

impl RecordsStore for Embedded {
    async fn records(&self, shape: Shape) -> Box<dyn Records> {
        self.open(shape).await;
        Box::new(TableRecords::new(self.store(), table(shape).to_owned()))
    }

    async fn absent(&self) -> Box<dyn Records> {
        Box::new(TableRecords::new(self.store(), "absent".to_owned()))
    }

    fn found(event: &Event, of: &Subjects) -> Value {
        let mut document: Value = serde_json::from_str(&event.document(of)).unwrap();
        document.as_object_mut().unwrap().remove("event_time");
        document
    }
}

impl VaultStore for Embedded {
    const CASES: u32 = 48;

    async fn vault(&self) -> Arc<dyn Vault> {
        self.store()
    }

    async fn shred(&self, space: String, token: Token) -> Result<u64, StoreError> {
        self.store().shred(space, token).await
    }

    async fn sealed_rows(&self, space: String, token: Token) -> u64 {
        let sql = "SELECT class FROM lethe_keys
                   WHERE space = ?1 AND token = ?2 AND (sealed IS NOT NULL OR master IS NOT NULL)";
        self.texts(sql, (space, token.0)).len() as u64
    }

    async fn attestations(&self, key: String) -> Vec<String> {
        self.texts("SELECT attestation FROM lethe_attestations WHERE key_name = ?1", [key])
    }

    async fn audit_lines(&self) -> Vec<String> {
        self.texts("SELECT line FROM lethe_audit ORDER BY seq", [])
    }
}

impl DeadLetterStore for Embedded {
    const CASES: u32 = 48;

    async fn letters(&self) -> Arc<dyn DeadLetters> {
        self.store()
    }
}
