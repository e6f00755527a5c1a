//! Keyspaces and tables, made where they are absent.
//!
//! Two workers may start at once, and Cassandra lets two `CREATE` of one name race: each looks, makes
//! what is absent, and looks again, until it is there.

pub(crate) mod check;
pub(crate) mod expiry;
pub(crate) mod statements;

use std::time::Duration;

use crate::{
    ErrorKind, Fault,
    cassandra::{CassandraStore, fault::unexpected, schema::statements::create_keyspace},
};

/// Replicas of a keyspace that Lethe makes, where there are as many nodes.
const REPLICAS: usize = 3;
/// Tries to make a thing.
const TRIES: u32 = 6;
/// Wait before the second try; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Whether a keyspace is there.
pub(crate) async fn has_keyspace(store: &CassandraStore, keyspace: &str) -> Result<bool, Fault> {
    let sql = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    Ok(store.describe(sql, (keyspace,)).await?.rows_num() > 0)
}

/// The tables of a keyspace.
pub(crate) async fn tables(store: &CassandraStore, keyspace: &str) -> Result<Vec<String>, Fault> {
    let sql = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let rows = store.describe(sql, (keyspace,)).await?;
    let names = rows.rows::<(String,)>().map_err(|_| unexpected())?;
    names.map(|row| row.map(|row| row.0).map_err(|_| unexpected())).collect()
}

/// The statement that makes a keyspace in this cluster.
pub(crate) fn keyspace_here(store: &CassandraStore, keyspace: &str) -> String {
    let replicas = store.local_nodes().clamp(1, REPLICAS);
    create_keyspace(keyspace, store.datacenter(), replicas)
}

/// Makes a keyspace when it is absent.
pub(crate) async fn ensure_keyspace(store: &CassandraStore, keyspace: &str) -> Result<(), Fault> {
    make(store, &keyspace_here(store, keyspace), || has_keyspace(store, keyspace)).await
}

/// Makes a table when it is absent.
pub(crate) async fn ensure_table(store: &CassandraStore, keyspace: &str, table: &str, cql: &str) -> Result<(), Fault> {
    make(store, cql, || async { Ok(tables(store, keyspace).await?.iter().any(|name| name == table)) }).await
}

async fn make<F>(store: &CassandraStore, cql: &str, is_there: impl Fn() -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<bool, Fault>>,
{
    let mut wait = FIRST_WAIT;
    for attempt in 1.. {
        if is_there().await? {
            return Ok(());
        }
        match store.define(cql).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == TRIES || !may_pass(error.kind) => return Err(error),
            Err(_) => tokio::time::sleep(wait).await,
        }
        wait *= 2;
    }
    Ok(())
}

/// Returns whether another try may succeed. A mismatch may be a table that another worker created in
/// between, or a lost race.
const fn may_pass(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Unreachable
        | ErrorKind::Dns
        | ErrorKind::Handshake
        | ErrorKind::Timeout
        | ErrorKind::Busy
        | ErrorKind::Tls
        | ErrorKind::Login
        | ErrorKind::Mismatch => true,
        ErrorKind::Rights | ErrorKind::TooLarge | ErrorKind::Refused | ErrorKind::Internal => false,
    }
}
