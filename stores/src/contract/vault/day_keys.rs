//! Keys of days: what seals a dead letter whose subject can't be read. They lie in the key store, and
//! are destroyed by the day.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;

use crate::StoreError;

/// The key of a day, as it is wrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct DayKey {
    /// `<namespace>.<name>` of the pipeline.
    pub pipeline: String,
    /// The UTC day, `2026-11-21`.
    pub day: String,
    /// The key.
    pub key: WrappedKey,
}

/// Where keys of days lie.
pub trait DayKeys: Send + Sync {
    /// The key of a day: `candidate` if there is none yet, by a conditional write; `None` if it was
    /// destroyed.
    fn day_key(
        &self,
        pipeline: String,
        day: String,
        candidate: WrappedKey,
    ) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>>;

    /// The key of a day that has one; `None` if it has none or it was destroyed.
    fn find_day_key(&self, pipeline: String, day: String) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>>;

    /// Up to `limit` live keys of days, of all pipelines, that another master than `master` wraps.
    fn day_keys_wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DayKey>, StoreError>>;

    /// Number of live keys of days, of all pipelines, that this master wraps.
    fn count_day_keys_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Replaces the wrapping of keys of days whose wrapping is still the first of the pair; answers
    /// how many.
    fn rewrap_day_keys(&self, keys: Vec<(DayKey, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Destroys the keys of a pipeline's days before `before`; answers how many were live. A
    /// destroyed day gets no new key.
    fn destroy_day_keys(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>>;
}
