//! Creates keyspaces and tables that are absent.
//!
//! Two workers may start at the same time, and in Cassandra two concurrent `CREATE` statements for
//! one name race. Each worker checks, creates what is absent and checks again, until it exists.

pub(crate) mod check;
pub(crate) mod expiry;
pub(crate) mod statements;

use std::time::Duration;

use crate::{
    ErrorKind, Fault,
    cassandra::{CassandraStore, fault::unexpected, schema::statements::create_keyspace},
};

/// Replicas of a keyspace that Lethe creates; fewer if there are fewer nodes.
const REPLICAS: usize = 3;
/// Maximum number of attempts to create a keyspace or table.
const MAX_ATTEMPTS: u32 = 6;
/// Pause before the second attempt. It doubles with each further attempt.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Returns whether a keyspace exists.
pub(crate) async fn has_keyspace(store: &CassandraStore, keyspace: &str) -> Result<bool, Fault> {
    let sql = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    Ok(store.describe(sql, (keyspace,)).await?.rows_num() > 0)
}

/// Returns the names of the tables of a keyspace.
pub(crate) async fn tables(store: &CassandraStore, keyspace: &str) -> Result<Vec<String>, Fault> {
    let sql = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let rows = store.describe(sql, (keyspace,)).await?;
    let names = rows.rows::<(String,)>().map_err(|_| unexpected())?;
    names.map(|row| row.map(|row| row.0).map_err(|_| unexpected())).collect()
}

/// Returns the statement that creates a keyspace in this cluster.
pub(crate) fn keyspace_here(store: &CassandraStore, keyspace: &str) -> String {
    let replicas = store.local_nodes().clamp(1, REPLICAS);
    create_keyspace(keyspace, store.datacenter(), replicas)
}

/// Creates a keyspace if it is absent.
pub(crate) async fn ensure_keyspace(store: &CassandraStore, keyspace: &str) -> Result<(), Fault> {
    create(store, &keyspace_here(store, keyspace), || has_keyspace(store, keyspace)).await
}

/// Creates a table if it is absent.
pub(crate) async fn ensure_table(store: &CassandraStore, keyspace: &str, table: &str, cql: &str) -> Result<(), Fault> {
    create(store, cql, || async { Ok(tables(store, keyspace).await?.iter().any(|name| name == table)) }).await
}

async fn create<F>(store: &CassandraStore, cql: &str, exists: impl Fn() -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<bool, Fault>>,
{
    let mut wait = FIRST_WAIT;
    for attempt in 1.. {
        if exists().await? {
            return Ok(());
        }
        match store.define(cql).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == MAX_ATTEMPTS || !may_succeed_later(error.kind) => return Err(error),
            Err(_) => tokio::time::sleep(wait).await,
        }
        wait *= 2;
    }
    Ok(())
}

/// Returns whether a retry may succeed. A `Mismatch` may mean that another worker created the table
/// meanwhile, or that a race was lost.
const fn may_succeed_later(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Unreachable
        | ErrorKind::Dns
        | ErrorKind::Handshake
        | ErrorKind::Timeout
        | ErrorKind::Busy
        | ErrorKind::Tls
        | ErrorKind::Login
        | ErrorKind::Mismatch => true,
        ErrorKind::Rights | ErrorKind::Input | ErrorKind::TooLarge | ErrorKind::Refused | ErrorKind::Internal => false,
    }
}
