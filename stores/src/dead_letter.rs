//! Where events go that can't be processed. They come sealed; this is only where they lie.

use std::borrow::Cow;

use futures::future::BoxFuture;
use lethe_core::{keys::WrappedKey, record::Position, who::Token};

use crate::StoreError;

/// With which key a dead letter is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterKey {
    /// The subject's own key of class `dead-letter`, so that an erasure takes the letter along.
    Subject(Token),
    /// The key of a UTC day, `2026-11-21`.
    Day(String),
}

/// A dead letter. Nothing in it is readable but codes, declared paths and names of sinks.
#[derive(Clone)]
pub struct Letter {
    /// `HMAC(root, position)`: the same when the record is read again.
    pub key: [u8; 32],
    /// `<namespace>.<name>` of the pipeline.
    pub pipeline: String,
    /// Where the record stood.
    pub position: Position,
    /// Reason code. Owned when it was read back: another version of Lethe may have written it.
    pub reason: Cow<'static, str>,
    /// The rule that was broken.
    pub rule: Option<Cow<'static, str>>,
    /// Declared path.
    pub path: Option<String>,
    /// Sinks that lack the event.
    pub sinks: Vec<String>,
    /// With which key the original is sealed.
    pub sealed_by: LetterKey,
    /// The original record, sealed.
    pub sealed: Vec<u8>,
}

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

/// Where dead letters lie.
pub trait DeadLetters: Send + Sync {
    /// The key of a day: `candidate` if there is none yet; `None` if it was destroyed.
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

    /// Writes letters that are not there yet (by key). Durable when it returns.
    fn write(&self, letters: Vec<Letter>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Up to `limit` letters of a pipeline after `after` (by key), not yet redriven.
    fn list(
        &self,
        pipeline: String,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Letter>, StoreError>>;

    /// Removes letters that were redriven.
    fn remove(&self, pipeline: String, keys: Vec<[u8; 32]>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Destroys the day keys of days before `before` and removes their letters; answers how many
    /// letters were never redriven.
    fn expire(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>>;
}
