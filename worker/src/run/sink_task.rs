//! One task a sink: it writes batches in their order, and those that have gathered while it wrote
//! as one, so that a slow store is asked less often and a record that is replaced is not written.

use std::{sync::Arc, time::Instant};

use lethe_core::record::{Body, OutgoingBatch};
use lethe_stores::{Answer, Sink, StoreError};
use tokio::sync::mpsc;

use super::{Transformed, Watch, patience::Patience};

/// Records that are written as one, at most, where several batches wait.
const MERGED: usize = 4_000;

/// A batch for a sink: its number in the run, and all of it.
pub(super) type Job = (u64, Arc<Transformed>);

/// What a sink says of a batch.
pub(super) struct Done {
    pub(super) batch: u64,
    pub(super) sink: usize,
    pub(super) answers: Result<Vec<Answer>, StoreError>,
    /// The sink's mark after it.
    pub(super) mark: Option<u64>,
}

/// Serves one sink until there are no more batches, or an error that time won't cure.
pub(super) async fn serve(
    at: usize,
    name: String,
    mut sink: Box<dyn Sink>,
    mut jobs: mpsc::Receiver<Job>,
    done: mpsc::UnboundedSender<Done>,
    watch: Arc<Watch>,
) {
    let mut group: Vec<Job> = Vec::new();
    while let Some(first) = jobs.recv().await {
        let size = |job: &Job| job.1.outgoing[at].records.len();
        let mut records = size(&first);
        group.push(first);
        // A sink with a mark is committed batch by batch.
        while sink.mark().is_none() && records < MERGED {
            let Ok(next) = jobs.try_recv() else { break };
            records += size(&next);
            group.push(next);
        }
        let begun = Instant::now();
        let answers = match group.as_slice() {
            [(_, one)] => write(&name, sink.as_mut(), &one.outgoing[at], &watch).await,
            several => write(&name, sink.as_mut(), &merged(several, at), &watch).await,
        };
        let mark = sink.mark();
        if let Some(metrics) = watch.shown.metrics.sink(at) {
            metrics.answered(records, begun.elapsed());
        }
        match answers {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for (batch, of) in group.drain(..) {
                    let answers = answers.by_ref().take(of.outgoing[at].records.len()).collect();
                    if done.send(Done { batch, sink: at, answers: Ok(answers), mark }).is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                let batch = group.first().map_or(0, |(batch, _)| *batch);
                let _ = done.send(Done { batch, sink: at, answers: Err(error), mark });
                return;
            }
        }
    }
}

/// Writes a batch, however often it takes.
pub(super) async fn write(
    name: &str,
    sink: &mut dyn Sink,
    batch: &OutgoingBatch,
    watch: &Watch,
) -> Result<Vec<Answer>, StoreError> {
    if batch.records.is_empty() {
        return Ok(Vec::new());
    }
    let mut patience = Patience::new(name, watch);
    loop {
        match patience.watched(sink.write(batch)).await {
            Ok(answers) => {
                patience.resumed();
                return Ok(answers);
            }
            Err(error) => {
                patience.wait(error).await?;
                if sink.repeats() {
                    watch.shown.sent_again(name, batch.records.len());
                }
            }
        }
    }
}

fn merged(group: &[Job], at: usize) -> OutgoingBatch {
    let mut all = OutgoingBatch::default();
    for (_, of) in group {
        let batch = &of.outgoing[at];
        let base = all.bytes.len();
        let moved = |range: &std::ops::Range<usize>| range.start + base..range.end + base;
        all.bytes.extend_from_slice(&batch.bytes);
        all.records.extend(batch.records.iter().map(|record| {
            let mut record = record.clone();
            record.event_id = moved(&record.event_id);
            if let Body::Document(range) = &record.body {
                record.body = Body::Document(moved(range));
            }
            record
        }));
    }
    all
}
