//! The contract of a key store, which a pipeline names in `keys.storeRef`. There is one trait for
//! each kind of data in it.

mod bookkeeping;
mod day_keys;
mod keys;
mod masters;

pub(crate) use bookkeeping::ProgressKind;
pub use bookkeeping::{Bookkeeping, FilePosition, Progress};
pub use day_keys::{DayKey, DayKeys};
use futures::future::BoxFuture;
pub use keys::{KeyEntry, KeyRow, SubjectKeys, SubjectWant};
pub use masters::{KeyCheck, MasterKeys};

use crate::StoreError;

/// A key store, including everything that is stored beside the keys.
pub trait Vault: SubjectKeys + MasterKeys + DayKeys + Bookkeeping {
    /// Removes overwritten data from the store's own files, if a client can do that. Call it after
    /// a key was rewrapped or destroyed.
    fn purge(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}
