//! Master keys and the other named keys of the keys Secret: their check values, what they wrap, their
//! end, and the audit record.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;

use crate::{KeyEntry, StoreError};

/// What the key store knows of a named key of the keys Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheck {
    /// `root`, `audience-<name>` or `master-<n>`.
    pub name: String,
    /// `HMAC(key, "lethe check")`, cut to 8 bytes, in hexadecimal.
    pub check: String,
    /// A person retired it: it may be absent from the Secret.
    pub retired: bool,
}

/// What is known of the keys of the keys Secret, and which subjects' keys they wrap.
pub trait MasterKeys: Send + Sync {
    /// Check values of every key that was ever used with this store.
    fn checks(&self) -> BoxFuture<'_, Result<Vec<KeyCheck>, StoreError>>;

    /// Records check values that are not there yet. `Mismatch`, and nothing recorded, if a name is
    /// there with another value: of two workers with different Secrets the second must not start.
    fn add_checks(&self, checks: Vec<KeyCheck>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Up to `limit` live keys that another master than `master` wraps.
    fn wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>>;

    /// Number of live keys that this master wraps.
    fn count_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Replaces the wrapping of keys whose wrapping is still the first of the pair; answers how many.
    fn rewrap(&self, keys: Vec<(KeyEntry, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Marks a master key as retired and records the attestation of who did it, when and on what
    /// ground. `Mismatch`, and nothing changed, while a live key here is wrapped by it; from then on no
    /// key that it wraps is taken, so that a worker that still has it can't bring it back.
    fn retire(&self, name: String, attestation: String) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Appends a line to the audit record (JSON, no personal data: tokens, paths, counts).
    fn audit(&self, line: String) -> BoxFuture<'_, Result<(), StoreError>>;
}
