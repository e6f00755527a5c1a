//! Checks whether a server answers.

use crate::{Probe, StoreError, contract::MongodbConnection, mongodb::MongodbStore};

/// Connects, logs in and reads the version of the server.
pub async fn probe(connection: &MongodbConnection) -> Result<Probe, StoreError> {
    let store = Box::pin(MongodbStore::connect(connection)).await?;
    Ok(Probe { version: Some(store.version().to_owned()), capabilities: Vec::new() })
}
