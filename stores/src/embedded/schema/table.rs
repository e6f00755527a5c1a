//! Tables of events: their columns, their creation, and the check of an existing table.

use lethe_crds::profile_pipeline::Records;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::Fault;

/// A column as SQLite describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    sql_type: String,
    not_null: bool,
    /// Position in the primary key, counted from 1; 0 if it is not part of it.
    key: i64,
}

impl Column {
    /// Describes the column for messages, e.g. `TEXT NOT NULL, primary key 1`.
    fn shape(&self) -> String {
        let null = if self.not_null { " NOT NULL" } else { "" };
        let key = if self.key > 0 { format!(", primary key {}", self.key) } else { String::new() };
        format!("{}{null}{key}", self.sql_type)
    }
}

/// Name, type, NOT NULL and position in the primary key of each column, in display order.
type Layout = &'static [(&'static str, &'static str, bool, i64)];

const LATEST: Layout = &[
    ("subject_ref", "TEXT", true, 1),
    ("event_id", "TEXT", true, 0),
    ("event_time", "TEXT", true, 0),
    ("version", "INTEGER", true, 0),
    ("expires_at", "TEXT", false, 0),
    ("deleted_at", "TEXT", false, 0),
    ("document", "TEXT", false, 0),
];

/// The subject comes first in the key. The events of a subject are adjacent, so deleting them is
/// one range and needs no second index. If a source gives one event id to two subjects, both rows
/// are kept, in any order of arrival.
const APPEND: Layout = &[
    ("subject_ref", "TEXT", true, 1),
    ("event_id", "TEXT", true, 2),
    ("event_time", "TEXT", true, 0),
    ("version", "INTEGER", true, 0),
    ("expires_at", "TEXT", false, 0),
    ("document", "TEXT", true, 0),
];

/// Returns a name as a quoted SQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns the value of `records` in `lethe_tables`.
pub(crate) const fn records_name(records: Records) -> &'static str {
    match records {
        Records::Latest => "Latest",
        Records::Append => "Append",
    }
}

/// Creates the table and its indexes if it is absent; else checks it column by column. Fails with
/// `Mismatch` if it differs.
pub(crate) fn ensure(transaction: &Transaction<'_>, table: &str, records: Records) -> Result<(), Fault> {
    check_name(table)?;
    let wanted = wanted(records);
    match kind(transaction, table)?.as_deref() {
        None => create(transaction, table, records, &wanted)?,
        Some("table") => check(transaction, table, &wanted)?,
        Some(other) => {
            return Err(Fault::mismatch(format!("{table} is a {other} in this file; write to another table")));
        }
    }
    // Not `INSERT OR IGNORE`, because that would write even if nothing changes.
    let known: Option<String> = transaction
        .query_row("SELECT records FROM lethe_tables WHERE table_name = ?1", [table], |row| row.get(0))
        .optional()?;
    if known.as_deref() != Some(records_name(records)) {
        transaction.execute("INSERT OR REPLACE INTO lethe_tables VALUES (?1, ?2)", [table, records_name(records)])?;
    }
    Ok(())
}

/// Returns what `name` is in this file: `table`, `view`, `index`, or `None` if it does not exist.
/// SQLite ignores case in names.
pub(crate) fn kind(connection: &Connection, name: &str) -> Result<Option<String>, Fault> {
    let sql = "SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type <> 'trigger'";
    Ok(connection.query_row(sql, [name], |row| row.get(0)).optional()?)
}

fn check_name(table: &str) -> Result<(), Fault> {
    let lower = table.to_ascii_lowercase();
    if lower.is_empty() || lower.contains('\0') {
        return Err(Fault::mismatch("a table needs a name".to_owned()));
    }
    if lower.starts_with("lethe_") || lower.starts_with("sqlite_") {
        return Err(Fault::mismatch(format!(
            "table {table}: names that begin with lethe_ or sqlite_ are taken; choose another"
        )));
    }
    Ok(())
}

fn wanted(records: Records) -> Vec<Column> {
    let layout = match records {
        Records::Latest => LATEST,
        Records::Append => APPEND,
    };
    layout
        .iter()
        .map(|&(name, sql_type, not_null, key)| Column {
            name: name.to_owned(),
            sql_type: sql_type.to_owned(),
            not_null,
            key,
        })
        .collect()
}

fn create(transaction: &Transaction<'_>, table: &str, records: Records, wanted: &[Column]) -> Result<(), Fault> {
    let columns: Vec<String> = wanted
        .iter()
        .map(|c| format!("{} {}{}", c.name, c.sql_type, if c.not_null { " NOT NULL" } else { "" }))
        .collect();
    let key: Vec<&str> = wanted.iter().filter(|c| c.key > 0).map(|c| c.name.as_str()).collect();
    let by_time = match records {
        Records::Latest => String::new(),
        Records::Append => {
            format!("CREATE INDEX {} ON {} (event_time);", quoted(&format!("{table}_event_time")), quoted(table))
        }
    };
    transaction.execute_batch(&format!(
        "CREATE TABLE {name} ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID, STRICT;
         CREATE INDEX {expiry} ON {name} (expires_at) WHERE expires_at IS NOT NULL;
         {by_time}",
        name = quoted(table),
        columns = columns.join(", "),
        key = key.join(", "),
        expiry = quoted(&format!("{table}_expires_at")),
    ))?;
    Ok(())
}

fn check(transaction: &Transaction<'_>, table: &str, wanted: &[Column]) -> Result<(), Fault> {
    let mut statement = transaction.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1)")?;
    let found: Vec<Column> = statement
        .query_map([table], |row| {
            Ok(Column { name: row.get(0)?, sql_type: row.get(1)?, not_null: row.get(2)?, key: row.get(3)? })
        })?
        .collect::<Result<_, _>>()?;
    let mut differences: Vec<String> = Vec::new();
    for want in wanted {
        match found.iter().find(|column| column.name == want.name) {
            None => differences.push(format!("column {} ({}) is missing", want.name, want.shape())),
            Some(column) if column != want => {
                differences.push(format!("column {} is {} and should be {}", want.name, column.shape(), want.shape()));
            }
            Some(_) => {}
        }
    }
    for column in found.iter().filter(|column| wanted.iter().all(|want| want.name != column.name)) {
        differences.push(format!("column {} is not one that Lethe writes", column.name));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Fault::mismatch(format!(
        "table {table} does not fit this sink: {}; write to another table, or drop this one",
        differences.join("; ")
    )))
}
