//! What a pipeline must remember beside its data: offsets of file sources, and the register of places.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use lethe_core::place::{FormError, Place};

use crate::{Fault, StoreError};

/// How far a pipeline has read a file, and what its sinks had written by then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Byte offset (uncompressed) from which to go on, by file name.
    pub offsets: BTreeMap<String, u64>,
    /// Marks of sinks that have one, by sink name.
    pub marks: BTreeMap<String, u64>,
}

/// A register that a later version has written to is refused as a whole: without the place that
/// cannot be read, it would list less personal data than there is.
impl From<FormError> for Fault {
    fn from(error: FormError) -> Self {
        Self::internal(error.to_string())
    }
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

    /// Returns every place that was ever registered, each once, in order. Fails if one of them has a
    /// form that this version does not know.
    fn places(&self) -> BoxFuture<'_, Result<Vec<Place>, StoreError>>;
}
