//! Bookkeeping of pipelines: offsets of file sources, and the register of places.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use lethe_core::place::{FormError, Place};

use crate::{Fault, StoreError};

/// The committed offsets of a pipeline's files, and the marks of its sinks at that commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Next byte to read (uncompressed), by file name.
    pub offsets: BTreeMap<String, u64>,
    /// Marks of the sinks that have one, by sink name.
    pub marks: BTreeMap<String, u64>,
}

/// A register that contains a place of a later version is refused as a whole. Without the
/// unreadable place it would list too little personal data.
impl From<FormError> for Fault {
    fn from(error: FormError) -> Self {
        Self::internal(error.to_string())
    }
}

/// A store of bookkeeping.
pub trait Bookkeeping: Send + Sync {
    /// Returns the committed progress of `pipeline` (`<namespace>.<name>`); empty if there is none.
    fn progress(&self, pipeline: String) -> BoxFuture<'_, Result<Progress, StoreError>>;

    /// Commits progress. Entries that are absent from `progress` keep their value.
    fn commit(&self, pipeline: String, progress: Progress) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Deletes the progress of a pipeline: `run --from-start`.
    fn forget(&self, pipeline: String) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Adds places to the register. Idempotent. A writer calls this before its first write.
    fn register(&self, pipeline: String, places: Vec<Place>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Returns every place that was ever registered, each once, in order. Fails if the form of a
    /// place is unknown to this version.
    fn places(&self) -> BoxFuture<'_, Result<Vec<Place>, StoreError>>;
}
