//! The transform thread: from records of a source to records for each sink.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lethe_core::{
    dedupe::Dedupe,
    engine::{Engine, Facts, Reading, Record, Scratch, Written},
    outcome::Outcome,
    pipeline::DedupeRules,
    reason::{Reason, Rejection},
    record::{Incoming, IncomingBatch, OutgoingBatch},
    subject::Subject,
    version::IdDigest,
};
use lethe_stores::dead_letter::Letter;
use tokio::runtime::Handle;

use super::{
    Counts, Job, RunError, SinkCounts, Watch,
    letters::{LetterSealer, Refused},
    part::Part,
    subjects::Subjects,
};
use crate::{clock::now, observe::Heart};

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
    watch: Arc<Watch>,
    runtime: Handle,
    sinks: Vec<String>,
    dedupe_rules: Option<DedupeRules>,
    dedupe: HashMap<Arc<str>, Dedupe>,
    refused: Refusals,
    subjects: Subjects,
    sealer: LetterSealer,
    scratch: Scratch,
    /// Bytes and records of the last batch of each sink: about as many are to come.
    room: Vec<(usize, usize)>,
    heart: Heart,
}

impl Transformer {
    /// Makes one for a job.
    pub fn new(job: &Job, engine: Arc<Engine>, runtime: Handle, watch: Arc<Watch>) -> Self {
        Self {
            subjects: Subjects::new(job, Arc::clone(&engine), runtime.clone(), Arc::clone(&watch)),
            sealer: LetterSealer::new(job, Arc::clone(&engine), Arc::clone(&watch)),
            engine,
            heart: watch.shown.pulse.heart("the thread that transforms", STUCK),
            watch,
            runtime,
            sinks: job.pipeline.sinks.iter().map(|sink| sink.name.clone()).collect(),
            dedupe_rules: job.pipeline.dedupe,
            dedupe: HashMap::new(),
            refused: Refusals::default(),
            scratch: Scratch::default(),
            room: vec![(0, 0); job.pipeline.sinks.len()],
        }
    }

    /// The same, but the key store stays as it is: what it writes is for nobody.
    pub(crate) fn dry(self) -> Self {
        Self { subjects: self.subjects.dry(), ..self }
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
        self.subjects.tell();
        let metrics = &self.watch.shown.metrics;
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
        match self.engine.identify(&record(batch, &batch.records[at]), &mut self.scratch) {
            Ok(identity) => Ok(self.subjects.is_erased(identity.token)?),
            Err(_) => Ok(false),
        }
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
        let subject = match self.scratch.who() {
            Some(who) => self.subjects.of(who, batch, at, &self.heart)?,
            None => None,
        };
        let Some(subject) = subject else {
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
