//! The engine: it turns the bytes of an event into the records of the sinks.
//!
//! It works in two steps, because only the caller can fetch keys:
//!
//! 1. [`Engine::read`] walks the event and returns what it is: to be written, a deletion, denied,
//!    or rejected.
//! 2. [`Engine::write`], with the keys of its subject, cleans and protects each field once and
//!    appends a record for every sink.
//!
//! The output is a function of the event, the plan and the keys, and of nothing else.

mod action;
mod change;
mod detect_json;
mod document;
mod read;
mod tombstone_key;
mod view;
mod write;

pub use read::Identity;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use lethe_crds::profile_pipeline::Audience;

use crate::{
    detect::Detector,
    keys::{KeyRing, KeyRingError},
    pipeline::{ConsentRules, EventRules, Pipeline, SinkRules},
    plan::Plan,
    reason::Rejection,
    schema::SchemaError,
    seal,
    version::IdDigest,
    walk::Tape,
};
use action::{Action, each_once};
use view::View;

/// The largest event that is taken, in bytes.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

/// A compiled pipeline with its keys. Shared by threads; each has its own [`Scratch`].
pub struct Engine {
    plan: Plan,
    ring: Arc<KeyRing>,
    event: EventRules,
    consent: Option<ConsentRules>,
    revision: u8,
    region: Option<String>,
    actions: Vec<Action>,
    classes: Vec<Arc<str>>,
    views: Vec<View>,
    audiences: Vec<Audience>,
    sinks: Vec<SinkPlan>,
    /// For undeclared data.
    detector: Detector,
}

/// Why a pipeline cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Its schema is not valid.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The keys Secret lacks a key.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
}

/// A compiled sink.
struct SinkPlan {
    view: usize,
    max_age: Option<i64>,
}

/// One record of a source, as the engine reads it.
#[derive(Clone, Copy)]
pub struct Record<'r> {
    /// `topic|partition`, or the file's name.
    pub stream: &'r str,
    /// Its offset in the stream.
    pub offset: u64,
    /// The record's own timestamp, milliseconds since 1970; `None` if it has none.
    pub timestamp: Option<i64>,
    /// The record's key.
    pub key: Option<&'r [u8]>,
    /// The record's value; `None` is a tombstone.
    pub value: Option<&'r [u8]>,
}

/// What an event demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Write it.
    Write,
    /// Delete the profile.
    Delete,
}

/// What the engine read from an event that is to be processed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it demands.
    pub intent: Intent,
    /// Its time, milliseconds since 1970.
    pub time: i64,
    /// Its version.
    pub version: i64,
    /// The digest by which its id is remembered.
    pub digest: IdDigest,
}

/// The result of [`Engine::read`].
#[derive(Clone, PartialEq)]
pub enum Reading {
    /// It is to be processed.
    Process(Facts),
    /// Its subject has not given consent.
    Denied,
    /// It breaks a rule.
    Rejected(Rejection),
}

/// The outcome of an event at a sink, as far as the engine decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// A record was appended to the sink's batch.
    Appended,
    /// It is older than the sink's maximum age.
    Expired,
}

/// Buffers of one thread, reused for each event.
#[derive(Default)]
pub struct Scratch {
    tape: Tape,
    /// Id of the current event.
    id: String,
    /// Identifies its subject in a cache, aliases included. Never shown.
    who: Vec<u8>,
    readable: bool,
    /// Whether the subject is where only a deletion has it.
    deleted: bool,
    values: Vec<change::Output>,
    arena: Vec<u8>,
    text: String,
    seal: seal::Scratch,
    /// The nonces of the current event, for each class and audience; made when they are needed.
    nonces: Vec<[Option<seal::EventNonce>; 4]>,
    documents: Vec<std::ops::Range<usize>>,
    written: Vec<Written>,
}

impl Scratch {
    /// Returns the id of the event that was read last. It may be personal: not for logs.
    pub fn event_id(&self) -> &str {
        &self.id
    }

    /// Returns the outcome at each sink of the event that was written last.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// Forgets the event that was read last, because the next record is not read at all.
    pub fn forget(&mut self) {
        self.readable = false;
        self.deleted = false;
        self.id.clear();
        self.who.clear();
    }

    /// Returns the subject and aliases of the event that was read last, as its own bytes: a key for
    /// a cache. `None` if the event has no subject, for example because it is not JSON.
    pub fn who(&self) -> Option<&[u8]> {
        self.readable.then_some(&self.who)
    }
}

impl Engine {
    /// Compiles a checked pipeline. The ring must hold the keys of its audiences.
    pub fn new(pipeline: &Pipeline, ring: Arc<KeyRing>) -> Result<Self, EngineError> {
        let mut classes = Vec::new();
        let actions = (0..pipeline.fields.len()).map(|index| Action::new(index, pipeline, &mut classes)).collect();
        let mut views = Vec::new();
        let sinks = pipeline.sinks.iter().map(|sink| SinkPlan::new(sink, pipeline, &mut views)).collect();
        let audiences = each_once(views.iter().map(|view: &View| view.audience));
        ring.require(audiences.iter().copied())?;
        Ok(Self {
            plan: Plan::new(pipeline)?,
            ring,
            event: pipeline.event.clone(),
            consent: pipeline.consent.clone(),
            revision: pipeline.revision,
            region: pipeline.region.clone(),
            actions,
            classes,
            views,
            audiences,
            sinks,
            detector: Detector::new(&[]),
        })
    }

    /// Returns the key classes of the ciphers that a subject needs, in the order that
    /// [`Engine::write`] expects.
    pub fn classes(&self) -> &[Arc<str>] {
        &self.classes
    }

    /// Returns the audiences of the sinks, each once.
    pub fn audiences(&self) -> &[Audience] {
        &self.audiences
    }

    /// Returns the keys that it works with.
    pub fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// Returns the space of the subject's id.
    pub fn space(&self) -> &str {
        &self.event.space
    }
}

impl SinkPlan {
    fn new(sink: &SinkRules, pipeline: &Pipeline, views: &mut Vec<View>) -> Self {
        let view = View::new(sink, pipeline);
        let at = views.iter().position(|known| *known == view).unwrap_or_else(|| {
            views.push(view);
            views.len() - 1
        });
        Self { view: at, max_age: sink.max_age }
    }
}
