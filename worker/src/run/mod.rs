//! A running pipeline: a thread that reads, a thread that transforms, a task that delivers, and
//! bounded channels between them. An offset is committed only when every sink and the dead letter
//! hold what came before it.

mod counts;
mod deliver;
mod letters;
mod refill;
mod subjects;
mod transform;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

pub use counts::{Counts, SinkCounts};
pub(crate) use deliver::Deliverer;
use lethe_core::{
    engine::{Engine, EngineError},
    keys::KeyRing,
    pipeline::Pipeline,
};
use lethe_stores::{Bookkeeping, DeadLetters, KeyStore, Sink, Source, StoreError, bookkeeping::Progress};
pub(crate) use letters::expire_before;
pub use letters::{LetterError, open_letter};
pub use subjects::{Absent, KeyError, fetch_subjects};
use tokio::{runtime::Handle, sync::mpsc};
pub use transform::{Transformed, Transformer};

/// Records of a batch. Large enough that a transaction is cheap, small enough that a batch lives
/// in the cache and that a stop is quick.
const BATCH: usize = 2_000;

/// Batches under way between two threads.
const DEPTH: usize = 3;

/// Everything a pipeline works with, opened.
pub struct Job {
    /// What it does.
    pub pipeline: Pipeline,
    /// Its keys, already checked against the key store.
    pub ring: Arc<KeyRing>,
    /// Where its subjects' keys lie.
    pub key_store: Arc<dyn KeyStore>,
    /// Where its progress lies.
    pub books: Arc<dyn Bookkeeping>,
    /// Where its dead letters lie.
    pub letters: Arc<dyn DeadLetters>,
    /// Its sinks, in the order of the pipeline.
    pub sinks: Vec<Box<dyn Sink>>,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A store answered with an error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key can't be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A dead letter can't be sealed or opened.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The pipeline can't be compiled with these keys.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A thread ended without a word: a defect of Lethe itself.
    #[error("a thread of the pipeline {0} ended without an answer; please report this")]
    Lost(String),
}

/// What others may look at while a pipeline runs.
#[derive(Default)]
pub struct Watch {
    /// Set it, and the pipeline stops when what is under way is delivered.
    pub stop: AtomicBool,
    /// Events delivered so far.
    pub events: AtomicU64,
    /// Bytes of the source read so far.
    pub bytes: AtomicU64,
    /// Bytes of the source in all; 0 where nobody knows.
    pub total: AtomicU64,
    /// The sink that is waited for, if any, and since when.
    pub stalled: std::sync::Mutex<Option<(String, Instant)>>,
}

/// What a run did.
pub struct Report {
    /// What became of each event.
    pub counts: Counts,
    /// How long it took.
    pub took: std::time::Duration,
}

/// A source that is opened on the thread that reads it, from the offsets given.
pub type OpenSource = Box<dyn FnMut(&Progress) -> Result<Box<dyn Source>, StoreError> + Send>;

/// Name of a pipeline in stores: `<namespace>.<name>`.
pub fn pipeline_id(pipeline: &Pipeline) -> String {
    format!("{}.{}", pipeline.namespace, pipeline.name)
}

/// Runs a pipeline until its source ends, or until [`Watch::stop`] is set. With `follow`, the end
/// of the source is where it waits for more.
pub async fn run(job: Job, open: OpenSource, follow: bool, watch: Arc<Watch>) -> Result<Report, RunError> {
    let started = Instant::now();
    let id = pipeline_id(&job.pipeline);
    let progress = job.books.progress(id.clone()).await?;
    let engine = Arc::new(Engine::new(&job.pipeline, Arc::clone(&job.ring))?);
    let dedupes = job.pipeline.dedupe.is_some();
    let mut transformer = Transformer::new(&job, Arc::clone(&engine), Handle::current());
    let mut deliverer = Deliverer::new(job, Arc::clone(&watch));
    deliverer.restore(&progress).await?;

    let (batches, mut to_transform) = mpsc::channel(DEPTH);
    let (transformed, mut to_deliver) = mpsc::channel::<Transformed>(DEPTH);
    let mut reader = Reader { open, progress, dedupes, follow, watch: Arc::clone(&watch) };

    let reading = tokio::task::spawn_blocking(move || reader.read(&batches));
    let transforming = tokio::task::spawn_blocking(move || -> Result<(), RunError> {
        while let Some(batch) = to_transform.blocking_recv() {
            let done = match batch {
                Feed::Known(batch) => {
                    transformer.remember(&batch)?;
                    continue;
                }
                Feed::New(batch) => transformer.transform(&batch)?,
            };
            if transformed.blocking_send(done).is_err() {
                break;
            }
        }
        Ok(())
    });
    let mut counts = Counts::default();
    let mut delivered = Ok(());
    while let Some(batch) = to_deliver.recv().await {
        delivered = deliverer.deliver(batch, &mut counts).await;
        if delivered.is_err() {
            break;
        }
    }
    // A failed delivery closes the channels: the threads before it end by themselves.
    drop(to_deliver);
    let transforming = transforming.await.map_err(|_| RunError::Lost(id.clone()))?;
    let reading = reading.await.map_err(|_| RunError::Lost(id))?;
    delivered?;
    transforming?;
    reading?;
    Ok(Report { counts, took: started.elapsed() })
}

/// A batch for the transform thread.
enum Feed {
    /// Already delivered by an earlier run: only its ids count.
    Known(lethe_core::record::IncomingBatch),
    /// To be processed.
    New(lethe_core::record::IncomingBatch),
}

/// The thread that reads.
struct Reader {
    open: OpenSource,
    progress: Progress,
    dedupes: bool,
    follow: bool,
    watch: Arc<Watch>,
}

impl Reader {
    fn read(&mut self, batches: &mpsc::Sender<Feed>) -> Result<(), RunError> {
        if self.dedupes {
            refill::refill(&mut self.open, &self.progress, &self.watch, batches)?;
        }
        loop {
            let mut source = (self.open)(&self.progress)?;
            self.watch.total.store(source.total_bytes().unwrap_or(0), Ordering::Relaxed);
            while !self.watch.stop.load(Ordering::Relaxed) {
                let Some(batch) = source.next_batch(BATCH)? else { break };
                self.watch.bytes.store(source.bytes_read(), Ordering::Relaxed);
                self.progress.offsets.insert(batch.stream.to_string(), batch.next_offset);
                if batches.blocking_send(Feed::New(batch)).is_err() {
                    return Ok(());
                }
            }
            if !self.follow || self.watch.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            // A file tells nobody that it grew: look again, a few times a second.
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    }
}
