//! Dead letters of events that a sink refused after they had set out: the other sinks hold them, and
//! the letter names the one that doesn't.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use lethe_core::{
    engine::{Engine, Reading, Scratch},
    reason::Rejection,
};
use lethe_stores::dead_letter::Letter;

use super::{
    LetterError, Transformed,
    letters::{LetterSealer, Refused},
    transform::{Refusals, record},
};
use crate::clock::now;

/// Seals what sinks refused.
pub(super) struct LateLetters {
    engine: Arc<Engine>,
    sealer: LetterSealer,
    refusals: Refusals,
    scratch: Scratch,
}

impl LateLetters {
    pub(super) fn new(engine: Arc<Engine>, sealer: LetterSealer, refusals: Refusals) -> Self {
        Self { engine, sealer, refusals, scratch: Scratch::default() }
    }

    /// A letter for each refusal (index of the sink, index of its record, why), or `None` where the
    /// subject was erased meanwhile. What several sinks refused of one record is one letter.
    pub(super) async fn seal(
        &mut self,
        of: &Transformed,
        refused: &[(usize, usize, Rejection)],
    ) -> Result<Vec<Option<Letter>>, LetterError> {
        // By place in the source: part and index of the record.
        let mut places: BTreeMap<(usize, usize), (Vec<usize>, &Rejection)> = BTreeMap::new();
        let mut of_refusal = Vec::with_capacity(refused.len());
        for (sink, at, rejection) in refused {
            let place = place(of, *sink, *at);
            places.entry(place).or_insert_with(|| (Vec::new(), rejection)).0.push(*sink);
            of_refusal.push(place);
        }
        let mut records = Vec::with_capacity(places.len());
        for ((part, at), (sinks, rejection)) in &places {
            let batch = &of.parts[*part].batch;
            let record = record(batch, &batch.records[*at]);
            let reading = self.engine.read(&record, &mut self.scratch);
            if let Reading::Process(facts) = &reading {
                let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
                refusals.push((Arc::clone(&batch.stream), facts.digest));
            }
            let identity = self.engine.identify(&record, &mut self.scratch).ok();
            records.push(Refused::new(&record, (*rejection).clone(), identity).lacking(sinks.clone()));
        }
        let sealed = self.sealer.seal(&records, now()).await?;
        let sealed: BTreeMap<_, _> = places.keys().copied().zip(sealed).collect();
        Ok(of_refusal.into_iter().map(|place| sealed.get(&place).cloned().flatten()).collect())
    }
}

/// Where the record of a sink's batch came from.
fn place(of: &Transformed, sink: usize, at: usize) -> (usize, usize) {
    let part = of.ends.iter().position(|ends| at < ends[sink]).unwrap_or(0);
    let offset = of.outgoing[sink].records[at].offset;
    let records = &of.parts[part].batch.records;
    (part, records.iter().position(|record| record.offset == offset).unwrap_or(0))
}
