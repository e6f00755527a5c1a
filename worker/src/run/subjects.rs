//! Resolves the subjects of a batch's records: from a cache, or else from the key store.

use std::{collections::HashSet, sync::Arc};

use lethe_core::{
    engine::{Engine, Identity, Reading, Scratch},
    identity::Token,
    record::IncomingBatch,
    subject::{Subject, SubjectCache},
};
use lethe_stores::{KeyRow, Vault};
use tokio::runtime::Handle;

use super::{
    Job, KeyError, RunHandle,
    subject_keys::{MissingKey, SubjectSpec, fetch_subjects},
    transform::record,
};
use crate::observe::Heartbeat;

/// Cached subjects, at most. Each takes about 1 KiB.
const CACHE_SIZE: usize = 100_000;

/// A cache of subjects in front of the key store.
pub(super) struct Subjects {
    engine: Arc<Engine>,
    vault: Arc<dyn Vault>,
    handle: Arc<RunHandle>,
    runtime: Handle,
    missing: MissingKey,
    cache: SubjectCache,
    scratch: Scratch,
    /// Cache hits and misses since the last report.
    hits: u64,
    misses: u64,
}

impl Subjects {
    pub(super) fn new(job: &Job, engine: Arc<Engine>, runtime: Handle, handle: Arc<RunHandle>) -> Self {
        Self {
            engine,
            vault: Arc::clone(&job.vault),
            handle,
            runtime,
            missing: MissingKey::Create,
            cache: SubjectCache::new(CACHE_SIZE),
            scratch: Scratch::default(),
            hits: 0,
            misses: 0,
        }
    }

    /// Returns the same resolver, but it leaves the key store unchanged.
    pub(super) fn dry_run(self) -> Self {
        Self { missing: MissingKey::Simulate, ..self }
    }

    /// Returns the subject of the record at `at`, whose identifier is `who`. On a cache miss, looks
    /// through the rest of the batch and fetches all new subjects in one call. `now` is what the
    /// record was read with. Pauses the heartbeat during that call.
    pub(super) fn resolve(
        &mut self,
        who: &[u8],
        batch: &IncomingBatch,
        at: usize,
        now: i64,
        heartbeat: &Heartbeat,
    ) -> Result<Option<Arc<Subject>>, KeyError> {
        if let Some(subject) = self.cache.get(who) {
            self.hits += 1;
            return Ok(Some(subject));
        }
        self.misses += 1;
        let (keys, wants) = self.uncached(batch, at, now);
        heartbeat.pause();
        let engine = &*self.engine;
        let spec = SubjectSpec { engine, classes: engine.classes(), audiences: engine.audiences() };
        let fetched = self.runtime.block_on(fetch_subjects(&self.handle, &*self.vault, &spec, &wants, self.missing))?;
        heartbeat.beat();
        for (key, subject) in keys.iter().zip(fetched) {
            self.cache.insert(key, Arc::new(subject));
        }
        Ok(self.cache.get(who))
    }

    /// Returns the subjects of the rest of a batch that are not cached.
    fn uncached(&mut self, batch: &IncomingBatch, from: usize, now: i64) -> (Vec<Vec<u8>>, Vec<Identity>) {
        let mut seen = HashSet::new();
        let mut keys = Vec::new();
        let mut wants = Vec::new();
        for incoming in batch.records[from..].iter().filter(|incoming| incoming.unreadable.is_none()) {
            let record = record(batch, incoming);
            let Reading::Process(_) = self.engine.read(&record, now, &mut self.scratch) else { continue };
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

    /// Asks the key store whether a key of a subject was destroyed.
    pub(super) fn is_erased(&self, token: Token) -> Result<bool, KeyError> {
        let entries = self.runtime.block_on(self.vault.find(self.engine.space().to_owned(), token))?;
        Ok(entries.iter().any(|entry| entry.row == KeyRow::Shredded))
    }

    /// Updates the metrics of the cache.
    pub(super) fn report_metrics(&mut self) {
        let (hits, misses) = (std::mem::take(&mut self.hits), std::mem::take(&mut self.misses));
        self.handle.instruments.metrics.subjects(self.cache.len(), hits, misses);
    }
}
