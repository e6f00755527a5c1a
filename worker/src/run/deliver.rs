//! The delivery task: sends each batch to all sinks, and its dead letters to their store. When all
//! of them have acknowledged a batch, it commits the batch's offsets.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::future::try_join_all;
use lethe_core::{outcome::Outcome, reason::Rejection, record::OutgoingBatch};
use lethe_stores::{Answer, DeadLetters, FilePosition, Progress, Restore, Sink, StoreError, Vault};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{
    Job, RunError, RunHandle, Transformed,
    message::{CommitTarget, SourceBatch},
    retry::with_retries,
    sink_rejections::{SinkRejections, of_duplicate},
    sink_task::{self, SinkReply, write},
    window::{InFlightBatch, MAX_SMALL_BATCHES, Window},
};
use crate::{
    clock::now,
    counts::Counts,
    observe::{DEAD_LETTER, PROGRESS, Tally},
};

/// How long a stop waits for stores that don't answer. Batches that are undelivered by then are
/// read again by the next run.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// How often a stop is noticed.
const TICK: Duration = Duration::from_millis(200);

/// Delivers batches to the sinks of a pipeline.
pub(crate) struct Deliverer {
    id: String,
    vault: Arc<dyn Vault>,
    letters: Arc<dyn DeadLetters>,
    sinks: Vec<(String, Box<dyn Sink>)>,
    handle: Arc<RunHandle>,
}

impl Deliverer {
    pub(crate) fn new(job: Job, handle: Arc<RunHandle>) -> Self {
        let names = job.pipeline.sinks.iter().map(|sink| sink.name.clone());
        Self {
            id: job.pipeline.id(),
            vault: job.vault,
            letters: job.letters,
            sinks: names.zip(job.sinks).collect(),
            handle,
        }
    }

    /// Resets the sinks to what was committed last. Commits their marks before anything is written:
    /// a run that is killed before its first batch then knows which part of a file it wrote itself.
    pub(crate) async fn restore(&mut self, progress: &Progress) -> Result<(), StoreError> {
        for (name, sink) in &mut self.sinks {
            sink.restore(Restore::Continue(progress.marks.get(name).copied()))?;
        }
        self.commit_restored().await
    }

    /// Discards what the sinks wrote and the progress. The record of what they wrote goes last, so
    /// that a run that is killed can be started over again.
    pub(crate) async fn start_over(&mut self, progress: &Progress) -> Result<(), StoreError> {
        for (name, sink) in &mut self.sinks {
            sink.restore(Restore::StartOver(progress.marks.get(name).copied()))?;
        }
        self.vault.forget(self.id.clone()).await?;
        self.commit_restored().await
    }

    async fn commit_restored(&self) -> Result<(), StoreError> {
        let marks = self.marks();
        if marks.is_empty() {
            return Ok(());
        }
        self.vault.commit(self.id.clone(), Progress { marks, ..Progress::default() }).await
    }

    fn marks(&self) -> BTreeMap<String, FilePosition> {
        self.sinks.iter().filter_map(|(name, sink)| Some((name.clone(), sink.mark()?))).collect()
    }

    /// Delivers batches until there are no more. Fails if a store fails permanently, or doesn't
    /// answer in time during a stop.
    pub(super) async fn run(
        self,
        mut batches: mpsc::Receiver<Transformed>,
        sink_rejections: SinkRejections,
        acknowledge: &(dyn Fn(&CommitTarget) + Sync),
        counts: &mut Counts,
    ) -> Result<(), RunError> {
        let Self { id, vault, letters, sinks, handle } = self;
        let names: Vec<String> = sinks.iter().map(|(name, _)| name.clone()).collect();
        let (done, mut answers) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut queues = Vec::with_capacity(sinks.len());
        for (at, (name, sink)) in sinks.into_iter().enumerate() {
            let (queue, jobs) = mpsc::channel(MAX_SMALL_BATCHES);
            queues.push(queue);
            tasks.spawn(sink_task::run_sink(at, name, sink, jobs, done.clone(), Arc::clone(&handle)));
        }
        let (to_letters, letter_jobs) = mpsc::channel(MAX_SMALL_BATCHES);
        let (letters_written, mut letters_done) = mpsc::unbounded_channel();
        tasks.spawn(write_letters(Arc::clone(&letters), letter_jobs, letters_written, Arc::clone(&handle)));

        let mut completion = Completion { id, names, vault, letters, sink_rejections, handle: Arc::clone(&handle) };
        let mut window = Window::default();
        let mut number = 0_u64;
        let mut more = true;
        let mut stop: Option<Instant> = None;
        let mut tick = tokio::time::interval(TICK);
        while more || !window.is_empty() {
            tokio::select! {
                batch = batches.recv(), if more && window.has_capacity() => match batch {
                    None => more = false,
                    Some(batch) => {
                        let transformed = Arc::new(batch);
                        number += 1;
                        let mut in_flight = InFlightBatch::new(Arc::clone(&transformed), queues.len());
                        for (at, queue) in queues.iter().enumerate() {
                            let records = transformed.outgoing[at].records.len();
                            if records == 0 {
                                in_flight.answers[at] = Some(Vec::new());
                            } else if queue.send((number, Arc::clone(&transformed))).await.is_err() {
                                // The task ended with an error, which is in the queue of replies.
                                break;
                            } else if let Some(metrics) = handle.instruments.metrics.sink(at) {
                                metrics.batch_sent(records);
                            }
                        }
                        if !in_flight.dead_letters_written && to_letters.send((number, transformed)).await.is_err() {
                            tracing::debug!("the dead letter task ended");
                        }
                        window.insert(number, in_flight);
                    }
                },
                Some(SinkReply { batch, sink, answers, mark }) = answers.recv() => {
                    let answers = answers?;
                    if let Some(in_flight) = window.get_mut(batch) {
                        in_flight.answers[sink] = Some(answers);
                        in_flight.marks[sink] = mark;
                    }
                }
                Some((batch, done)) = letters_done.recv() => {
                    done?;
                    if let Some(in_flight) = window.get_mut(batch) {
                        in_flight.dead_letters_written = true;
                    }
                }
                _ = tick.tick() => {
                    if handle.is_stopping()
                        && stop.get_or_insert_with(Instant::now).elapsed() > DRAIN_TIMEOUT
                        && !window.is_empty()
                    {
                        let slow = window.slow(DRAIN_TIMEOUT / 2, &completion.names);
                        return Err(RunError::Undelivered { batches: window.len(), slow, after: DRAIN_TIMEOUT });
                    }
                }
            }
            while let Some(in_flight) = window.take_written() {
                let forgotten = window.forgotten().unwrap_or(u64::MAX).min(in_flight.transformed.forgotten);
                let completing = completion.complete(in_flight, forgotten, acknowledge, counts);
                tokio::select! {
                    biased;
                    done = completing => done?,
                    () = drain_timeout(&handle, &mut stop) => {
                        let slow = "the store of the dead letter or of keys and positions did not answer".to_owned();
                        return Err(RunError::Undelivered { batches: window.len() + 1, slow, after: DRAIN_TIMEOUT });
                    }
                }
            }
        }
        drop((queues, to_letters));
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Writes a batch to all sinks concurrently, and returns the answers of each sink. The records
    /// are durable when this returns, but not committed.
    pub(crate) async fn write(&mut self, outgoing: &[OutgoingBatch]) -> Result<Vec<Vec<Answer>>, StoreError> {
        let handle = &self.handle;
        let writes = self.sinks.iter_mut().zip(outgoing);
        try_join_all(writes.map(|((name, sink), outgoing)| write(name, sink.as_mut(), outgoing, handle))).await
    }

    /// Commits the current marks of the sinks.
    pub(crate) async fn commit_marks(&self) -> Result<(), StoreError> {
        let progress = Progress { marks: self.marks(), ..Progress::default() };
        with_retries(PROGRESS, &self.handle, || self.vault.commit(self.id.clone(), progress.clone())).await
    }

    /// Removes dead letters that are delivered, or whose key was destroyed.
    pub(crate) async fn remove_letters(&self, keys: &[[u8; 32]]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        with_retries(DEAD_LETTER, &self.handle, || self.letters.remove(self.id.clone(), keys.to_vec())).await
    }
}

/// Ends when a stop has waited long enough.
async fn drain_timeout(handle: &RunHandle, stop: &mut Option<Instant>) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        if handle.is_stopping() && stop.get_or_insert_with(Instant::now).elapsed() > DRAIN_TIMEOUT {
            return;
        }
    }
}

async fn write_letters(
    letters: Arc<dyn DeadLetters>,
    mut jobs: mpsc::Receiver<sink_task::QueuedBatch>,
    done: mpsc::UnboundedSender<(u64, Result<(), StoreError>)>,
    handle: Arc<RunHandle>,
) {
    while let Some((batch, transformed)) = jobs.recv().await {
        let written = with_retries(DEAD_LETTER, &handle, || letters.write(transformed.letters.clone())).await;
        if done.send((batch, written)).is_err() {
            return;
        }
    }
}

/// Commits batches that every sink has acknowledged.
struct Completion {
    id: String,
    names: Vec<String>,
    vault: Arc<dyn Vault>,
    letters: Arc<dyn DeadLetters>,
    sink_rejections: SinkRejections,
    handle: Arc<RunHandle>,
}

impl Completion {
    async fn complete(
        &mut self,
        in_flight: InFlightBatch,
        forgotten: u64,
        acknowledge: &(dyn Fn(&CommitTarget) + Sync),
        counts: &mut Counts,
    ) -> Result<(), RunError> {
        let InFlightBatch { transformed, answers, marks, .. } = in_flight;
        let mut done = transformed.counts.clone();
        let mut letters_written = transformed.letters.len();
        let mut refused: Vec<(usize, usize, Rejection)> = Vec::new();
        for (sink, answers) in answers.into_iter().enumerate() {
            let sink_counts = done.sinks.entry(self.names[sink].clone()).or_default();
            for (record, answer) in answers.unwrap_or_default().into_iter().enumerate() {
                match answer {
                    Ok(outcome) => sink_counts.add(outcome, 1),
                    Err(rejection) => refused.push((sink, record, rejection)),
                }
            }
        }
        let mut late = Vec::new();
        if !refused.is_empty() {
            let letters = self.sink_rejections.seal(&transformed, &refused).await?;
            for ((sink, _, rejection), letter) in refused.iter().zip(&letters) {
                let outcome = if letter.is_some() { Outcome::Rejected } else { Outcome::Fenced };
                done.sinks.entry(self.names[*sink].clone()).or_default().add(outcome, 1);
                if letter.is_some() {
                    *done.rejected.entry(rejection.reason.code()).or_default() += 1;
                }
            }
            late.extend(letters.into_iter().flatten());
        }
        for letter in self.sink_rejections.seal_duplicates(&transformed, forgotten).await? {
            done.no_duplicate(if letter.is_some() { Outcome::Rejected } else { Outcome::Fenced });
            if letter.is_some() {
                *done.rejected.entry(of_duplicate().reason.code()).or_default() += 1;
            }
            late.extend(letter);
        }
        if !late.is_empty() {
            with_retries(DEAD_LETTER, &self.handle, || self.letters.write(late.clone())).await?;
            letters_written += late.len();
        }
        self.commit(&transformed, &marks).await?;
        for batch in &transformed.batches {
            acknowledge(&batch.commit_to);
        }
        self.handle.events.fetch_add(done.events, Ordering::Relaxed);
        self.update_metrics(&transformed, &done, letters_written as u64);
        counts.merge(&done);
        Ok(())
    }

    fn update_metrics(&self, transformed: &Transformed, done: &Counts, letters: u64) {
        let metrics = &self.handle.instruments.metrics;
        metrics.done(done);
        metrics.letters_written(letters);
        let now = now();
        let mut took = Tally::default();
        for record in transformed.batches.iter().flat_map(|source| &source.batch.records) {
            if let Some(timestamp) = record.timestamp {
                took.add_between(timestamp, now);
            }
        }
        metrics.end_to_end().merge(&took);
    }

    /// Commits marks together with the offsets that the key store holds, and before a group's
    /// offsets. A file that is truncated too little repeats lines; one that is truncated too much
    /// would lose them.
    async fn commit(&self, transformed: &Transformed, marks: &[Option<FilePosition>]) -> Result<(), StoreError> {
        let marks: BTreeMap<String, FilePosition> =
            self.names.iter().zip(marks).filter_map(|(name, mark)| Some((name.clone(), (*mark)?))).collect();
        let position = |source: &SourceBatch| match source.commit_to {
            CommitTarget::Vault(position) => Some((source.batch.stream.to_string(), position)),
            CommitTarget::Nowhere => None,
            #[cfg(feature = "kafka")]
            CommitTarget::Group(_) => None,
        };
        let offsets: BTreeMap<String, FilePosition> = transformed.batches.iter().filter_map(position).collect();
        if offsets.is_empty() && marks.is_empty() {
            return Ok(());
        }
        let progress = Progress { offsets, marks };
        with_retries(PROGRESS, &self.handle, || self.vault.commit(self.id.clone(), progress.clone())).await
    }
}
