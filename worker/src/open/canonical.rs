//! The version of the canonical forms of a space, which the key store holds.

use lethe_core::identity::CanonicalVersion;
use lethe_stores::{Access, Bookkeeping, FilePosition, Progress};

use super::OpenError;

/// The mark that holds the version, in the progress of `space/<space>`. No pipeline has such a name.
const MARK: &str = "canonical";

/// Returns the version of a space. A space that is new to the key store gets the newest one. A space
/// that was in use before versions were recorded keeps the first: its persons have tokens of it.
pub(super) async fn version(
    store: &dyn Bookkeeping,
    space: &str,
    access: Access,
) -> Result<CanonicalVersion, OpenError> {
    let name = format!("space/{space}");
    // In this order: a run records the version before it registers a place.
    let in_use = store.places().await?.iter().any(|place| place.space == space);
    if let Some(number) = store.progress(name.clone()).await?.marks.get(MARK).map(|mark| mark.offset) {
        return CanonicalVersion::from_number(number).ok_or_else(|| {
            OpenError::Undeclared(format!(
                "the identifiers of the space {space:?} have canonical forms of version {number}, which this version \
                 of Lethe does not know; use the version that made them, or a later one"
            ))
        });
    }
    let version = if in_use { CanonicalVersion::V1 } else { CanonicalVersion::NEWEST };
    if access == Access::Create {
        let mark = FilePosition { offset: version.number(), fingerprint: None };
        let marks = [(MARK.to_owned(), mark)].into();
        store.commit(name, Progress { marks, ..Progress::default() }).await?;
    }
    Ok(version)
}
