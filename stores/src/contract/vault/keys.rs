//! Subjects' keys, and their aliases.

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

/// Where subjects' keys are stored.
pub trait SubjectKeys: Send + Sync {
    /// The keys of each subject, in the order of `wants` and of their candidates. What was absent
    /// is made first, and is durable when this returns.
    fn subjects(&self, wants: Vec<SubjectWant>) -> BoxFuture<'_, Result<Vec<Vec<KeyRow>>, StoreError>>;

    /// The keys of one subject that are there, with their classes. Makes none.
    fn find(&self, space: String, token: Token) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>>;

    /// Subjects that an alias leads to.
    fn resolve(&self, space: String, name: String, alias: Token) -> BoxFuture<'_, Result<Vec<Token>, StoreError>>;
}
