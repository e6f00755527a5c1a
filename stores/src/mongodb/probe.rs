//! Whether a server answers.

use crate::{Probe, StoreError, mongodb::MongodbStore, open::MongodbConnection};

/// Connects, logs in and asks the server for its version.
pub async fn probe(connection: &MongodbConnection) -> Result<Probe, StoreError> {
    let store = Box::pin(MongodbStore::connect(connection)).await?;
    Ok(Probe { version: Some(store.version().to_owned()), capabilities: Vec::new() })
}
