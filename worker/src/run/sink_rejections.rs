//! Dead letters of events that one sink rejected after they were sent to all. The other sinks hold
//! the event, and the letter names the sinks that lack it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
};

use lethe_core::{
    engine::{Engine, Reading, Scratch},
    reason::{Reason, Rejection},
    version::IdDigest,
};
use lethe_stores::Letter;

use super::{
    LetterError, Transformed,
    letters::{LetterSealer, RejectedRecord},
    message::SourceBatch,
    transform::{RejectedIds, record},
};
use crate::clock::now;

/// Seals records that sinks rejected.
pub(super) struct SinkRejections {
    engine: Arc<Engine>,
    sealer: LetterSealer,
    rejected_ids: RejectedIds,
    /// Stream, number of its assignment, and id of refused events, with the number of ids before
    /// them. Later records may have been dropped as their duplicates.
    refused: HashMap<(Arc<str>, u64, IdDigest), u64>,
    /// Ids that were added to `rejected_ids` so far.
    added: u64,
    scratch: Scratch,
}

impl SinkRejections {
    pub(super) fn new(engine: Arc<Engine>, sealer: LetterSealer, rejected_ids: RejectedIds) -> Self {
        Self { engine, sealer, rejected_ids, refused: HashMap::new(), added: 0, scratch: Scratch::default() }
    }

    /// Returns a letter for each rejection (index of the sink, index of its record, reason), or
    /// `None` if the subject was erased meanwhile. Rejections of one record by several sinks share
    /// one letter.
    pub(super) async fn seal(
        &mut self,
        transformed: &Transformed,
        rejected: &[(usize, usize, Rejection)],
    ) -> Result<Vec<Option<Letter>>, LetterError> {
        // By origin: index of the source batch, and of the record in it.
        let mut origins: BTreeMap<(usize, usize), (Vec<usize>, &Rejection)> = BTreeMap::new();
        let mut origin_of_rejection = Vec::with_capacity(rejected.len());
        for (sink, at, rejection) in rejected {
            let origin = find_origin(transformed, *sink, *at);
            origins.entry(origin).or_insert_with(|| (Vec::new(), rejection)).0.push(*sink);
            origin_of_rejection.push(origin);
        }
        let mut records = Vec::with_capacity(origins.len());
        for ((batch_index, at), (sinks, rejection)) in &origins {
            let SourceBatch { batch, commit_to } = &transformed.batches[*batch_index];
            let record = record(batch, &batch.records[*at]);
            // It was in time when it was read first, whatever the clock shows now.
            let reading = self.engine.read(&record, i64::MAX, &mut self.scratch);
            if let Reading::Process(facts) = &reading {
                let mut rejected_ids = self.rejected_ids.lock().unwrap_or_else(PoisonError::into_inner);
                let id = (Arc::clone(&batch.stream), commit_to.generation(), facts.digest);
                rejected_ids.push(id.clone());
                self.refused.insert(id, self.added);
                self.added += 1;
            }
            let identity = self.engine.identify(&record, &mut self.scratch).ok();
            records.push(RejectedRecord::new(batch, *at, (*rejection).clone(), identity).missing_in(sinks.clone()));
        }
        let sealed = self.sealer.seal(&records, now()).await?;
        let sealed: BTreeMap<_, _> = origins.keys().copied().zip(sealed).collect();
        Ok(origin_of_rejection.into_iter().map(|origin| sealed.get(&origin).cloned().flatten()).collect())
    }

    /// Returns a letter for each record of a batch that was dropped as the duplicate of an event
    /// that a sink refused: it may be the correction. `None` if the subject was erased.
    ///
    /// `forgotten` is how many refused ids every batch knew that is completed after this one.
    pub(super) async fn seal_duplicates(
        &mut self,
        transformed: &Transformed,
        forgotten: u64,
    ) -> Result<Vec<Option<Letter>>, LetterError> {
        let mut records = Vec::new();
        for (of, at, id) in &transformed.duplicates {
            let SourceBatch { batch, commit_to } = &transformed.batches[*of];
            let number = self.refused.get(&(Arc::clone(&batch.stream), commit_to.generation(), *id));
            if number.is_some_and(|number| *number >= transformed.forgotten) {
                let record = record(batch, &batch.records[*at]);
                let _ = self.engine.read(&record, i64::MAX, &mut self.scratch);
                let identity = self.engine.identify(&record, &mut self.scratch).ok();
                records.push(RejectedRecord::new(batch, *at, of_duplicate(), identity));
            }
        }
        self.refused.retain(|_, number| *number >= forgotten);
        if records.is_empty() { Ok(Vec::new()) } else { self.sealer.seal(&records, now()).await }
    }
}

/// The rejection of a duplicate whose original was refused. `dedupe` is the rule.
pub(super) fn of_duplicate() -> Rejection {
    Rejection { reason: Reason::SinkRefused, rule: Some("dedupe"), path: None }
}

/// Returns which source record a sink's record was made from: index of the source batch, and of the
/// record in it.
fn find_origin(transformed: &Transformed, sink: usize, at: usize) -> (usize, usize) {
    let batch_index = transformed.ends.iter().position(|ends| at < ends[sink]).unwrap_or(0);
    let offset = transformed.outgoing[sink].records[at].offset;
    let records = &transformed.batches[batch_index].batch.records;
    (batch_index, records.iter().position(|record| record.offset == offset).unwrap_or(0))
}
