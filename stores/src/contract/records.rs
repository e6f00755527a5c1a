//! Read access to the records that a sink has stored about one subject.

use futures::future::BoxFuture;
use lethe_core::identity::Reference;

use crate::StoreError;

/// A record as it is stored. The document may hold personal data, so this type has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Event id as the sink's audience sees it; empty if the sink stores none.
    pub event_id: String,
    /// Event time, RFC 3339; empty if the sink stores none.
    pub event_time: String,
    /// Expiry, RFC 3339.
    pub expires_at: Option<String>,
    /// Set on the marker of a deleted profile: the time of the deleting event, RFC 3339. A marker
    /// has no document.
    pub deleted_at: Option<String>,
    /// The record as a JSON object.
    pub document: Option<String>,
}

/// A table or collection that can be searched by subject.
pub trait Records: Send + Sync {
    /// Returns the records of a subject, oldest first, or `None` if the table or collection does
    /// not exist.
    fn records_of(&self, subject: Reference) -> BoxFuture<'_, Result<Option<Vec<StoredRecord>>, StoreError>>;
}
