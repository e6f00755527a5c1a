//! The delivering task: a batch goes to every sink at once, its dead letters to theirs, and then
//! the source's offset is committed. A sink that is down is waited for; none is skipped.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use lethe_core::record::OutgoingBatch;
use lethe_stores::{Bookkeeping, DeadLetters, Sink, StoreError, bookkeeping::Progress};

use super::{Counts, Job, RunError, Transformed, Watch, pipeline_id};

/// The first pause after a store did not answer; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Delivers batches in order.
pub(crate) struct Deliverer {
    id: String,
    books: Arc<dyn Bookkeeping>,
    letters: Arc<dyn DeadLetters>,
    sinks: Vec<(String, Box<dyn Sink>)>,
    watch: Arc<Watch>,
}

impl Deliverer {
    pub(crate) fn new(job: Job, watch: Arc<Watch>) -> Self {
        let names = job.pipeline.sinks.iter().map(|sink| sink.name.clone());
        Self {
            id: pipeline_id(&job.pipeline),
            books: job.books,
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
        self.books.commit(self.id.clone(), Progress { marks: self.marks(), ..Progress::default() }).await
    }

    fn marks(&self) -> BTreeMap<String, u64> {
        self.sinks.iter().filter_map(|(name, sink)| Some((name.clone(), sink.mark()?))).collect()
    }

    /// Delivers one batch, then commits its offset.
    pub(super) async fn deliver(&mut self, batch: Transformed, counts: &mut Counts) -> Result<(), RunError> {
        let mut done = batch.counts;
        self.write(&batch.outgoing, &mut done).await?;
        if !batch.letters.is_empty() {
            let letters = &self.letters;
            patiently("deadLetter", &self.watch, || letters.write(batch.letters.clone())).await?;
        }
        self.commit([(batch.stream.to_string(), batch.next_offset)].into()).await?;
        self.watch.events.fetch_add(done.events, Ordering::Relaxed);
        counts.merge(&done);
        Ok(())
    }

    /// Writes a batch to each sink, all at once, and counts what they answer. It is durable when
    /// this returns, and is not committed yet.
    pub(crate) async fn write(&mut self, outgoing: &[OutgoingBatch], counts: &mut Counts) -> Result<(), StoreError> {
        let watch = &self.watch;
        let writes = self.sinks.iter_mut().zip(outgoing).map(|((name, sink), outgoing)| async move {
            let outcomes = write(name, sink.as_mut(), outgoing, watch).await?;
            Ok::<_, StoreError>((name.clone(), outcomes))
        });
        for (name, outcomes) in try_join_all(writes).await? {
            let sink = counts.sinks.entry(name).or_default();
            for outcome in outcomes {
                sink.add(outcome, 1);
            }
        }
        Ok(())
    }

    /// Commits offsets, with the marks of the sinks as they are now.
    pub(crate) async fn commit(&self, offsets: BTreeMap<String, u64>) -> Result<(), StoreError> {
        let progress = Progress { offsets, marks: self.marks() };
        patiently("progress", &self.watch, || self.books.commit(self.id.clone(), progress.clone())).await
    }

    /// Removes dead letters that are delivered, or that nobody can open any more.
    pub(crate) async fn remove_letters(&self, keys: &[[u8; 32]]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        patiently("deadLetter", &self.watch, || self.letters.remove(self.id.clone(), keys.to_vec())).await
    }
}

async fn write(
    name: &str,
    sink: &mut dyn Sink,
    batch: &OutgoingBatch,
    watch: &Watch,
) -> Result<Vec<lethe_core::outcome::Outcome>, StoreError> {
    if batch.records.is_empty() {
        return Ok(Vec::new());
    }
    let mut pause = FIRST_PAUSE;
    loop {
        match sink.write(batch).await {
            Ok(outcomes) => {
                resumed(name, watch);
                return Ok(outcomes);
            }
            Err(error) => wait(name, error, &mut pause, watch).await?,
        }
    }
}

/// Asks a store again and again while it is not available.
async fn patiently<T, F>(name: &str, watch: &Watch, mut ask: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match ask().await {
            Ok(answer) => {
                resumed(name, watch);
                return Ok(answer);
            }
            Err(error) => wait(name, error, &mut pause, watch).await?,
        }
    }
}

/// Waits before the next try; an error that time won't cure, or a wish to stop, ends the waiting.
async fn wait(name: &str, error: StoreError, pause: &mut Duration, watch: &Watch) -> Result<(), StoreError> {
    if !error.is_transient() || watch.stop.load(Ordering::Relaxed) {
        return Err(error);
    }
    tracing::warn!(sink = name, error = %error, retry_in = ?*pause, "waiting for a store");
    if let Ok(mut stalled) = watch.stalled.lock()
        && stalled.is_none()
    {
        *stalled = Some((name.to_owned(), Instant::now()));
    }
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
    Ok(())
}

fn resumed(name: &str, watch: &Watch) {
    if let Ok(mut stalled) = watch.stalled.lock()
        && stalled.as_ref().is_some_and(|(waited_for, _)| waited_for == name)
    {
        tracing::info!(sink = name, "the store is back");
        *stalled = None;
    }
}
