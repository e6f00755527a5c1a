//! Processes one page of original records. Apart from the key store it has no side effects.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use lethe_core::{
    engine::{Engine, Written},
    letter::OwnedRecord,
    outcome::Outcome,
    reason::Reason,
    record::{Incoming, IncomingBatch, OutgoingBatch, Position},
    version::IdDigest,
};
use lethe_stores::{Letter, file::CUT};
use tokio::runtime::Handle;

use super::{OpenedRecord, Refused, Verdict};
use crate::{
    clock::now,
    counts::{Counts, SinkCounts},
    run::{CUT_RULE, Job, RunError, RunHandle, Transformer},
};

/// Processes original records again.
pub(super) struct Reprocessor {
    /// Has no sinks: the caller holds them.
    job: Job,
    engine: Arc<Engine>,
    runtime: Handle,
    handle: Arc<RunHandle>,
    dry_run: bool,
    /// One transformer per set of sinks that lack a record. An id that this redrive delivered to
    /// some sinks is then no duplicate for the others.
    transformers: BTreeMap<Vec<bool>, Transformer>,
    /// Digests of the ids of the last page's records, as far as they were read.
    ids: Vec<Option<IdDigest>>,
}

/// The result of a page.
#[derive(Default)]
pub(super) struct PageResult {
    /// The records, in the order in which they were processed.
    pub(super) records: Vec<OpenedRecord>,
    /// What became of each.
    pub(super) verdicts: Vec<Verdict>,
    /// What is to be written to each sink.
    pub(super) outgoing: Vec<OutgoingBatch>,
    /// For each sink, the indices of the records that `outgoing` was made from.
    pub(super) origins: Vec<Vec<usize>>,
    /// Outcomes of parts of records that are decided at single sinks.
    pub(super) counts: Counts,
}

impl Reprocessor {
    pub(super) fn new(job: Job, engine: Arc<Engine>, runtime: Handle, handle: Arc<RunHandle>, dry_run: bool) -> Self {
        Self { job, engine, runtime, handle, dry_run, transformers: BTreeMap::new(), ids: Vec::new() }
    }

    /// Processes a page in the order of the source. Blocks.
    pub(super) fn page(&mut self, mut page: Vec<OpenedRecord>) -> Result<PageResult, RunError> {
        let key = |one: &OpenedRecord| {
            let Position { stream, incarnation, offset } = &one.position;
            (Arc::clone(stream), Arc::clone(incarnation), *offset)
        };
        page.sort_by(|a, b| a.lacking.cmp(&b.lacking).then_with(|| key(a).cmp(&key(b))));
        let sinks = self.job.pipeline.sinks.len();
        let mut result = PageResult {
            outgoing: (0..sinks).map(|_| OutgoingBatch::default()).collect(),
            origins: vec![Vec::new(); sinks],
            ..PageResult::default()
        };
        let same = |a: &OpenedRecord, b: &OpenedRecord| {
            let (a_at, b_at) = (&a.position, &b.position);
            a.lacking == b.lacking && a_at.stream == b_at.stream && a_at.incarnation == b_at.incarnation
        };
        self.ids.clear();
        for chunk in page.chunk_by(same) {
            self.chunk(chunk, &mut result)?;
        }
        result.records = page;
        Ok(result)
    }

    /// Processes records of one stream that the same sinks lack.
    fn chunk(&mut self, chunk: &[OpenedRecord], result: &mut PageResult) -> Result<(), RunError> {
        let Some(OpenedRecord { lacking, .. }) = chunk.first() else { return Ok(()) };
        if !lacking.contains(&true) {
            // Another letter of each record was processed in this redrive.
            result.verdicts.extend(chunk.iter().map(|_| Verdict::Processed(Outcome::Delivered)));
            self.ids.extend(chunk.iter().map(|_| None));
            return Ok(());
        }
        let transformer = self.transformers.entry(lacking.clone()).or_insert_with(|| {
            let transformer =
                Transformer::new(&self.job, Arc::clone(&self.engine), self.runtime.clone(), Arc::clone(&self.handle));
            if self.dry_run { transformer.dry_run() } else { transformer }
        });
        let names = || self.job.pipeline.sinks.iter().map(|sink| sink.name.as_str());
        let batch = batch(chunk);
        let now = now();
        for at in 0..chunk.len() {
            let answer = transformer.transform_one(&batch, at, now, &mut result.outgoing)?;
            let mut id = None;
            let verdict = match answer {
                Ok(outcome) => {
                    id = Some(transformer.id_digest());
                    if outcome == Outcome::Delivered {
                        for (sink, (name, lacking)) in names().zip(lacking).enumerate() {
                            match (transformer.written()[sink], lacking) {
                                (Written::Appended, false) => {
                                    result.outgoing[sink].records.pop();
                                }
                                (Written::Appended, true) => {
                                    result.origins[sink].push(result.verdicts.len());
                                    // Else counted by the answer of the sink.
                                    if self.dry_run {
                                        count(&mut result.counts, name, Outcome::Delivered);
                                    }
                                }
                                (Written::Expired, false) => {}
                                (Written::Expired, true) => count(&mut result.counts, name, Outcome::Expired),
                            }
                        }
                    }
                    Verdict::Processed(outcome)
                }
                Err(_) if transformer.is_erased(&batch, at)? => Verdict::Processed(Outcome::Fenced),
                Err(rejection) => Verdict::Rejected(rejection.reason.code()),
            };
            result.verdicts.push(verdict);
            self.ids.push(id);
        }
        Ok(())
    }

    /// Forgets the ids of records that a sink rejected, and adds the records that were dropped as
    /// their duplicates: they were not delivered either.
    pub(super) fn add_repeats(
        &mut self,
        records: &[OpenedRecord],
        verdicts: &[Verdict],
        refused: &mut BTreeMap<usize, Refused>,
    ) {
        if refused.is_empty() {
            return;
        }
        let of = |at: usize, id: IdDigest| (records[at].lacking.clone(), Arc::clone(&records[at].position.stream), id);
        let mut ids = HashMap::new();
        for (at, Refused { code, .. }) in refused.iter() {
            let Some(id) = self.ids[*at] else { continue };
            let OpenedRecord { lacking, position, .. } = &records[*at];
            if let Some(transformer) = self.transformers.get_mut(lacking) {
                transformer.forget_id(&position.stream, &id);
            }
            ids.insert(of(*at, id), *code);
        }
        for (at, verdict) in verdicts.iter().enumerate() {
            if let (Verdict::Processed(Outcome::Duplicate), Some(id)) = (verdict, self.ids[at])
                && let Some(code) = ids.get(&of(at, id))
            {
                refused.insert(at, Refused { code, sinks: (0..records[at].lacking.len()).collect() });
            }
        }
    }
}

/// Counts an outcome at the sinks that lack a record.
pub(super) fn count_at_lacking(counts: &mut Counts, names: &[String], one: &OpenedRecord, outcome: Outcome) {
    for (name, _) in names.iter().zip(&one.lacking).filter(|(_, lacking)| **lacking) {
        count(counts, name, outcome);
    }
}

fn count(counts: &mut Counts, sink: &str, outcome: Outcome) {
    match counts.sinks.get_mut(sink) {
        Some(counts) => counts.add(outcome, 1),
        None => {
            let mut first = SinkCounts::default();
            first.add(outcome, 1);
            counts.sinks.insert(sink.to_owned(), first);
        }
    }
}

/// Returns the original records as a batch of the source.
fn batch(chunk: &[OpenedRecord]) -> IncomingBatch {
    let mut bytes = Vec::new();
    let mut push = |part: &Vec<u8>| -> Range<usize> {
        let start = bytes.len();
        bytes.extend_from_slice(part);
        start..bytes.len()
    };
    let records = chunk
        .iter()
        .map(|OpenedRecord { position, reason, record, .. }| Incoming {
            value: record.value.as_ref().map(&mut push),
            key: record.key.as_ref().map(&mut push),
            headers: record.headers.iter().map(|(name, value)| (push(name), value.as_ref().map(&mut push))).collect(),
            offset: position.offset,
            timestamp: record.timestamp,
            unreadable: unreadable(reason),
        })
        .collect();
    let position = chunk.first().map(|one| one.position.clone());
    let (stream, incarnation) = position.map_or_else(Default::default, |at| (at.stream, at.incarnation));
    IncomingBatch { stream, incarnation, bytes, records, next_offset: 0 }
}

/// Returns the reason if the source itself could not read the record. Such a letter holds raw
/// bytes and no event. No change of the manifest makes them readable.
fn unreadable(reason: &str) -> Option<Reason> {
    [Reason::RowLength, Reason::NotCsv].into_iter().find(|known| known.code() == reason)
}

/// Returns whether a letter holds only the start of its record. A record that was too large to be
/// written is whole, and may be redriven. Earlier versions recorded no rule.
pub(super) fn is_cut(letter: &Letter, record: &OwnedRecord) -> bool {
    let is_short = || record.value.as_ref().is_some_and(|value| value.len() <= CUT);
    letter.reason == Reason::TooLarge.code()
        && match letter.rule.as_deref() {
            Some(rule) => rule == CUT_RULE,
            None => is_short(),
        }
}
