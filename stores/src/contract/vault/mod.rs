//! A key store: what a pipeline's `keys.storeRef` names. One trait for each kind of thing in it.

mod bookkeeping;
mod day_keys;
mod keys;
mod masters;

pub use bookkeeping::{Bookkeeping, Place, Progress};
pub use day_keys::{DayKey, DayKeys};
use futures::future::BoxFuture;
pub use keys::{KeyEntry, KeyRow, SubjectKeys, SubjectWant};
pub use masters::{KeyCheck, MasterKeys};

use crate::StoreError;

/// A key store with all that is stored beside the keys.
pub trait Vault: SubjectKeys + MasterKeys + DayKeys + Bookkeeping {
    /// Removes what was overwritten from the store's own files, where a client can do that: called
    /// after a key was wrapped again or destroyed.
    fn purge(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}
