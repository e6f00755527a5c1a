//! The key store in the SQLite file.

mod bookkeeping;
mod day_keys;
mod keys;
mod masters;

use futures::future::BoxFuture;

use crate::{StoreError, Vault, embedded::EmbeddedStore};

impl Vault for EmbeddedStore {
    fn purge(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { self.checkpoint().await.map(|_| ()) })
    }
}
