//! The transform thread: turns source records into records for each sink.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lethe_core::{
    dedupe::Dedupe,
    engine::{Engine, Facts, Reading, Record, Scratch, Written},
    outcome::Outcome,
    reason::{Reason, Rejection},
    record::{Incoming, IncomingBatch, OutgoingBatch},
    subject::Subject,
    version::IdDigest,
};
use lethe_stores::Letter;
use tokio::runtime::Handle;

use super::{
    Job, RunError, RunHandle,
    letters::{LetterSealer, RejectedRecord, Undelivered},
    message::SourceBatch,
    subjects::Subjects,
};
use crate::{
    clock::now,
    counts::{Counts, SinkCounts},
    observe::Heartbeat,
};

/// The thread is stuck if a batch takes longer, not counting waits for stores.
const DEADLINE: Duration = Duration::from_secs(60);

/// The rule of a record that the source has cut because it is too large.
pub(crate) const CUT_RULE: &str = "cut";

/// Events that a sink rejected after they were sent: stream, number of its assignment, and id.
pub(super) type RejectedIds = Arc<Mutex<Vec<(Arc<str>, u64, IdDigest)>>>;

/// A transformed batch.
pub struct Transformed {
    /// The batches it was made from.
    pub batches: Vec<SourceBatch>,
    /// Records for each sink.
    pub outgoing: Vec<OutgoingBatch>,
    /// For each source batch, the number of records per sink up to its end.
    pub ends: Vec<Vec<usize>>,
    /// Dead letters.
    pub letters: Vec<Letter>,
    /// Records that were dropped as duplicates: source batch, record in it, digest of the id.
    pub duplicates: Vec<(usize, usize, IdDigest)>,
    /// Ids of refused events that were forgotten before the batch was transformed.
    pub forgotten: u64,
    /// Outcomes that were decided before the batch was sent.
    pub counts: Counts,
}

/// Transforms batches on one thread.
pub struct Transformer {
    engine: Arc<Engine>,
    handle: Arc<RunHandle>,
    runtime: Handle,
    sinks: Vec<String>,
    /// Ids of delivered events, if the pipeline remembers them.
    dedupe: Option<Dedupe>,
    /// The number of the latest assignment of each stream. Ids of an earlier one are no longer
    /// valid: its batches may still be in flight, and be read again.
    assignments: HashMap<Arc<str>, u64>,
    /// The records at hand are of an earlier assignment of their stream.
    is_late: bool,
    rejected_ids: RejectedIds,
    /// Ids of that list that were forgotten so far.
    forgotten: u64,
    /// Records of the history that were not delivered: their ids are not remembered.
    undelivered: Undelivered,
    subjects: Subjects,
    sealer: LetterSealer,
    scratch: Scratch,
    /// Bytes and records of the last batch of each sink, as the capacity of the next one.
    last_sizes: Vec<(usize, usize)>,
    heartbeat: Heartbeat,
}

impl Transformer {
    /// Returns a transformer for a job.
    pub fn new(job: &Job, engine: Arc<Engine>, runtime: Handle, handle: Arc<RunHandle>) -> Self {
        Self {
            subjects: Subjects::new(job, Arc::clone(&engine), runtime.clone(), Arc::clone(&handle)),
            sealer: LetterSealer::new(job, Arc::clone(&engine), Arc::clone(&handle)),
            engine,
            heartbeat: handle.instruments.liveness.register("the transform thread", DEADLINE),
            handle,
            runtime,
            sinks: job.pipeline.sinks.iter().map(|sink| sink.name.clone()).collect(),
            dedupe: job.pipeline.dedupe.map(|rules| Dedupe::new(rules.window, rules.max_ids)),
            assignments: HashMap::new(),
            is_late: false,
            rejected_ids: RejectedIds::default(),
            forgotten: 0,
            undelivered: Undelivered::default(),
            scratch: Scratch::default(),
            last_sizes: vec![(0, 0); job.pipeline.sinks.len()],
        }
    }

    /// Returns the same transformer, but it leaves the key store unchanged. Its output must not be
    /// written.
    pub(crate) fn dry_run(self) -> Self {
        Self { subjects: self.subjects.dry_run(), ..self }
    }

    /// Remembers the ids of a batch that an earlier run delivered. Processes the records to reach
    /// the same verdicts, and discards the output. The id of a rejected event is not remembered, so
    /// that a corrected event passes.
    pub fn remember(&mut self, batch: &IncomingBatch, generation: u64) -> Result<(), RunError> {
        self.enter(&batch.stream, generation);
        if self.dedupe.is_none() || self.is_late {
            return Ok(());
        }
        let mut outgoing: Vec<OutgoingBatch> = self.sinks.iter().map(|_| OutgoingBatch::default()).collect();
        let now = now();
        self.heartbeat.beat();
        for (at, incoming) in batch.records.iter().enumerate() {
            if self.undelivered.contains(batch, incoming.offset) {
                continue;
            }
            let _verdict = self.process(batch, at, &record(batch, incoming), now, &mut outgoing)?;
            for written in &mut outgoing {
                written.bytes.clear();
                written.records.clear();
            }
        }
        self.report_metrics();
        Ok(())
    }

    /// Leaves these records out when [`Transformer::remember`] meets them.
    pub(super) fn leave_out(&mut self, records: Undelivered) {
        self.undelivered.extend(records);
    }

    /// Returns the list to which ids of events are added that a sink rejected. They may be sent
    /// again.
    pub(super) fn rejected_ids(&self) -> RejectedIds {
        Arc::clone(&self.rejected_ids)
    }

    /// Forgets the ids of revoked streams, unless they were assigned again.
    #[cfg(feature = "kafka")]
    pub(super) fn forget(&mut self, streams: &[(Arc<str>, u64)]) {
        for (stream, revoked) in streams {
            if self.assignments.get(stream).is_some_and(|current| current <= revoked) {
                self.assignments.remove(stream);
                self.undelivered.forget_stream(stream);
                if let Some(dedupe) = &mut self.dedupe {
                    dedupe.forget_stream(stream);
                }
            }
        }
    }

    /// Prepares for records of a stream. If it was assigned again, forgets the ids of the earlier
    /// assignment. Records of an earlier assignment are neither compared nor remembered: whether
    /// they become durable decides nothing about those that are read now.
    fn enter(&mut self, stream: &Arc<str>, generation: u64) {
        let Some(dedupe) = &mut self.dedupe else { return };
        let current = self.assignments.entry(Arc::clone(stream)).or_insert(generation);
        self.is_late = *current > generation;
        if *current < generation {
            *current = generation;
            dedupe.forget_stream(stream);
        }
    }

    /// Transforms batches in order.
    pub fn transform(&mut self, batches: Vec<SourceBatch>) -> Result<Transformed, RunError> {
        self.forget_rejected();
        let mut counts = Counts {
            sinks: self.sinks.iter().map(|sink| (sink.clone(), SinkCounts::default())).collect(),
            ..Counts::default()
        };
        let sized = |(bytes, records)| OutgoingBatch::with_room(bytes + bytes / 8, records + records / 8);
        let mut outgoing: Vec<OutgoingBatch> = self.last_sizes.iter().copied().map(sized).collect();
        let mut rejected = Vec::new();
        let mut duplicates = Vec::new();
        let mut ends = Vec::with_capacity(batches.len());
        let now = now();
        self.heartbeat.beat();
        for (of, SourceBatch { batch, commit_to }) in batches.iter().enumerate() {
            self.enter(&batch.stream, commit_to.generation());
            for (at, incoming) in batch.records.iter().enumerate() {
                let record = record(batch, incoming);
                counts.events += 1;
                counts.bytes += record.value.map_or(0, <[u8]>::len) as u64;
                match self.process(batch, at, &record, now, &mut outgoing)? {
                    Ok(Outcome::Delivered) => {
                        for (sink, written) in self.sinks.iter().zip(self.scratch.written()) {
                            // Appended records are counted by the answer of their sink.
                            if let (Written::Expired, Some(counts)) = (written, counts.sinks.get_mut(sink)) {
                                counts.add(Outcome::Expired, 1);
                            }
                        }
                    }
                    Ok(outcome) => {
                        if outcome == Outcome::Duplicate {
                            duplicates.push((of, at, self.id_digest()));
                        }
                        counts.everywhere(outcome);
                    }
                    Err(rejection) => rejected.push(self.rejected_record(batch, at, rejection)),
                }
            }
            ends.push(outgoing.iter().map(|batch| batch.records.len()).collect());
        }
        self.last_sizes = outgoing.iter().map(|batch| (batch.bytes.len(), batch.records.len())).collect();
        self.heartbeat.pause();
        let sealed = self.runtime.block_on(self.sealer.seal(&rejected, now))?;
        for (record, letter) in rejected.iter().zip(&sealed) {
            match letter {
                Some(_) => counts.reject(record.reason()),
                None => counts.everywhere(Outcome::Fenced),
            }
        }
        let letters = sealed.into_iter().flatten().collect();
        self.handle.instruments.metrics.read(counts.events, counts.bytes);
        self.report_metrics();
        Ok(Transformed { batches, outgoing, ends, letters, duplicates, forgotten: self.forgotten, counts })
    }

    /// Updates the metrics, and pauses the heartbeat until the next batch.
    fn report_metrics(&mut self) {
        self.subjects.report_metrics();
        let metrics = &self.handle.instruments.metrics;
        metrics.dedupe_ids(self.dedupe.as_ref().map_or(0, Dedupe::len));
        self.heartbeat.pause();
    }

    fn forget_rejected(&mut self) {
        let rejected = std::mem::take(&mut *self.rejected_ids.lock().unwrap_or_else(PoisonError::into_inner));
        self.forgotten += rejected.len() as u64;
        for (stream, generation, id) in rejected {
            if self.assignments.get(&stream).is_some_and(|current| *current == generation) {
                self.forget_id(&stream, &id);
            }
        }
    }

    /// Transforms the record at `at`. A rejection makes no dead letter. `Delivered` means that a
    /// record was appended to the batches of the sinks that [`Transformer::written`] names.
    pub(crate) fn transform_one(
        &mut self,
        batch: &IncomingBatch,
        at: usize,
        now: i64,
        outgoing: &mut [OutgoingBatch],
    ) -> Result<Result<Outcome, Rejection>, RunError> {
        self.process(batch, at, &record(batch, &batch.records[at]), now, outgoing)
    }

    /// Returns what was written of the last record, for each sink.
    pub(crate) fn written(&self) -> &[Written] {
        self.scratch.written()
    }

    /// Returns the digest of the last record's id.
    pub(crate) fn id_digest(&self) -> IdDigest {
        IdDigest::of(self.scratch.event_id().as_bytes())
    }

    /// Forgets an id whose event was not delivered after all.
    pub(crate) fn forget_id(&mut self, stream: &str, id: &IdDigest) {
        if let Some(dedupe) = &mut self.dedupe {
            dedupe.forget(stream, id);
        }
    }

    /// Returns whether the last record, although rejected, belongs to a subject whose keys were
    /// destroyed.
    pub(crate) fn is_erased(&mut self, batch: &IncomingBatch, at: usize) -> Result<bool, RunError> {
        if self.scratch.who().is_none() {
            return Ok(false);
        }
        match self.engine.identify(&record(batch, &batch.records[at]), &mut self.scratch) {
            Ok(identity) => Ok(self.subjects.is_erased(identity.token)?),
            Err(_) => Ok(false),
        }
    }

    /// Processes one record. `Delivered` means that it was appended to the sinks' batches.
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
            let rule = (reason == Reason::TooLarge).then_some(CUT_RULE);
            return Ok(Err(Rejection { rule, ..Rejection::whole(reason) }));
        }
        let facts = match self.engine.read(record, now, &mut self.scratch) {
            Reading::Process(facts) => facts,
            Reading::Denied => return Ok(Ok(Outcome::Denied)),
            Reading::Rejected(rejection) => return Ok(Err(rejection)),
        };
        let subject = match self.scratch.who() {
            Some(who) => self.subjects.resolve(who, batch, at, now, &self.heartbeat)?,
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
        if let Some(dedupe) = &self.dedupe
            && !self.is_late
            && dedupe.seen(&batch.stream, &facts.digest)
        {
            return Ok(Outcome::Duplicate);
        }
        self.engine.write(record, facts, subject, now, &mut self.scratch, outgoing)?;
        // An event that is too old for every sink was not delivered.
        if let Some(dedupe) = self.dedupe.as_mut().filter(|_| !self.is_late)
            && self.scratch.written().contains(&Written::Appended)
        {
            dedupe.remember(&batch.stream, &facts.digest, facts.time);
        }
        Ok(Outcome::Delivered)
    }

    /// Returns the data for a dead letter of the last record.
    fn rejected_record(&mut self, batch: &IncomingBatch, at: usize, rejection: Rejection) -> RejectedRecord {
        let identity = match self.scratch.who() {
            Some(_) => self.engine.identify(&record(batch, &batch.records[at]), &mut self.scratch).ok(),
            None => None,
        };
        RejectedRecord::new(batch, at, rejection, identity)
    }
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
