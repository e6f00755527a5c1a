//! The transform thread: from records of a source to records for each sink.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lethe_core::{
    dedupe::Dedupe,
    engine::{Engine, Facts, Identity, Reading, Record, Scratch, Written},
    outcome::Outcome,
    pipeline::DedupeRules,
    reason::{Reason, Rejection},
    record::{Incoming, IncomingBatch, OutgoingBatch},
    subject::{Subject, SubjectCache},
    version::IdDigest,
};
use lethe_crds::profile_pipeline::Audience;
use lethe_stores::{Vault, dead_letter::Letter, key_store::KeyRow};
use tokio::runtime::Handle;

use super::{
    Counts, Job, RunError, SinkCounts, Watch,
    letters::{LetterSealer, Refused},
    part::Part,
    subjects::{Absent, fetch_patiently},
};
use crate::{clock::now, observe::Heart};

/// Subjects whose keys are kept at hand, at most: about 1 KiB each.
const CACHED_SUBJECTS: usize = 100_000;
/// The thread is stuck when a batch takes longer, waiting for stores aside.
const STUCK: Duration = Duration::from_secs(60);

/// Ids of events that a sink refused after they had set out, with their streams.
pub(super) type Refusals = Arc<Mutex<Vec<(Arc<str>, IdDigest)>>>;

/// A batch on its way to the sinks.
pub struct Transformed {
    /// What it was made of, with whom to tell.
    pub parts: Vec<Part>,
    /// Records for each sink.
    pub outgoing: Vec<OutgoingBatch>,
    /// For each part the number of records of each sink up to its end.
    pub ends: Vec<Vec<usize>>,
    /// Dead letters.
    pub letters: Vec<Letter>,
    /// What was decided before any sink saw it.
    pub counts: Counts,
}

/// Transforms batches. One a thread.
pub struct Transformer {
    engine: Arc<Engine>,
    vault: Arc<dyn Vault>,
    watch: Arc<Watch>,
    runtime: Handle,
    audiences: Vec<Audience>,
    sinks: Vec<String>,
    dedupe_rules: Option<DedupeRules>,
    dedupe: HashMap<Arc<str>, Dedupe>,
    refused: Refusals,
    subjects: SubjectCache,
    sealer: LetterSealer,
    absent: Absent,
    scratch: Scratch,
    ahead: Scratch,
    /// Bytes and records of the last batch of each sink: about as many are to come.
    room: Vec<(usize, usize)>,
    /// Subjects of this batch that were at hand, and that were not.
    found: (u64, u64),
    heart: Heart,
}

impl Transformer {
    /// Makes one for a job.
    pub fn new(job: &Job, engine: Arc<Engine>, runtime: Handle, watch: Arc<Watch>) -> Self {
        Self {
            audiences: engine.audiences().to_vec(),
            sealer: LetterSealer::new(job, Arc::clone(&engine), Arc::clone(&watch)),
            engine,
            vault: Arc::clone(&job.vault),
            heart: watch.shown.pulse.heart("the thread that transforms", STUCK),
            watch,
            runtime,
            sinks: job.pipeline.sinks.iter().map(|sink| sink.name.clone()).collect(),
            dedupe_rules: job.pipeline.dedupe,
            dedupe: HashMap::new(),
            refused: Refusals::default(),
            subjects: SubjectCache::new(CACHED_SUBJECTS),
            absent: Absent::Make,
            scratch: Scratch::default(),
            ahead: Scratch::default(),
            room: vec![(0, 0); job.pipeline.sinks.len()],
            found: (0, 0),
        }
    }

    /// The same, but the key store stays as it is: what it writes is for nobody.
    pub(crate) fn dry(self) -> Self {
        Self { absent: Absent::Imagine, ..self }
    }

    /// Remembers the ids of a batch that an earlier run delivered: the same verdict again, and what
    /// it writes is for nobody. An event that was rejected is not remembered, so that its correction
    /// passes.
    pub fn remember(&mut self, batch: &IncomingBatch) -> Result<(), RunError> {
        if self.dedupe_rules.is_none() {
            return Ok(());
        }
        let mut outgoing: Vec<OutgoingBatch> = self.sinks.iter().map(|_| OutgoingBatch::default()).collect();
        let now = now();
        self.heart.beat();
        for (at, incoming) in batch.records.iter().enumerate() {
            let _verdict = self.process(batch, at, &record(batch, incoming), now, &mut outgoing)?;
            for written in &mut outgoing {
                written.bytes.clear();
                written.records.clear();
            }
        }
        self.tell();
        Ok(())
    }

    /// Where sinks say which events they refused: those ids may come again.
    pub(super) fn refusals(&self) -> Refusals {
        Arc::clone(&self.refused)
    }

    /// Forgets the ids of streams that went to somebody else.
    #[cfg(feature = "kafka")]
    pub(super) fn forget(&mut self, streams: &[Arc<str>]) {
        for stream in streams {
            self.dedupe.remove(stream);
        }
    }

    /// Transforms parts, in their order.
    pub fn transform(&mut self, parts: Vec<Part>) -> Result<Transformed, RunError> {
        self.forget_refused();
        let mut counts = Counts {
            sinks: self.sinks.iter().map(|sink| (sink.clone(), SinkCounts::default())).collect(),
            ..Counts::default()
        };
        let roomy = |(bytes, records)| OutgoingBatch::with_room(bytes + bytes / 8, records + records / 8);
        let mut outgoing: Vec<OutgoingBatch> = self.room.iter().copied().map(roomy).collect();
        let mut refused = Vec::new();
        let mut ends = Vec::with_capacity(parts.len());
        let now = now();
        self.heart.beat();
        for Part { batch, .. } in &parts {
            for (at, incoming) in batch.records.iter().enumerate() {
                let record = record(batch, incoming);
                counts.events += 1;
                counts.bytes += record.value.map_or(0, <[u8]>::len) as u64;
                match self.process(batch, at, &record, now, &mut outgoing)? {
                    Ok(Outcome::Delivered) => {
                        for (sink, written) in self.sinks.iter().zip(self.scratch.written()) {
                            // What was appended is counted by what its sink answers.
                            if let (Written::Expired, Some(counts)) = (written, counts.sinks.get_mut(sink)) {
                                counts.add(Outcome::Expired, 1);
                            }
                        }
                    }
                    Ok(outcome) => counts.everywhere(outcome),
                    Err(rejection) => refused.push(self.refuse(&record, rejection)),
                }
            }
            ends.push(outgoing.iter().map(|batch| batch.records.len()).collect());
        }
        self.room = outgoing.iter().map(|batch| (batch.bytes.len(), batch.records.len())).collect();
        self.heart.rest();
        let sealed = self.runtime.block_on(self.sealer.seal(&refused, now))?;
        for (one, letter) in refused.iter().zip(&sealed) {
            match letter {
                Some(_) => counts.reject(one.reason()),
                None => counts.everywhere(Outcome::Fenced),
            }
        }
        let letters = sealed.into_iter().flatten().collect();
        self.watch.shown.metrics.read(counts.events, counts.bytes);
        self.tell();
        Ok(Transformed { parts, outgoing, ends, letters, counts })
    }

    /// Shows how it went, and that it waits for the next batch.
    fn tell(&mut self) {
        let (hits, misses) = std::mem::take(&mut self.found);
        let metrics = &self.watch.shown.metrics;
        metrics.subjects(self.subjects.len(), hits, misses);
        metrics.dedupe_ids(self.dedupe.values().map(Dedupe::len).sum());
        self.heart.rest();
    }

    fn forget_refused(&mut self) {
        let refused = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        for (stream, id) in refused {
            if let Some(dedupe) = self.dedupe.get_mut(&stream) {
                dedupe.forget(&id);
            }
        }
    }

    /// Transforms the record at `at` alone, and makes no dead letter of it. `Delivered` means that
    /// it was appended to the batches of the sinks that [`Transformer::written`] names.
    pub(crate) fn one(
        &mut self,
        batch: &IncomingBatch,
        at: usize,
        now: i64,
        outgoing: &mut [OutgoingBatch],
    ) -> Result<Result<Outcome, Rejection>, RunError> {
        self.process(batch, at, &record(batch, &batch.records[at]), now, outgoing)
    }

    /// What became of the record that was just written, at each sink.
    pub(crate) fn written(&self) -> &[Written] {
        self.scratch.written()
    }

    /// Whether the record that was just read is of somebody whose keys were destroyed, although it
    /// was rejected.
    pub(crate) fn is_erased(&mut self, batch: &IncomingBatch, at: usize) -> Result<bool, RunError> {
        if self.scratch.who().is_none() {
            return Ok(false);
        }
        let Ok(identity) = self.engine.identify(&record(batch, &batch.records[at]), &mut self.scratch) else {
            return Ok(false);
        };
        let entries = self.runtime.block_on(self.vault.find(self.engine.space().to_owned(), identity.token))?;
        Ok(entries.iter().any(|entry| entry.row == KeyRow::Shredded))
    }

    /// What becomes of one record; `Delivered` means that it was appended to the sinks' batches.
    fn process(
        &mut self,
        batch: &IncomingBatch,
        at: usize,
        record: &Record<'_>,
        now: i64,
        outgoing: &mut [OutgoingBatch],
    ) -> Result<Result<Outcome, Rejection>, RunError> {
        if let Some(reason) = batch.records[at].unreadable {
            self.scratch.forget();
            return Ok(Err(Rejection::whole(reason)));
        }
        let facts = match self.engine.read(record, &mut self.scratch) {
            Reading::Process(facts) => facts,
            Reading::Denied => return Ok(Ok(Outcome::Denied)),
            Reading::Rejected(rejection) => return Ok(Err(rejection)),
        };
        let Some(subject) = self.subject(batch, at)? else {
            return Ok(Err(Rejection::whole(Reason::SubjectInvalid)));
        };
        if subject.is_shredded() {
            return Ok(Ok(Outcome::Fenced));
        }
        Ok(self.write(batch, record, facts, &subject, now, outgoing))
    }

    fn write(
        &mut self,
        batch: &IncomingBatch,
        record: &Record<'_>,
        facts: Facts,
        subject: &Subject,
        now: i64,
        outgoing: &mut [OutgoingBatch],
    ) -> Result<Outcome, Rejection> {
        let mut dedupe = self.dedupe_rules.map(|rules| dedupe(&mut self.dedupe, rules, &batch.stream));
        if let Some(dedupe) = &dedupe
            && dedupe.seen(&facts.digest)
        {
            return Ok(Outcome::Duplicate);
        }
        self.engine.write(record, facts, subject, now, &mut self.scratch, outgoing)?;
        if let Some(dedupe) = &mut dedupe {
            dedupe.remember(&facts.digest, facts.time);
        }
        Ok(Outcome::Delivered)
    }

    /// The subject of the record at `at`, which was just read. Where the cache lacks it, the rest
    /// of the batch is looked through, so that all new subjects cost one question.
    fn subject(&mut self, batch: &IncomingBatch, at: usize) -> Result<Option<Arc<Subject>>, RunError> {
        let Some(who) = self.scratch.who() else { return Ok(None) };
        if let Some(subject) = self.subjects.get(who) {
            self.found.0 += 1;
            return Ok(Some(subject));
        }
        self.found.1 += 1;
        let (keys, wants) = self.unknown(batch, at);
        self.heart.rest();
        let fetched = self.runtime.block_on(fetch_patiently(
            &self.watch,
            &*self.vault,
            self.engine.ring(),
            self.engine.space(),
            self.engine.classes(),
            &self.audiences,
            &wants,
            self.absent,
        ))?;
        self.heart.beat();
        for (key, subject) in keys.iter().zip(fetched) {
            self.subjects.insert(key, Arc::new(subject));
        }
        let who = self.scratch.who().unwrap_or_default();
        Ok(self.subjects.get(who))
    }

    /// Subjects of the rest of a batch that the cache lacks.
    fn unknown(&mut self, batch: &IncomingBatch, from: usize) -> (Vec<Vec<u8>>, Vec<Identity>) {
        let mut seen = HashSet::new();
        let mut keys = Vec::new();
        let mut wants = Vec::new();
        for incoming in batch.records[from..].iter().filter(|incoming| incoming.unreadable.is_none()) {
            let record = record(batch, incoming);
            let Reading::Process(_) = self.engine.read(&record, &mut self.ahead) else { continue };
            let Some(who) = self.ahead.who() else { continue };
            if seen.contains(who) || self.subjects.get(who).is_some() {
                continue;
            }
            let who = who.to_vec();
            if let Ok(identity) = self.engine.identify(&record, &mut self.ahead) {
                keys.push(who.clone());
                wants.push(identity);
            }
            seen.insert(who);
        }
        (keys, wants)
    }

    /// What a dead letter of the record that was just read needs to know.
    fn refuse(&mut self, record: &Record<'_>, rejection: Rejection) -> Refused {
        let identity = match self.scratch.who() {
            Some(_) => self.engine.identify(record, &mut self.scratch).ok(),
            None => None,
        };
        Refused::new(record, rejection, identity)
    }
}

fn dedupe<'d>(all: &'d mut HashMap<Arc<str>, Dedupe>, rules: DedupeRules, stream: &Arc<str>) -> &'d mut Dedupe {
    all.entry(Arc::clone(stream)).or_insert_with(|| Dedupe::new(rules.window, rules.max_ids))
}

pub(super) fn record<'b>(batch: &'b IncomingBatch, incoming: &Incoming) -> Record<'b> {
    Record {
        stream: &batch.stream,
        offset: incoming.offset,
        timestamp: incoming.timestamp,
        key: incoming.key.clone().map(|range| &batch.bytes[range]),
        value: incoming.value.clone().map(|range| &batch.bytes[range]),
    }
}
