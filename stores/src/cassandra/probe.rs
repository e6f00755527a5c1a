//! Checks that a cluster can be used.

use crate::{Probe, StoreError, cassandra::CassandraStore, contract::CassandraConnection};

/// Connects, logs in and reads the version of a node.
pub async fn probe(connection: &CassandraConnection) -> Result<Probe, StoreError> {
    let store = Box::pin(CassandraStore::connect(connection)).await?;
    Ok(Probe { version: Some(store.version().to_owned()), capabilities: Vec::new() })
}
