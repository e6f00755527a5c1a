//! The delivering task: a batch goes to all sinks and its dead letters to theirs; when all of them
//! hold it, whoever gave it is told.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::future::try_join_all;
use lethe_core::{outcome::Outcome, reason::Rejection, record::OutgoingBatch};
use lethe_stores::{Answer, DeadLetters, Sink, StoreError, Vault, bookkeeping::Progress};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{
    Counts, Job, RunError, Transformed, Watch,
    late::LateLetters,
    part::Receipt,
    patience::patiently,
    pipeline_id,
    sink_task::{self, Done, write},
    window::{SMALL, UnderWay, Window},
};
use crate::{
    clock::now,
    observe::{DEAD_LETTER, PROGRESS, Tally},
};

/// How long a stop waits for stores that don't answer. What is then left is read again.
const DRAIN: Duration = Duration::from_secs(8);

/// What the sinks' places are told through.
pub(crate) struct Deliverer {
    id: String,
    vault: Arc<dyn Vault>,
    letters: Arc<dyn DeadLetters>,
    sinks: Vec<(String, Box<dyn Sink>)>,
    watch: Arc<Watch>,
}

impl Deliverer {
    pub(crate) fn new(job: Job, watch: Arc<Watch>) -> Self {
        let names = job.pipeline.sinks.iter().map(|sink| sink.name.clone());
        Self {
            id: pipeline_id(&job.pipeline),
            vault: job.vault,
            letters: job.letters,
            sinks: names.zip(job.sinks).collect(),
            watch,
        }
    }

    /// Takes sinks back to what was committed last. Their marks are committed before anything is
    /// written: a run that is killed before its first batch knows what is its own.
    pub(crate) async fn restore(&mut self, progress: &Progress) -> Result<(), StoreError> {
        for (name, sink) in &mut self.sinks {
            sink.restore(progress.marks.get(name).copied())?;
        }
        let marks = self.marks();
        if marks.is_empty() {
            return Ok(());
        }
        self.vault.commit(self.id.clone(), Progress { marks, ..Progress::default() }).await
    }

    fn marks(&self) -> BTreeMap<String, u64> {
        self.sinks.iter().filter_map(|(name, sink)| Some((name.clone(), sink.mark()?))).collect()
    }

    /// Delivers batches until there are no more.
    pub(super) async fn run(
        self,
        mut batches: mpsc::Receiver<Transformed>,
        late: LateLetters,
        acknowledge: &(dyn Fn(&Receipt) + Sync),
        counts: &mut Counts,
    ) -> Result<(), RunError> {
        let Self { id, vault, letters, sinks, watch } = self;
        let names: Vec<String> = sinks.iter().map(|(name, _)| name.clone()).collect();
        let (done, mut answers) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut queues = Vec::with_capacity(sinks.len());
        for (at, (name, sink)) in sinks.into_iter().enumerate() {
            let (queue, jobs) = mpsc::channel(SMALL);
            queues.push(queue);
            tasks.spawn(sink_task::serve(at, name, sink, jobs, done.clone(), Arc::clone(&watch)));
        }
        let (to_letters, letter_jobs) = mpsc::channel(SMALL);
        let (lettered, mut letters_done) = mpsc::unbounded_channel();
        tasks.spawn(write_letters(Arc::clone(&letters), letter_jobs, lettered, Arc::clone(&watch)));

        let mut finish = Finish { id, names, vault, letters, late, watch: Arc::clone(&watch) };
        let mut window = Window::default();
        let mut number = 0_u64;
        let mut more = true;
        let mut stop: Option<Instant> = None;
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        while more || !window.is_empty() {
            tokio::select! {
                batch = batches.recv(), if more && window.has_room() => match batch {
                    None => more = false,
                    Some(batch) => {
                        let of = Arc::new(batch);
                        number += 1;
                        let mut under_way = UnderWay::new(Arc::clone(&of), queues.len());
                        for (at, queue) in queues.iter().enumerate() {
                            let records = of.outgoing[at].records.len();
                            if records == 0 {
                                under_way.answers[at] = Some(Vec::new());
                            } else if queue.send((number, Arc::clone(&of))).await.is_err() {
                                // It ended with an error, which waits among the answers.
                                break;
                            } else if let Some(metrics) = watch.shown.metrics.sink(at) {
                                metrics.handed(records);
                            }
                        }
                        if !under_way.lettered && to_letters.send((number, of)).await.is_err() {
                            tracing::debug!("the dead letter ended");
                        }
                        window.insert(number, under_way);
                    }
                },
                Some(Done { batch, sink, answers, mark }) = answers.recv() => {
                    let answers = answers?;
                    if let Some(under_way) = window.get_mut(batch) {
                        under_way.answers[sink] = Some(answers);
                        under_way.marks[sink] = mark;
                    }
                }
                Some((batch, done)) = letters_done.recv() => {
                    done?;
                    if let Some(under_way) = window.get_mut(batch) {
                        under_way.lettered = true;
                    }
                }
                _ = tick.tick() => {
                    if watch.stops()
                        && stop.get_or_insert_with(Instant::now).elapsed() > DRAIN
                        && !window.is_empty()
                    {
                        return Err(RunError::Undelivered { batches: window.len(), after: DRAIN });
                    }
                }
            }
            while let Some(under_way) = window.done() {
                finish.batch(under_way, acknowledge, counts).await?;
            }
        }
        drop((queues, to_letters));
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Writes a batch to each sink, all at once; answers what each says. It is durable when this
    /// returns, and is not committed yet.
    pub(crate) async fn write(&mut self, outgoing: &[OutgoingBatch]) -> Result<Vec<Vec<Answer>>, StoreError> {
        let watch = &self.watch;
        let writes = self.sinks.iter_mut().zip(outgoing);
        try_join_all(writes.map(|((name, sink), outgoing)| write(name, sink.as_mut(), outgoing, watch))).await
    }

    /// Commits the marks of the sinks as they are now.
    pub(crate) async fn commit_marks(&self) -> Result<(), StoreError> {
        let progress = Progress { marks: self.marks(), ..Progress::default() };
        patiently(PROGRESS, &self.watch, || self.vault.commit(self.id.clone(), progress.clone())).await
    }

    /// Removes dead letters that are delivered, or that nobody can open any more.
    pub(crate) async fn remove_letters(&self, keys: &[[u8; 32]]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        patiently(DEAD_LETTER, &self.watch, || self.letters.remove(self.id.clone(), keys.to_vec())).await
    }
}

async fn write_letters(
    letters: Arc<dyn DeadLetters>,
    mut jobs: mpsc::Receiver<sink_task::Job>,
    done: mpsc::UnboundedSender<(u64, Result<(), StoreError>)>,
    watch: Arc<Watch>,
) {
    while let Some((batch, of)) = jobs.recv().await {
        let written = patiently(DEAD_LETTER, &watch, || letters.write(of.letters.clone())).await;
        if done.send((batch, written)).is_err() {
            return;
        }
    }
}

/// What is done with a batch that every sink holds.
struct Finish {
    id: String,
    names: Vec<String>,
    vault: Arc<dyn Vault>,
    letters: Arc<dyn DeadLetters>,
    late: LateLetters,
    watch: Arc<Watch>,
}

impl Finish {
    async fn batch(
        &mut self,
        under_way: UnderWay,
        acknowledge: &(dyn Fn(&Receipt) + Sync),
        counts: &mut Counts,
    ) -> Result<(), RunError> {
        let UnderWay { of, answers, marks, .. } = under_way;
        let mut done = of.counts.clone();
        let mut letters_written = of.letters.len();
        let mut refused: Vec<(usize, usize, Rejection)> = Vec::new();
        for (sink, answers) in answers.into_iter().enumerate() {
            let of_sink = done.sinks.entry(self.names[sink].clone()).or_default();
            for (record, answer) in answers.unwrap_or_default().into_iter().enumerate() {
                match answer {
                    Ok(outcome) => of_sink.add(outcome, 1),
                    Err(rejection) => refused.push((sink, record, rejection)),
                }
            }
        }
        if !refused.is_empty() {
            let letters = self.late.seal(&of, &refused).await?;
            for ((sink, _, rejection), letter) in refused.iter().zip(&letters) {
                let outcome = if letter.is_some() { Outcome::Rejected } else { Outcome::Fenced };
                done.sinks.entry(self.names[*sink].clone()).or_default().add(outcome, 1);
                if letter.is_some() {
                    *done.rejected.entry(rejection.reason.code()).or_default() += 1;
                }
            }
            let letters: Vec<_> = letters.into_iter().flatten().collect();
            patiently(DEAD_LETTER, &self.watch, || self.letters.write(letters.clone())).await?;
            letters_written += letters.len();
        }
        self.commit(&of, &marks).await?;
        for part in &of.parts {
            acknowledge(&part.receipt);
        }
        self.watch.events.fetch_add(done.events, Ordering::Relaxed);
        self.show(&of, &done, letters_written as u64);
        counts.merge(&done);
        Ok(())
    }

    fn show(&self, of: &Transformed, done: &Counts, letters: u64) {
        let metrics = &self.watch.shown.metrics;
        metrics.done(done);
        metrics.letters_written(letters);
        let now = now();
        let mut took = Tally::default();
        for record in of.parts.iter().flat_map(|part| &part.batch.records) {
            took.add_between(record.timestamp, now);
        }
        metrics.end_to_end().merge(&took);
    }

    /// Marks first, where offsets lie elsewhere: a file that is cut back too little has lines twice,
    /// one that is cut back too much would lose them.
    async fn commit(&self, of: &Transformed, marks: &[Option<u64>]) -> Result<(), StoreError> {
        let marks: BTreeMap<String, u64> =
            self.names.iter().zip(marks).filter_map(|(name, mark)| Some((name.clone(), (*mark)?))).collect();
        let in_books = of.parts.iter().filter(|part| matches!(part.receipt, Receipt::Books));
        let offsets: BTreeMap<String, u64> =
            in_books.map(|part| (part.batch.stream.to_string(), part.batch.next_offset)).collect();
        if offsets.is_empty() && marks.is_empty() {
            return Ok(());
        }
        let progress = Progress { offsets, marks };
        patiently(PROGRESS, &self.watch, || self.vault.commit(self.id.clone(), progress.clone())).await
    }
}
