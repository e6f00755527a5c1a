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

/// Cached subjects, at most. Each takes about 1 KiB, and its key in the cache at most 256 bytes.
const CACHE_SIZE: usize = 100_000;

/// A cache of subjects in front of the key store.
pub(super) struct Subjects {
    engine: Arc<Engine>,
    vault: Arc<dyn Vault>,
    handle: Arc<RunHandle>,
    runtime: Handle,
    missing: MissingKey,
    known: KnownSubjects,
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
            known: KnownSubjects::new(),
            hits: 0,
            misses: 0,
        }
    }

    /// Returns the same resolver, but it leaves the key store unchanged.
    pub(super) fn dry_run(self) -> Self {
        Self { missing: MissingKey::Simulate, ..self }
    }

    /// Returns the subject of the record at `at`, whose identifier is `who`; `None` if that has no
    /// canonical form. On a cache miss, looks through the rest of the batch and fetches all new
    /// subjects in one call. `now` is what the record was read with. Pauses the heartbeat during
    /// that call.
    pub(super) fn resolve(
        &mut self,
        who: &[u8],
        batch: &IncomingBatch,
        at: usize,
        now: i64,
        heartbeat: &Heartbeat,
    ) -> Result<Option<Arc<Subject>>, KeyError> {
        if let Some(subject) = self.known.cache.get(who) {
            self.hits += 1;
            return Ok(Some(subject));
        }
        self.misses += 1;
        let (keys, wants) = self.known.look_ahead(&self.engine, batch, at, now);
        if wants.is_empty() {
            return Ok(None);
        }
        heartbeat.pause();
        let engine = &*self.engine;
        let spec = SubjectSpec { engine, classes: engine.classes(), audiences: engine.audiences() };
        let fetched = self.runtime.block_on(fetch_subjects(&self.handle, &*self.vault, &spec, &wants, self.missing))?;
        heartbeat.beat();
        let mut first = None;
        for (key, subject) in keys.iter().zip(fetched) {
            let subject = Arc::new(subject);
            // The record at `at` is the first; the cache may be too small to hold all of them.
            first.get_or_insert_with(|| Arc::clone(&subject));
            self.known.cache.insert(key, subject);
        }
        Ok(first)
    }

    /// Asks the key store whether a key of a subject was destroyed.
    pub(super) fn is_erased(&self, token: Token) -> Result<bool, KeyError> {
        let entries = self.runtime.block_on(self.vault.find(self.engine.space().to_owned(), token))?;
        Ok(entries.iter().any(|entry| entry.row == KeyRow::Shredded))
    }

    /// Updates the metrics of the cache.
    pub(super) fn report_metrics(&mut self) {
        let (hits, misses) = (std::mem::take(&mut self.hits), std::mem::take(&mut self.misses));
        self.handle.instruments.metrics.subjects(self.known.cache.len(), hits, misses);
    }
}

/// The subjects that need no request, and the search for those that do.
struct KnownSubjects {
    cache: SubjectCache,
    scratch: Scratch,
    /// Records that were read ahead.
    read_ahead: u64,
}

impl KnownSubjects {
    fn new() -> Self {
        Self { cache: SubjectCache::new(CACHE_SIZE), scratch: Scratch::default(), read_ahead: 0 }
    }

    /// Returns the subjects from a record on that are not cached, and their keys in the cache. Empty
    /// if the record's own subject has no canonical form: such a subject is never cached, so that
    /// each of its records would look through the whole batch.
    fn look_ahead(
        &mut self,
        engine: &Engine,
        batch: &IncomingBatch,
        from: usize,
        now: i64,
    ) -> (Vec<Vec<u8>>, Vec<Identity>) {
        let mut seen = HashSet::new();
        let mut keys = Vec::new();
        let mut wants = Vec::new();
        for incoming in batch.records[from..].iter().filter(|incoming| incoming.unreadable.is_none()) {
            let record = record(batch, incoming);
            self.read_ahead += 1;
            let Reading::Process(_) = engine.read(&record, now, &mut self.scratch) else { continue };
            let Some(who) = self.scratch.who() else { continue };
            if seen.contains(who) || self.cache.get(who).is_some() {
                continue;
            }
            let who = who.to_vec();
            match engine.identify(&record, &mut self.scratch) {
                Ok(identity) => {
                    keys.push(who.clone());
                    wants.push(identity);
                }
                Err(_) if seen.is_empty() => break,
                Err(_) => {}
            }
            seen.insert(who);
        }
        (keys, wants)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::record::Incoming;
    use lethe_crds::load::read_text;

    use super::*;
    use crate::open::{check, read_ring};

    const MANIFESTS: &str = r#"
apiVersion: v1
kind: Secret
type: lethe.dev/keys
metadata: {name: lethe-keys}
stringData: {root: "ROOT", master-1: "MASTER", audience-operational: "AUDIENCE"}
---
apiVersion: lethe.dev/v1alpha1
kind: DataStore
metadata: {name: store}
spec: {embedded: {path: out.sqlite}}
---
apiVersion: lethe.dev/v1alpha1
kind: ProfilePipeline
metadata: {name: people}
spec:
  source: {file: {path: events.ndjson, format: Ndjson}}
  event: {id: /id, time: /at, subject: {space: people, id: /user}}
  keys: {secretRef: {name: lethe-keys}, storeRef: {name: store}}
  fields: [{path: /note, category: user.content, protect: {encrypt: {}}}]
  sinks: [{name: people, audience: Operational, records: Latest, embedded: {storeRef: {name: store}, table: people}}]
  deadLetter: {keepFor: 7d, embedded: {storeRef: {name: store}}}
"#;

    fn engine() -> Engine {
        let keys = [("ROOT", "0a"), ("MASTER", "0b"), ("AUDIENCE", "0c")];
        let manifests =
            keys.iter().fold(MANIFESTS.to_owned(), |text, (name, byte)| text.replace(name, &byte.repeat(32)));
        let resources = read_text("all.yaml", &manifests).unwrap();
        let pipeline = check(&resources, resources.pipelines().next().unwrap()).unwrap().pipeline;
        let ring = read_ring(resources.secrets().next().unwrap()).unwrap();
        Engine::new(&pipeline, Arc::new(ring)).unwrap()
    }

    /// Looks ahead from each record of a batch, as if no key store answered. Returns how many
    /// records were read.
    fn records_read(ids: impl Iterator<Item = String>) -> u64 {
        let engine = engine();
        let (stream, incarnation) = (Arc::from("events"), Arc::from(""));
        let mut batch = IncomingBatch { stream, incarnation, bytes: vec![], records: vec![], next_offset: 0 };
        for id in ids {
            let start = batch.bytes.len();
            let event = format!(r#"{{"id":"e","at":"2026-03-01T10:00:00Z","user":"{id}"}}"#);
            batch.bytes.extend_from_slice(event.as_bytes());
            batch.records.push(Incoming {
                value: Some(start..batch.bytes.len()),
                key: None,
                offset: start as u64,
                timestamp: None,
                headers: Vec::new(),
                unreadable: None,
            });
        }
        let mut known = KnownSubjects::new();
        for at in 0..batch.records.len() {
            known.look_ahead(&engine, &batch, at, 1_790_000_000_000);
        }
        known.read_ahead
    }

    #[test]
    fn a_record_whose_subject_has_no_canonical_form_reads_no_other_record() {
        assert_eq!(records_read((0..10).map(|n| n.to_string())), 55, "each looks through the rest");
        let long = |n: usize| format!("{n}{}", "x".repeat(1_100));
        assert_eq!(records_read((0..1_000).map(long)), 1_000);
    }
}
