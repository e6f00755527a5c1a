//! A kept SQLite file.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    sync::Arc,
};

use flate2::{Compression, GzBuilder, read::GzDecoder};
use lethe_stores::{DeadLetters, Vault, embedded::EmbeddedStore};
use rusqlite::{Connection, types::ValueRef};
use serde_json::{Map, Value, json};

use super::{StoredStore, entry::Entry};

/// The SQLite file of the embedded store, and the file of lines beside it.
pub struct Stored;

const FILE: &str = "lethe.sqlite";
const KEPT: &str = "lethe.db.gz";
/// The file of the sink `clean`.
pub const LINES: &str = "clean.ndjson";

/// Writes a file to the fixture, compressed.
pub fn keep_file(from: &Path, to: &Path) {
    assert!(!from.with_extension("sqlite-wal").exists(), "a program still has the file open");
    let mut file = GzBuilder::new().write(File::create(to).unwrap(), Compression::best());
    file.write_all(&fs::read(from).unwrap()).unwrap();
    file.finish().unwrap();
}

/// Writes a kept file to a folder.
pub fn restore_file(from: &Path, to: &Path) {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(from).unwrap()).read_to_end(&mut bytes).unwrap();
    fs::write(to, bytes).unwrap();
}

/// Every row of every table of a file.
pub fn dump_file(path: &Path) -> Vec<Entry> {
    let connection = Connection::open(path).unwrap();
    let mut names = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut entries = Vec::new();
    for name in names {
        let mut rows = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
        let read = rows.query_map([], |row| {
            let cells = columns.iter().enumerate().map(|(at, column)| Ok((column.clone(), cell(row.get_ref(at)?))));
            Ok(Value::Object(cells.collect::<rusqlite::Result<Map<_, _>>>()?))
        });
        entries.extend(read.unwrap().map(|row| Entry::new(&name, row.unwrap())));
    }
    entries
}

fn cell(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(bytes) => json!({"blob": bytes}),
    }
}

impl Stored {
    fn open(stored: &super::Stored) -> Arc<EmbeddedStore> {
        EmbeddedStore::open("store", &stored.path(FILE)).unwrap()
    }
}

impl StoredStore for Stored {
    const FOLDER: &'static str = "embedded";
    const SINKS: [&'static str; 2] = ["profiles", "profile_history"];

    async fn connect(_: &super::Stored) -> Self {
        Self
    }

    async fn restore(&self, stored: &super::Stored) {
        restore_file(&stored.kept_path(KEPT), &stored.path(FILE));
        stored.write(LINES, &stored.kept(LINES));
    }

    async fn dump(&self, stored: &super::Stored) -> Vec<Entry> {
        let lines = fs::read_to_string(stored.path(LINES)).unwrap();
        let lines = lines.lines().map(|line| Entry::new(LINES, json!(line)));
        dump_file(&stored.path(FILE)).into_iter().chain(lines).collect()
    }

    async fn keep(&self, stored: &super::Stored) {
        keep_file(&stored.path(FILE), &stored.kept_path(KEPT));
        fs::copy(stored.path(LINES), stored.kept_path(LINES)).unwrap();
    }

    async fn vault(&self, stored: &super::Stored) -> Arc<dyn Vault> {
        Self::open(stored)
    }

    async fn letters(&self, stored: &super::Stored) -> Arc<dyn DeadLetters> {
        Self::open(stored)
    }

    async fn shred_and_register(&self, stored: &super::Stored, token: [u8; 32]) {
        let connection = Connection::open(stored.path(FILE)).unwrap();
        let shred = "UPDATE lethe_keys SET state = 'shredded', master = NULL, sealed = NULL WHERE token = ?1";
        assert!(connection.execute(shred, [token]).unwrap() > 0);
        let register = "INSERT INTO lethe_places (store, name, space, form, pipeline)
                        VALUES ('store', 'tokens', 'customers', 'Token', 'default.people')";
        connection.execute(register, []).unwrap();
    }

    async fn end(&self, _: &super::Stored) {}
}
