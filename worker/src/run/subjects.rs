//! Who the records of a batch are about: from a cache, and else from the key store.

use std::{collections::HashSet, sync::Arc};

use lethe_core::{
    engine::{Engine, Identity, Reading, Scratch},
    identity::Token,
    record::IncomingBatch,
    subject::{Subject, SubjectCache},
};
use lethe_stores::{Vault, key_store::KeyRow};
use tokio::runtime::Handle;

use super::{
    Job, KeyError, Watch,
    subject_keys::{Absent, Needs, fetch_subjects},
    transform::record,
};
use crate::observe::Heart;

/// Subjects whose keys are kept at hand, at most: about 1 KiB each.
const CACHED: usize = 100_000;

/// Subjects met lately, and the way to the others.
pub(super) struct Subjects {
    engine: Arc<Engine>,
    vault: Arc<dyn Vault>,
    watch: Arc<Watch>,
    runtime: Handle,
    absent: Absent,
    cache: SubjectCache,
    scratch: Scratch,
    /// How often one was at hand since this was last told, and how often not.
    hits: u64,
    misses: u64,
}

impl Subjects {
    pub(super) fn new(job: &Job, engine: Arc<Engine>, runtime: Handle, watch: Arc<Watch>) -> Self {
        Self {
            engine,
            vault: Arc::clone(&job.vault),
            watch,
            runtime,
            absent: Absent::Make,
            cache: SubjectCache::new(CACHED),
            scratch: Scratch::default(),
            hits: 0,
            misses: 0,
        }
    }

    /// The same, but the key store stays as it is.
    pub(super) fn dry(self) -> Self {
        Self { absent: Absent::Imagine, ..self }
    }

    /// The subject of the record at `at`, in which `who` was read. Where it is not at hand, the rest of the
    /// batch is looked through, so that all new subjects cost one question; the heart rests until it is answered.
    pub(super) fn of(
        &mut self,
        who: &[u8],
        batch: &IncomingBatch,
        at: usize,
        heart: &Heart,
    ) -> Result<Option<Arc<Subject>>, KeyError> {
        if let Some(subject) = self.cache.get(who) {
            self.hits += 1;
            return Ok(Some(subject));
        }
        self.misses += 1;
        let (keys, wants) = self.unknown(batch, at);
        heart.rest();
        let engine = &*self.engine;
        let needs = Needs { engine, classes: engine.classes(), audiences: engine.audiences() };
        let fetched = self.runtime.block_on(fetch_subjects(&self.watch, &*self.vault, &needs, &wants, self.absent))?;
        heart.beat();
        for (key, subject) in keys.iter().zip(fetched) {
            self.cache.insert(key, Arc::new(subject));
        }
        Ok(self.cache.get(who))
    }

    /// Subjects of the rest of a batch that are not at hand.
    fn unknown(&mut self, batch: &IncomingBatch, from: usize) -> (Vec<Vec<u8>>, Vec<Identity>) {
        let mut seen = HashSet::new();
        let mut keys = Vec::new();
        let mut wants = Vec::new();
        for incoming in batch.records[from..].iter().filter(|incoming| incoming.unreadable.is_none()) {
            let record = record(batch, incoming);
            let Reading::Process(_) = self.engine.read(&record, &mut self.scratch) else { continue };
            let Some(who) = self.scratch.who() else { continue };
            if seen.contains(who) || self.cache.get(who).is_some() {
                continue;
            }
            let who = who.to_vec();
            if let Ok(identity) = self.engine.identify(&record, &mut self.scratch) {
                keys.push(who.clone());
                wants.push(identity);
            }
            seen.insert(who);
        }
        (keys, wants)
    }

    /// Whether somebody's keys were destroyed; the key store is asked.
    pub(super) fn is_erased(&self, token: Token) -> Result<bool, KeyError> {
        let entries = self.runtime.block_on(self.vault.find(self.engine.space().to_owned(), token))?;
        Ok(entries.iter().any(|entry| entry.row == KeyRow::Shredded))
    }

    /// Shows how many are at hand, and how often one was.
    pub(super) fn tell(&mut self) {
        let (hits, misses) = (std::mem::take(&mut self.hits), std::mem::take(&mut self.misses));
        self.watch.shown.metrics.subjects(self.cache.len(), hits, misses);
    }
}
