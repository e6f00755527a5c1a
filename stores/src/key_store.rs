//! Where subjects' keys lie, with what must be as durable as they are: aliases and key checks.

use futures::future::BoxFuture;
use lethe_core::{identity::Token, keys::WrappedKey};

use crate::StoreError;

/// A key as the key store holds it.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyRow {
    /// It opens what it sealed.
    Live(WrappedKey),
    /// It was destroyed by an erasure. No new key takes its place.
    Shredded,
}

/// A subject that a worker needs the keys of. Every part is made if it is absent, by a
/// conditional write: two workers agree on one key.
#[derive(Clone)]
pub struct SubjectWant {
    /// The space of its id.
    pub space: String,
    /// Who.
    pub token: Token,
    /// For each class: the key to store if there is none yet.
    pub candidates: Vec<(String, WrappedKey)>,
    /// Tokens of its aliases, each with the alias's name; stored by alias and by subject.
    pub aliases: Vec<(String, Token)>,
}

/// A row of the key table.
#[derive(Clone)]
pub struct KeyEntry {
    /// The space of the subject's id.
    pub space: String,
    /// Who.
    pub token: Token,
    /// Class of the key.
    pub class: String,
    /// The key.
    pub row: KeyRow,
}

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

/// Where subjects' keys lie.
pub trait KeyStore: Send + Sync {
    /// Check values of every key that was ever used with this store.
    fn checks(&self) -> BoxFuture<'_, Result<Vec<KeyCheck>, StoreError>>;

    /// Records check values that are not there yet. `Mismatch`, and nothing recorded, if a name is
    /// there with another value: of two workers with different Secrets the second must not start.
    fn add_checks(&self, checks: Vec<KeyCheck>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The keys of each subject, in the order of `wants` and of their candidates. What was absent
    /// is made first, and is durable when this returns.
    fn subjects(&self, wants: Vec<SubjectWant>) -> BoxFuture<'_, Result<Vec<Vec<KeyRow>>, StoreError>>;

    /// The keys of one subject that are there, with their classes. Makes none.
    fn find(&self, space: String, token: Token) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>>;

    /// Subjects that an alias leads to.
    fn resolve(&self, space: String, name: String, alias: Token) -> BoxFuture<'_, Result<Vec<Token>, StoreError>>;

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
