//! Bookkeeping of pipelines: offsets of file sources, and the register of places.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use lethe_core::place::{FormError, Place};

use crate::{Fault, StoreError};

/// A position in a file, and what the file holds before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePosition {
    /// Number of bytes before the position. Of a file that is read, uncompressed ones.
    pub offset: u64,
    /// Fingerprint of the bytes before the position, below 2^63. `None` if a version of Lethe
    /// without fingerprints stored the position.
    pub fingerprint: Option<u64>,
}

/// The committed offsets of a pipeline's files, and the marks of its sinks at that commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Next byte to read, by file name.
    pub offsets: BTreeMap<String, FilePosition>,
    /// Marks of the sinks that have one, by sink name.
    pub marks: BTreeMap<String, FilePosition>,
}

/// What a number of a progress is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressKind {
    Offset,
    Mark,
}

impl ProgressKind {
    pub(crate) const ALL: [Self; 2] = [Self::Offset, Self::Mark];

    /// Returns the kind as tables name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Offset => "offset",
            Self::Mark => "mark",
        }
    }
}

/// Follows the name of a file or sink in the name of its fingerprint. Versions of Lethe without
/// fingerprints take such an entry for a file or sink that doesn't exist.
const FINGERPRINT: &str = "\u{1f}fingerprint";

impl Progress {
    /// Returns the progress as numbers, each with its kind and name. Fails if a number is 2^63 or
    /// more, which no store can hold.
    pub(crate) fn entries(&self) -> Result<Vec<(ProgressKind, String, i64)>, Fault> {
        let mut entries = Vec::new();
        for (kind, positions) in [(ProgressKind::Offset, &self.offsets), (ProgressKind::Mark, &self.marks)] {
            let number = |number: u64| {
                let too_large = |_| Fault::internal(format!("an {} of 2^63 or more can't be kept", kind.name()));
                i64::try_from(number).map_err(too_large)
            };
            for (name, position) in positions {
                entries.push((kind, name.clone(), number(position.offset)?));
                if let Some(fingerprint) = position.fingerprint {
                    entries.push((kind, format!("{name}{FINGERPRINT}"), number(fingerprint)?));
                }
            }
        }
        Ok(entries)
    }

    /// Returns the progress that consists of these entries. A fingerprint without a position is left
    /// out.
    pub(crate) fn of_entries(entries: Vec<(ProgressKind, String, i64)>) -> Self {
        let mut progress = Self::default();
        let (prints, positions): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(_, name, _)| name.ends_with(FINGERPRINT));
        for (kind, name, number) in positions {
            let position = FilePosition { offset: number.unsigned_abs(), fingerprint: None };
            progress.positions(kind).insert(name, position);
        }
        for (kind, name, number) in prints {
            let name = name.strip_suffix(FINGERPRINT).unwrap_or_default();
            if let Some(position) = progress.positions(kind).get_mut(name) {
                position.fingerprint = Some(number.unsigned_abs());
            }
        }
        progress
    }

    fn positions(&mut self, kind: ProgressKind) -> &mut BTreeMap<String, FilePosition> {
        match kind {
            ProgressKind::Offset => &mut self.offsets,
            ProgressKind::Mark => &mut self.marks,
        }
    }
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
