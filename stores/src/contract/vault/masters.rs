//! Master keys and the other named keys of the keys Secret: their check values, the keys that they
//! wrap, their retirement, and the audit record.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;

use crate::{KeyEntry, StoreError};

/// What the key store records about a named key of the keys Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheck {
    /// `root`, `audience-<name>` or `master-<n>`.
    pub name: String,
    /// The first 8 bytes of `HMAC(key, "lethe check")`, in hexadecimal.
    pub check: String,
    /// Whether the key was retired. A retired key may be absent from the Secret.
    pub retired: bool,
}

/// Records about the named keys of the keys Secret and the subjects' keys that they wrap.
pub trait MasterKeys: Send + Sync {
    /// Returns the check values of every key that was ever used with this store.
    fn checks(&self) -> BoxFuture<'_, Result<Vec<KeyCheck>, StoreError>>;

    /// Records the check values that are not stored yet. Fails with `Mismatch` and records nothing
    /// if a name is already stored with another value. This keeps a second worker with a different
    /// Secret from starting.
    fn add_checks(&self, checks: Vec<KeyCheck>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Returns up to `limit` live keys that are wrapped by any master but `master`.
    fn wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>>;

    /// Returns the number of live keys that are wrapped by this master.
    fn count_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Replaces each first key of a pair by the second, unless the stored wrapping has changed
    /// meanwhile. Returns how many keys were replaced.
    fn rewrap(&self, keys: Vec<(KeyEntry, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Marks a master key as retired and records the attestation: who retired it, when, and on what
    /// ground. Fails with `Mismatch` and changes nothing while it wraps a live key of this store.
    /// Afterwards the store accepts no key that is wrapped by this master, so a worker that still
    /// holds it can't reintroduce it.
    fn retire(&self, name: String, attestation: String) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Appends a line to the audit record. The line is JSON without personal data: tokens, paths
    /// and counts.
    fn audit(&self, line: String) -> BoxFuture<'_, Result<(), StoreError>>;
}
