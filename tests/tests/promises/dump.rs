//! The contents of a SQLite file as comparable text: the rows of every table, sorted by all
//! columns.

use std::{collections::BTreeMap, path::Path};

use rusqlite::Connection;

/// The rows of each table by its name, with the schema as one of the tables.
pub type Dump = BTreeMap<String, Vec<String>>;

/// Opens a database.
#[track_caller]
pub fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

/// Dumps every table.
#[track_caller]
pub fn dump(path: &Path) -> Dump {
    let connection = open(path);
    let mut dump = Dump::new();
    dump.insert("sqlite_schema".to_owned(), rows(&connection, "SELECT type, name, sql FROM sqlite_schema", 3));
    for table in tables(&connection) {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
        let columns: Vec<String> =
            statement.query_map([&table], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
        let sql = format!("SELECT {} FROM \"{table}\"", quoted.join(", "));
        dump.insert(table, rows(&connection, &sql, columns.len()));
    }
    dump
}

/// Returns the names of the tables of a database.
pub fn tables(connection: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn rows(connection: &Connection, sql: &str, columns: usize) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cells: Vec<String> =
            (0..columns).map(|at| row.get::<_, Option<String>>(at).unwrap().unwrap_or_default()).collect();
        lines.push(cells.join("|"));
    }
    lines.sort_unstable();
    lines
}

/// Fails the test unless two dumps are equal, with the first rows that differ.
#[track_caller]
pub fn assert_same(left: &Dump, right: &Dump) {
    let names = |dump: &Dump| dump.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(left), names(right), "the tables differ");
    for (table, rows) in left {
        let others = &right[table];
        if let Some(at) = (0..rows.len().max(others.len())).find(|at| rows.get(*at) != others.get(*at)) {
            panic!(
                "{table} differs: {} and {} rows, the first other one is\n{:?}\n{:?}",
                rows.len(),
                others.len(),
                rows.get(at),
                others.get(at)
            );
        }
    }
}
