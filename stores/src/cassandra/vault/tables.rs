//! The vault's tables and prepared statements.

use scylla::statement::{Consistency, prepared::PreparedStatement};

use crate::{
    Fault,
    cassandra::{CassandraStore, schema::statements::full_name},
};

/// A table of the vault.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    columns: &'static str,
}

impl Table {
    pub(crate) fn create(&self, keyspace: &str) -> String {
        format!("CREATE TABLE IF NOT EXISTS {} ({})", full_name(keyspace, self.name), self.columns)
    }
}

/// Rows that depend on each other by conditional writes share a partition: the keys of a subject,
/// and all key checks.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "lethe_keys",
        columns: "space text, subject blob, class text, state text, master bigint, sealed blob, \
                  PRIMARY KEY ((space, subject), class)",
    },
    Table {
        name: "lethe_aliases",
        columns: "space text, name text, alias blob, subject blob, PRIMARY KEY ((space, name, alias), subject)",
    },
    Table {
        name: "lethe_aliases_by_subject",
        columns: "space text, subject blob, name text, alias blob, PRIMARY KEY ((space, subject), name, alias)",
    },
    Table {
        name: "lethe_key_checks",
        columns: "scope text, name text, check_value text, retired boolean, PRIMARY KEY (scope, name)",
    },
    Table {
        name: "lethe_day_keys",
        columns: "pipeline text, day text, state text, master bigint, sealed blob, PRIMARY KEY (pipeline, day)",
    },
    Table {
        name: "lethe_attestations",
        columns: "key_name text, attestation text, PRIMARY KEY (key_name, attestation)",
    },
    Table {
        name: "lethe_audit",
        columns: "day text, written_at timestamp, session uuid, number bigint, line text, \
                  PRIMARY KEY (day, written_at, session, number)",
    },
    Table {
        name: "lethe_progress",
        columns: "pipeline text, kind text, name text, value bigint, PRIMARY KEY (pipeline, kind, name)",
    },
    Table {
        name: "lethe_places",
        columns: "store text, name text, space text, form text, pipeline text, \
                  PRIMARY KEY ((store, name), space, form, pipeline)",
    },
];

/// The only partition of `lethe_key_checks`.
pub(crate) const SCOPE: &str = "keys";

/// Defines the prepared statements. Each line holds a name, the kind of the statement, its table,
/// and the CQL before and after the table's name.
macro_rules! statements {
    ($($name:ident: $kind:ident $table:literal $before:literal $after:literal,)*) => {
        /// Every statement of the vault, prepared.
        pub(crate) struct Prepared {
            $(pub(crate) $name: PreparedStatement,)*
        }

        impl Prepared {
            pub(crate) async fn new(store: &CassandraStore, keyspace: &str) -> Result<Self, Fault> {
                let ($($name,)*) = tokio::try_join!($(
                    prepare(store, Kind::$kind, format!("{} {} {}", $before, full_name(keyspace, $table), $after)),
                )*)?;
                Ok(Self { $($name,)* })
            }
        }
    };
}

/// The kind of a statement. It determines consistency and retries.
#[derive(Clone, Copy)]
enum Kind {
    /// A read at QUORUM.
    Read,
    /// A read at SERIAL, which completes conditional writes that are in progress.
    Serial,
    /// A write at QUORUM that the driver may retry.
    Write,
    /// A conditional write. The driver must not retry it, because the response would be about the
    /// first attempt.
    If,
}

async fn prepare(store: &CassandraStore, kind: Kind, cql: String) -> Result<PreparedStatement, Fault> {
    match kind {
        Kind::Read | Kind::Write => store.prepare(&cql, Consistency::Quorum, true).await,
        Kind::Serial => store.prepare(&cql, Consistency::Serial, true).await,
        Kind::If => store.prepare(&cql, Consistency::Quorum, false).await,
    }
}

statements! {
    keys: Read "lethe_keys" "SELECT class, state, master, sealed FROM" "WHERE space = ? AND subject = ?",
    keys_serial: Serial "lethe_keys" "SELECT class, state, master, sealed FROM" "WHERE space = ? AND subject = ?",
    insert_key: If "lethe_keys" "INSERT INTO"
        "(space, subject, class, state, master, sealed) VALUES (?, ?, ?, 'live', ?, ?) IF NOT EXISTS",
    rewrap_key: If "lethe_keys" "UPDATE"
        "SET master = ?, sealed = ? WHERE space = ? AND subject = ? AND class = ? IF state = 'live' AND master = ? AND sealed = ?",
    shred_key: If "lethe_keys" "UPDATE"
        "SET state = 'shredded', master = null, sealed = null WHERE space = ? AND subject = ? AND class = ? IF state = 'live'",
    scan_keys: Read "lethe_keys" "SELECT token(space, subject), space, subject, class, state, master, sealed FROM"
        "WHERE token(space, subject) >= ?",
    subjects_of_alias: Read "lethe_aliases" "SELECT subject FROM" "WHERE space = ? AND name = ? AND alias = ?",
    aliases_of_subject: Read "lethe_aliases_by_subject" "SELECT name, alias FROM" "WHERE space = ? AND subject = ?",
    insert_alias: Write "lethe_aliases" "INSERT INTO" "(space, name, alias, subject) VALUES (?, ?, ?, ?)",
    insert_alias_by_subject: Write "lethe_aliases_by_subject" "INSERT INTO"
        "(space, name, alias, subject) VALUES (?, ?, ?, ?)",
    checks: Serial "lethe_key_checks" "SELECT name, check_value, retired FROM" "WHERE scope = ?",
    is_retired: Read "lethe_key_checks" "SELECT retired FROM" "WHERE scope = ? AND name = ?",
    insert_check: If "lethe_key_checks" "INSERT INTO"
        "(scope, name, check_value, retired) VALUES (?, ?, ?, ?) IF NOT EXISTS",
    mark_retired: If "lethe_key_checks" "UPDATE" "SET retired = ? WHERE scope = ? AND name = ? IF retired = ?",
    day_key: Read "lethe_day_keys" "SELECT state, master, sealed FROM" "WHERE pipeline = ? AND day = ?",
    day_key_serial: Serial "lethe_day_keys" "SELECT state, master, sealed FROM" "WHERE pipeline = ? AND day = ?",
    insert_day_key: If "lethe_day_keys" "INSERT INTO"
        "(pipeline, day, state, master, sealed) VALUES (?, ?, 'live', ?, ?) IF NOT EXISTS",
    rewrap_day_key: If "lethe_day_keys" "UPDATE"
        "SET master = ?, sealed = ? WHERE pipeline = ? AND day = ? IF state = 'live' AND master = ? AND sealed = ?",
    destroy_day_key: If "lethe_day_keys" "UPDATE"
        "SET state = 'destroyed', master = null, sealed = null WHERE pipeline = ? AND day = ? IF state = 'live'",
    days_before: Serial "lethe_day_keys" "SELECT day, state FROM" "WHERE pipeline = ? AND day < ?",
    scan_day_keys: Read "lethe_day_keys" "SELECT pipeline, day, state, master, sealed FROM" "",
    attest: Write "lethe_attestations" "INSERT INTO" "(key_name, attestation) VALUES (?, ?)",
    audit: Write "lethe_audit" "INSERT INTO" "(day, written_at, session, number, line) VALUES (?, ?, ?, ?, ?)",
    progress: Read "lethe_progress" "SELECT kind, name, value FROM" "WHERE pipeline = ?",
    commit: Write "lethe_progress" "INSERT INTO" "(pipeline, kind, name, value) VALUES (?, ?, ?, ?)",
    forget: Write "lethe_progress" "DELETE FROM" "WHERE pipeline = ?",
    register: Write "lethe_places" "INSERT INTO" "(store, name, space, form, pipeline) VALUES (?, ?, ?, ?, ?)",
    places: Read "lethe_places" "SELECT store, name, space, form FROM" "",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_the_vault_is_created_in_its_keyspace() {
        assert_eq!(
            TABLES[3].create("vault"),
            "CREATE TABLE IF NOT EXISTS \"vault\".\"lethe_key_checks\" (scope text, name text, check_value text, \
             retired boolean, PRIMARY KEY (scope, name))"
        );
        assert!(TABLES.iter().all(|table| table.name.starts_with("lethe_")));
    }
}
