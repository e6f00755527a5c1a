//! What a pipeline must remember beside its data: offsets of file sources, and the register of places.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::StoreError;

/// How far a pipeline has read a file, and what its sinks had written by then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Byte offset (uncompressed) from which to go on, by file name.
    pub offsets: BTreeMap<String, u64>,
    /// Marks of sinks that have one, by sink name.
    pub marks: BTreeMap<String, u64>,
}

/// A place that holds personal data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the DataStore, or `file`.
    pub store: String,
    /// Table, topic, collection or path.
    pub name: String,
    /// Space of its subjects.
    pub space: String,
    /// How subjects are found in it: `Reference:<audience>`, `Token`, `Sealed`.
    pub form: String,
}

/// What a pipeline must remember beside its data.
pub trait Bookkeeping: Send + Sync {
    /// How far `pipeline` (`<namespace>.<name>`) has come.
    fn progress(&self, pipeline: String) -> BoxFuture<'_, Result<Progress, StoreError>>;

    /// Remembers how far it has come; what is absent from `progress` stays as it was.
    fn commit(&self, pipeline: String, progress: Progress) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Forgets how far it has come: `run --from-start`.
    fn forget(&self, pipeline: String) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Adds places to the register; idempotent. A writer does this before its first write.
    fn register(&self, pipeline: String, places: Vec<Place>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Every place that was ever registered.
    fn places(&self) -> BoxFuture<'_, Result<Vec<Place>, StoreError>>;
}
