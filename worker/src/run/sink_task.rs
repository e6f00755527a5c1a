//! One task per sink. It writes batches in order. Batches that queue up during a write are merged,
//! so that a slow store gets fewer calls, and records that a later one replaces are not written.

use std::{sync::Arc, time::Instant};

use lethe_core::record::{Body, OutgoingBatch};
use lethe_stores::{Answer, FilePosition, Sink, StoreError};
use tokio::sync::mpsc;

use super::{RunHandle, Transformed, retry::Backoff};

/// Records of a merged batch, at most.
const MAX_MERGED: usize = 4_000;

/// A batch for a sink, with its number in the run.
pub(super) type QueuedBatch = (u64, Arc<Transformed>);

/// A sink's answers for a batch.
pub(super) struct SinkReply {
    pub(super) batch: u64,
    pub(super) sink: usize,
    pub(super) answers: Result<Vec<Answer>, StoreError>,
    /// The sink's mark after the batch.
    pub(super) mark: Option<FilePosition>,
}

/// Writes to one sink until there are no more batches, or until an error that is not transient.
pub(super) async fn run_sink(
    at: usize,
    name: String,
    mut sink: Box<dyn Sink>,
    mut jobs: mpsc::Receiver<QueuedBatch>,
    done: mpsc::UnboundedSender<SinkReply>,
    handle: Arc<RunHandle>,
) {
    let mut group: Vec<QueuedBatch> = Vec::new();
    while let Some(first) = jobs.recv().await {
        let size = |job: &QueuedBatch| job.1.outgoing[at].records.len();
        let mut records = size(&first);
        group.push(first);
        // A sink with a mark is committed batch by batch, so its batches are not merged.
        while sink.mark().is_none() && records < MAX_MERGED {
            let Ok(next) = jobs.try_recv() else { break };
            records += size(&next);
            group.push(next);
        }
        let begun = Instant::now();
        let answers = match group.as_slice() {
            [(_, one)] => write(&name, sink.as_mut(), &one.outgoing[at], &handle).await,
            several => write(&name, sink.as_mut(), &merged(several, at), &handle).await,
        };
        let mark = sink.mark();
        if let Some(metrics) = handle.instruments.metrics.sink(at) {
            metrics.batch_written(records, begun.elapsed());
        }
        match answers {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for (batch, transformed) in group.drain(..) {
                    let answers = answers.by_ref().take(transformed.outgoing[at].records.len()).collect();
                    if done.send(SinkReply { batch, sink: at, answers: Ok(answers), mark }).is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                let batch = group.first().map_or(0, |(batch, _)| *batch);
                let _ = done.send(SinkReply { batch, sink: at, answers: Err(error), mark });
                return;
            }
        }
    }
}

/// Writes a batch, with retries.
pub(super) async fn write(
    name: &str,
    sink: &mut dyn Sink,
    batch: &OutgoingBatch,
    handle: &RunHandle,
) -> Result<Vec<Answer>, StoreError> {
    if batch.records.is_empty() {
        return Ok(Vec::new());
    }
    let mut backoff = Backoff::new(name, handle);
    loop {
        match backoff.run(sink.write(batch)).await {
            Ok(answers) => {
                backoff.succeeded();
                return Ok(answers);
            }
            Err(error) => {
                backoff.failed(error).await?;
                if sink.repeats() {
                    handle.instruments.sent_again(name, batch.records.len());
                }
            }
        }
    }
}

fn merged(group: &[QueuedBatch], at: usize) -> OutgoingBatch {
    let batches = || group.iter().map(|(_, transformed)| &transformed.outgoing[at]);
    let mut all = OutgoingBatch::with_room(
        batches().map(|batch| batch.bytes.len()).sum(),
        batches().map(|batch| batch.records.len()).sum(),
    );
    for batch in batches() {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::future::BoxFuture;
    use lethe_core::{identity::Reference, outcome::Outcome, record::Outgoing};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{
        counts::Counts,
        observe::{PipelineInfo, SourceInfo},
    };

    /// A sink that reports the offsets of each write, and blocks until the write gets a permit.
    struct BlockingSink {
        started: mpsc::UnboundedSender<Vec<u64>>,
        permits: Arc<Semaphore>,
    }

    impl Sink for BlockingSink {
        fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>> {
            Box::pin(async move {
                self.started.send(batch.records.iter().map(|record| record.offset).collect()).unwrap();
                self.permits.acquire().await.unwrap().forget();
                Ok(batch.records.iter().map(|_| Ok(Outcome::Delivered)).collect())
            })
        }
    }

    /// A running sink task with its channels.
    struct SinkTaskFixture {
        jobs: mpsc::Sender<QueuedBatch>,
        started: mpsc::UnboundedReceiver<Vec<u64>>,
        permits: Arc<Semaphore>,
        replies: mpsc::UnboundedReceiver<SinkReply>,
    }

    impl SinkTaskFixture {
        fn new() -> Self {
            let (jobs, queue) = mpsc::channel(16);
            let (started_tx, started) = mpsc::unbounded_channel();
            let (replies_tx, replies) = mpsc::unbounded_channel();
            let permits = Arc::new(Semaphore::new(0));
            let info = PipelineInfo {
                pipeline: "shop.profiles".to_owned(),
                sinks: vec!["held".to_owned()],
                config_hash: String::new(),
                revision: 0,
                source: SourceInfo::File { path: String::new() },
            };
            let sink = Box::new(BlockingSink { started: started_tx, permits: Arc::clone(&permits) });
            tokio::spawn(run_sink(0, "held".to_owned(), sink, queue, replies_tx, RunHandle::new(info)));
            Self { jobs, started, permits, replies }
        }

        /// Queues a batch, and lets the task run until it blocks.
        async fn enqueue(&self, batch: u64, offsets: &[u64]) {
            let records = offsets.iter().map(|offset| Outgoing {
                subject: Reference([0; 32]),
                event_id: 0..0,
                version: 0,
                time: 0,
                offset: *offset,
                expires: None,
                body: Body::Delete,
            });
            let outgoing = vec![OutgoingBatch { bytes: Vec::new(), records: records.collect() }];
            let transformed = Transformed {
                batches: vec![],
                outgoing,
                ends: vec![],
                letters: vec![],
                duplicates: vec![],
                forgotten: 0,
                counts: Counts::default(),
            };
            self.jobs.send((batch, Arc::new(transformed))).await.unwrap();
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }

        /// Lets one write finish. Returns the batches that it completed, with their number of
        /// answers.
        async fn finish_write(&mut self) -> Vec<(u64, usize)> {
            self.permits.add_permits(1);
            let first = self.replies.recv().await.unwrap();
            let others = std::iter::from_fn(|| self.replies.try_recv().ok());
            std::iter::once(first).chain(others).map(|done| (done.batch, done.answers.unwrap().len())).collect()
        }
    }

    #[tokio::test]
    async fn batches_that_queue_up_during_a_write_are_merged() {
        let mut task = SinkTaskFixture::new();
        for batch in 0..3 {
            task.enqueue(batch, &[batch]).await;
        }
        assert_eq!(task.started.try_recv(), Ok(vec![0]));
        assert!(task.started.try_recv().is_err());
        assert_eq!(task.finish_write().await, [(0, 1)]);
        assert_eq!(task.started.recv().await, Some(vec![1, 2]));
        assert_eq!(task.finish_write().await, [(1, 1), (2, 1)]);
    }
}
