//! What a sink's place holds about one subject, read and not changed.

use futures::future::BoxFuture;
use lethe_core::identity::Reference;

use crate::StoreError;

/// A record as it lies in a store. Its document may hold personal data: it has no Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The event's id, as the sink's audience sees it; empty where the place keeps none.
    pub event_id: String,
    /// The event's time, RFC 3339; empty where the place keeps none.
    pub event_time: String,
    /// When it expires, RFC 3339.
    pub expires_at: Option<String>,
    /// When an event said that the profile is deleted, RFC 3339: a marker, without a document.
    pub deleted_at: Option<String>,
    /// The record, a JSON object.
    pub document: Option<String>,
}

/// A place whose records can be looked up by subject.
pub trait Records: Send + Sync {
    /// Records of a subject, oldest first; `None` where the place is not there.
    fn records_of(&self, subject: Reference) -> BoxFuture<'_, Result<Option<Vec<StoredRecord>>, StoreError>>;
}
