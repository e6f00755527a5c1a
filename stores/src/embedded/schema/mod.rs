//! Creates Lethe's own tables in the file, and checks that a file belongs to Lethe.

pub(crate) mod table;
pub(crate) mod view;

use rusqlite::{Connection, TransactionBehavior};

use crate::Fault;

/// `LETH`; stored in the file's header.
const APPLICATION_ID: i64 = 0x4c45_5448;

/// Schema version: that of the first tables, and one more for each migration.
const VERSION: i64 = 1 + MIGRATIONS.len() as i64;

/// The changes of the tables since their first version, in order. None is ever changed.
const MIGRATIONS: &[&str] = &[
    // What distinguishes a topic or file from an earlier one of the same name.
    "ALTER TABLE lethe_dead_letter ADD COLUMN incarnation TEXT NOT NULL DEFAULT ''",
];

/// The tables of the first version. No column holds the time of a run, so two runs over the same events store the same rows.
const TABLES: &str = "
CREATE TABLE lethe_tables (
    table_name TEXT PRIMARY KEY NOT NULL,
    records TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE lethe_deleted (
    table_name TEXT NOT NULL,
    subject_ref TEXT NOT NULL,
    event_id TEXT NOT NULL,
    deleted_at TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires_at TEXT,
    PRIMARY KEY (table_name, subject_ref)
) WITHOUT ROWID, STRICT;
CREATE INDEX lethe_deleted_expires_at ON lethe_deleted (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE lethe_keys (
    space TEXT NOT NULL,
    token BLOB NOT NULL,
    class TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'shredded')),
    master INTEGER,
    sealed BLOB,
    PRIMARY KEY (space, token, class)
) WITHOUT ROWID, STRICT;
CREATE INDEX lethe_keys_master ON lethe_keys (master) WHERE state = 'live';

CREATE TABLE lethe_aliases (
    space TEXT NOT NULL,
    name TEXT NOT NULL,
    alias BLOB NOT NULL,
    token BLOB NOT NULL,
    PRIMARY KEY (space, name, alias, token)
) WITHOUT ROWID, STRICT;
CREATE INDEX lethe_aliases_subject ON lethe_aliases (space, token);

CREATE TABLE lethe_key_checks (
    name TEXT PRIMARY KEY NOT NULL,
    check_value TEXT NOT NULL,
    retired INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE lethe_attestations (
    seq INTEGER PRIMARY KEY,
    key_name TEXT NOT NULL,
    attestation TEXT NOT NULL
) STRICT;

CREATE TABLE lethe_audit (
    seq INTEGER PRIMARY KEY,
    line TEXT NOT NULL
) STRICT;

CREATE TABLE lethe_progress (
    pipeline TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('offset', 'mark')),
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (pipeline, kind, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE lethe_places (
    store TEXT NOT NULL,
    name TEXT NOT NULL,
    space TEXT NOT NULL,
    form TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    PRIMARY KEY (store, name, space, form, pipeline)
) WITHOUT ROWID, STRICT;

CREATE TABLE lethe_dead_letter (
    pipeline TEXT NOT NULL,
    key BLOB NOT NULL,
    stream TEXT NOT NULL,
    position INTEGER NOT NULL,
    reason TEXT NOT NULL,
    rule TEXT,
    path TEXT,
    sinks TEXT NOT NULL,
    sealed_by TEXT NOT NULL CHECK (sealed_by IN ('subject', 'day')),
    sealed_with TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (pipeline, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX lethe_dead_letter_day ON lethe_dead_letter (pipeline, sealed_with) WHERE sealed_by = 'day';

CREATE TABLE lethe_day_keys (
    pipeline TEXT NOT NULL,
    day TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'destroyed')),
    master INTEGER,
    sealed BLOB,
    PRIMARY KEY (pipeline, day)
) WITHOUT ROWID, STRICT;
";

/// Fails with `Mismatch` if another program or a later version of Lethe created the file. Writes
/// nothing.
pub(crate) fn check_owner(connection: &Connection) -> Result<(), Fault> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application == APPLICATION_ID {
        let version = version(connection)?;
        if version > VERSION {
            return Err(Fault::mismatch(format!(
                "the file was written by a later version of Lethe (layout {version}, this one knows {VERSION}); upgrade"
            )));
        }
        return Ok(());
    }
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != 0 || objects != 0 {
        return Err(Fault::mismatch(
            "the file is a database of another program; name another path, Lethe makes its own file".to_owned(),
        ));
    }
    Ok(())
}

/// Creates the tables, or migrates those of an earlier version, in one transaction, so that two
/// processes that open the file agree.
pub(crate) fn build(connection: &mut Connection) -> Result<(), Fault> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = version(&transaction)?;
    if from == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch(TABLES)?;
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(from - 1).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, Fault> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}
