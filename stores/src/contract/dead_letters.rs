//! Where events go that can't be processed. They come sealed; this is only where they lie.

use std::borrow::Cow;

use futures::future::BoxFuture;
use lethe_core::{identity::Token, record::Position};

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

/// Where dead letters lie.
pub trait DeadLetters: Send + Sync {
    /// Writes letters that are not there yet (by key). Durable when it returns.
    fn write(&self, letters: Vec<Letter>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Up to `limit` letters of a pipeline after `after`, not yet redriven. `None` begins anew;
    /// else it is the key of the last letter of the page before.
    fn list(
        &self,
        pipeline: String,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Letter>, StoreError>>;

    /// Removes letters that were redriven.
    fn remove(&self, pipeline: String, keys: Vec<[u8; 32]>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes the letters that keys of days before `before` sealed, which are destroyed already;
    /// answers how many were never redriven.
    fn expire(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>>;
}
