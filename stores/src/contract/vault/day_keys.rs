//! Day keys. A day key seals the dead letters of one day whose subject can't be read. Day keys are
//! stored in the key store and destroyed day by day.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;

use crate::StoreError;

/// A wrapped day key.
#[derive(Clone, PartialEq, Eq)]
pub struct DayKey {
    /// `<namespace>.<name>` of the pipeline.
    pub pipeline: String,
    /// The UTC day, e.g. `2026-11-21`.
    pub day: String,
    /// The wrapped key.
    pub key: WrappedKey,
}

/// A store of day keys.
pub trait DayKeys: Send + Sync {
    /// Returns the key of a day. If the day has none yet, stores `candidate` by a conditional write
    /// and returns it. Returns `None` if the key was destroyed.
    fn day_key(
        &self,
        pipeline: String,
        day: String,
        candidate: WrappedKey,
    ) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>>;

    /// Returns the key of a day, or `None` if it has none or the key was destroyed.
    fn find_day_key(&self, pipeline: String, day: String) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>>;

    /// Returns up to `limit` live day keys of all pipelines that are wrapped by any master but
    /// `master`.
    fn day_keys_wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DayKey>, StoreError>>;

    /// Returns the number of live day keys of all pipelines that are wrapped by this master.
    fn count_day_keys_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Replaces each first key of a pair by the second, unless the stored wrapping has changed
    /// meanwhile. Returns how many keys were replaced.
    fn rewrap_day_keys(&self, keys: Vec<(DayKey, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Destroys the day keys of a pipeline for all days before `before`. Returns how many were
    /// live. A destroyed day never gets a new key.
    fn destroy_day_keys(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>>;
}
