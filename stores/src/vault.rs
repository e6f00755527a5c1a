//! A key store with all that lies beside the keys: what a pipeline's `keys.storeRef` names.

use futures::future::BoxFuture;

use crate::{Bookkeeping, DayKeys, KeyStore, StoreError};

/// A key store with all that lies beside the keys.
pub trait Vault: KeyStore + DayKeys + Bookkeeping {
    /// Makes what was overwritten go from the store's own files, where a client can do that: after a
    /// key was wrapped anew or destroyed.
    fn purge(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}
