//! Storage of dead letters: events that can't be processed. Callers seal the events first.

use std::borrow::Cow;

use futures::future::BoxFuture;
use lethe_core::{identity::Token, record::Position};

use crate::StoreError;

/// The key that a dead letter is sealed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterKey {
    /// The subject's own key of class `dead-letter`. An erasure of the subject destroys it, and the
    /// letter with it.
    Subject(Token),
    /// The key of a UTC day, e.g. `2026-11-21`.
    Day(String),
}

/// A dead letter. Only codes, declared paths and names of sinks are readable.
#[derive(Clone)]
pub struct Letter {
    /// `HMAC(root, pipeline, position, content, sinks)`. The same rejection always gets the same
    /// key, also when the record is read again.
    pub key: [u8; 32],
    /// `<namespace>.<name>` of the pipeline.
    pub pipeline: String,
    /// Position of the record in its source.
    pub position: Position,
    /// Reason code. It is owned if it was read back, because another version of Lethe may have
    /// written it.
    pub reason: Cow<'static, str>,
    /// The rule that the record violated.
    pub rule: Option<Cow<'static, str>>,
    /// The declared path at which the rule was violated.
    pub path: Option<String>,
    /// Names of the sinks that did not receive the event.
    pub sinks: Vec<String>,
    /// The key that the original record is sealed with.
    pub sealed_by: LetterKey,
    /// The sealed original record.
    pub sealed: Vec<u8>,
    /// The same letter with the start of the record only, for a store that can't take all of it.
    /// `None` if the record is short, or if the letter was read back.
    pub cut: Option<Vec<u8>>,
}

/// A store of dead letters.
pub trait DeadLetters: Send + Sync {
    /// Writes the letters whose key is not stored. The letters are durable when this returns. A
    /// letter that was removed may be written again: its record was rejected again.
    fn write(&self, letters: Vec<Letter>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Returns up to `limit` letters of a pipeline that were not redriven yet. `after` is the key
    /// of the last letter of the previous page; `None` starts at the first letter.
    fn list(
        &self,
        pipeline: String,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Letter>, StoreError>>;

    /// Removes letters that were redriven, as they were listed last. A letter that was written again
    /// since may stay.
    fn remove(&self, pipeline: String, keys: Vec<[u8; 32]>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes the letters that are sealed with day keys of days before `before`. These keys are
    /// already destroyed. Returns how many of the letters were never redriven.
    fn expire(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>>;
}
