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
    let batches = || group.iter().map(|(_, of)| &of.outgoing[at]);
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
        observe::{About, Source},
        run::Counts,
    };

    /// Says which records it begins to write, and ends when it has leave.
    struct Held {
        begun: mpsc::UnboundedSender<Vec<u64>>,
        leave: Arc<Semaphore>,
    }

    impl Sink for Held {
        fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>> {
            Box::pin(async move {
                self.begun.send(batch.records.iter().map(|record| record.offset).collect()).unwrap();
                self.leave.acquire().await.unwrap().forget();
                Ok(batch.records.iter().map(|_| Ok(Outcome::Delivered)).collect())
            })
        }
    }

    /// A sink's task, and all that it is spoken to with.
    struct Stage {
        jobs: mpsc::Sender<Job>,
        begun: mpsc::UnboundedReceiver<Vec<u64>>,
        leave: Arc<Semaphore>,
        done: mpsc::UnboundedReceiver<Done>,
    }

    impl Stage {
        fn new() -> Self {
            let (jobs, queue) = mpsc::channel(16);
            let (say, begun) = mpsc::unbounded_channel();
            let (tell, done) = mpsc::unbounded_channel();
            let leave = Arc::new(Semaphore::new(0));
            let about = About {
                pipeline: "shop.profiles".to_owned(),
                sinks: vec!["held".to_owned()],
                config_hash: String::new(),
                revision: 0,
                source: Source::File { path: String::new() },
            };
            let sink = Box::new(Held { begun: say, leave: Arc::clone(&leave) });
            tokio::spawn(serve(0, "held".to_owned(), sink, queue, tell, Watch::new(about)));
            Self { jobs, begun, leave, done }
        }

        /// Hands over a batch, and lets the task do all that it does before it waits.
        async fn hand_over(&self, batch: u64, offsets: &[u64]) {
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
            let of = Transformed { parts: vec![], outgoing, ends: vec![], letters: vec![], counts: Counts::default() };
            self.jobs.send((batch, Arc::new(of))).await.unwrap();
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }

        /// Lets a write end; answers which batches ended, and how many answers each had.
        async fn ends(&mut self) -> Vec<(u64, usize)> {
            self.leave.add_permits(1);
            let first = self.done.recv().await.unwrap();
            let others = std::iter::from_fn(|| self.done.try_recv().ok());
            std::iter::once(first).chain(others).map(|done| (done.batch, done.answers.unwrap().len())).collect()
        }
    }

    #[tokio::test]
    async fn what_gathers_while_a_sink_writes_goes_as_one() {
        let mut stage = Stage::new();
        for batch in 0..3 {
            stage.hand_over(batch, &[batch]).await;
        }
        assert_eq!(stage.begun.try_recv(), Ok(vec![0]));
        assert!(stage.begun.try_recv().is_err());
        assert_eq!(stage.ends().await, [(0, 1)]);
        assert_eq!(stage.begun.recv().await, Some(vec![1, 2]));
        assert_eq!(stage.ends().await, [(1, 1), (2, 1)]);
    }
}
