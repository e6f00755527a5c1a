//! Keys of subjects, and aliases of subjects.

use futures::future::BoxFuture;
use lethe_core::{identity::Token, keys::WrappedKey};

use crate::StoreError;

/// The state of a key in the key store.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyRow {
    /// The key can seal and open data.
    Live(WrappedKey),
    /// The key was destroyed by an erasure. No new key replaces it.
    Shredded,
}

/// A request for the keys of one subject. Missing keys and aliases are created by conditional
/// writes, so that all workers agree on the same key.
#[derive(Clone)]
pub struct SubjectWant {
    /// Space of the subject's id.
    pub space: String,
    /// Token of the subject.
    pub token: Token,
    /// One entry per class: the key to store if the subject has none of that class yet.
    pub candidates: Vec<(String, WrappedKey)>,
    /// Aliases of the subject: the alias's name and token. They are stored by alias and by subject.
    pub aliases: Vec<(String, Token)>,
}

/// A row of the key table.
#[derive(Clone)]
pub struct KeyEntry {
    /// Space of the subject's id.
    pub space: String,
    /// Token of the subject.
    pub token: Token,
    /// Class of the key.
    pub class: String,
    /// The key, or the fact that it was destroyed.
    pub row: KeyRow,
}

/// A store of subjects' keys.
pub trait SubjectKeys: Send + Sync {
    /// Returns the keys of each subject, in the order of `wants` and of their candidates. Missing
    /// keys are created first. All returned keys are durable when this returns.
    fn subjects(&self, wants: Vec<SubjectWant>) -> BoxFuture<'_, Result<Vec<Vec<KeyRow>>, StoreError>>;

    /// Returns the existing keys of one subject with their classes. Creates none.
    fn find(&self, space: String, token: Token) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>>;

    /// Returns the subjects that have this alias.
    fn resolve(&self, space: String, name: String, alias: Token) -> BoxFuture<'_, Result<Vec<Token>, StoreError>>;
}
