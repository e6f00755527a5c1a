//! Whether a cluster answers.

use crate::{Probe, StoreError, cassandra::CassandraStore, open::CassandraConnection};

/// Connects, logs in and asks a node for its version.
pub async fn probe(connection: &CassandraConnection) -> Result<Probe, StoreError> {
    let store = Box::pin(CassandraStore::connect(connection)).await?;
    Ok(Probe { version: Some(store.version().to_owned()), capabilities: Vec::new() })
}
