//! Processes one page of original records. Apart from the key store it has no side effects.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use lethe_core::{
    engine::{Engine, Written},
    letter::OwnedRecord,
    outcome::Outcome,
    reason::Reason,
    record::{Incoming, IncomingBatch, OutgoingBatch, Position},
};
use lethe_stores::{Letter, file::CUT};
use tokio::runtime::Handle;

use super::OpenedLetter;
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
}

/// The result of a page.
#[derive(Default)]
pub(super) struct PageResult {
    /// Records for each sink.
    pub(super) outgoing: Vec<OutgoingBatch>,
    /// Outcomes that were decided before the batch was sent, at the sinks that lack the record.
    pub(super) counts: Counts,
    /// Keys and offsets of the letters to remove once `outgoing` is delivered.
    pub(super) removed: Vec<([u8; 32], u64)>,
    /// Letters that were processed.
    pub(super) redriven: u64,
    /// Letters whose subject was erased.
    pub(super) fenced: u64,
}

impl Reprocessor {
    pub(super) fn new(job: Job, engine: Arc<Engine>, runtime: Handle, handle: Arc<RunHandle>, dry_run: bool) -> Self {
        Self { job, engine, runtime, handle, dry_run, transformers: BTreeMap::new() }
    }

    /// Processes a page in the order of the source. Blocks.
    pub(super) fn page(&mut self, mut page: Vec<OpenedLetter>) -> Result<PageResult, RunError> {
        page.sort_by(|a, b| {
            let key = |one: &OpenedLetter| {
                let Position { stream, incarnation, offset } = &one.letter.position;
                (Arc::clone(stream), Arc::clone(incarnation), *offset)
            };
            a.lacking.cmp(&b.lacking).then_with(|| key(a).cmp(&key(b)))
        });
        let sinks = self.job.pipeline.sinks.len();
        let mut result =
            PageResult { outgoing: (0..sinks).map(|_| OutgoingBatch::default()).collect(), ..PageResult::default() };
        let same = |a: &OpenedLetter, b: &OpenedLetter| {
            let (a_at, b_at) = (&a.letter.position, &b.letter.position);
            a.lacking == b.lacking && a_at.stream == b_at.stream && a_at.incarnation == b_at.incarnation
        };
        for chunk in page.chunk_by(same) {
            self.chunk(chunk, &mut result)?;
        }
        Ok(result)
    }

    /// Processes records of one stream that the same sinks lack.
    fn chunk(&mut self, chunk: &[OpenedLetter], result: &mut PageResult) -> Result<(), RunError> {
        let Some(OpenedLetter { lacking, .. }) = chunk.first() else { return Ok(()) };
        let transformer = self.transformers.entry(lacking.clone()).or_insert_with(|| {
            let transformer =
                Transformer::new(&self.job, Arc::clone(&self.engine), self.runtime.clone(), Arc::clone(&self.handle));
            if self.dry_run { transformer.dry_run() } else { transformer }
        });
        let names = || self.job.pipeline.sinks.iter().map(|sink| sink.name.as_str());
        let batch = batch(chunk);
        let now = now();
        for (at, OpenedLetter { letter, lacking, .. }) in chunk.iter().enumerate() {
            let answer = transformer.transform_one(&batch, at, now, &mut result.outgoing)?;
            let mut count_at_lacking = |outcome| {
                for (name, _) in names().zip(lacking).filter(|(_, lacking)| **lacking) {
                    count(&mut result.counts, name, outcome);
                }
            };
            match answer {
                Ok(Outcome::Delivered) => {
                    for (sink, (name, lacking)) in names().zip(lacking).enumerate() {
                        match (transformer.written()[sink], lacking) {
                            (Written::Appended, false) => {
                                result.outgoing[sink].records.pop();
                            }
                            (Written::Appended, true) if self.dry_run => {
                                count(&mut result.counts, name, Outcome::Delivered);
                            }
                            // Counted by the answer of the sink.
                            (Written::Appended, true) | (Written::Expired, false) => {}
                            (Written::Expired, true) => count(&mut result.counts, name, Outcome::Expired),
                        }
                    }
                    result.redriven += 1;
                }
                Ok(Outcome::Fenced) => result.fenced += 1,
                Ok(outcome) => {
                    count_at_lacking(outcome);
                    result.redriven += 1;
                }
                Err(_) if transformer.is_erased(&batch, at)? => result.fenced += 1,
                Err(rejection) => {
                    *result.counts.rejected.entry(rejection.reason.code()).or_default() += 1;
                    continue;
                }
            }
            result.removed.push((letter.key, letter.position.offset));
        }
        Ok(())
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
fn batch(chunk: &[OpenedLetter]) -> IncomingBatch {
    let mut bytes = Vec::new();
    let mut push = |part: &Vec<u8>| -> Range<usize> {
        let start = bytes.len();
        bytes.extend_from_slice(part);
        start..bytes.len()
    };
    let records = chunk
        .iter()
        .map(|OpenedLetter { letter, record, .. }| Incoming {
            value: record.value.as_ref().map(&mut push),
            key: record.key.as_ref().map(&mut push),
            headers: record.headers.iter().map(|(name, value)| (push(name), value.as_ref().map(&mut push))).collect(),
            offset: letter.position.offset,
            timestamp: record.timestamp,
            unreadable: unreadable(letter),
        })
        .collect();
    let position = chunk.first().map(|one| one.letter.position.clone());
    let (stream, incarnation) = position.map_or_else(Default::default, |at| (at.stream, at.incarnation));
    IncomingBatch { stream, incarnation, bytes, records, next_offset: 0 }
}

/// Returns the reason if the source itself could not read the record. Such a letter holds raw
/// bytes and no event. No change of the manifest makes them readable.
fn unreadable(letter: &Letter) -> Option<Reason> {
    [Reason::RowLength, Reason::NotCsv].into_iter().find(|known| known.code() == letter.reason)
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
