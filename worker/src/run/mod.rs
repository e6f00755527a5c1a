//! A running pipeline: a thread that reads, a thread that transforms, a task that delivers, and
//! bounded channels between them. An offset is committed only after every sink and the dead letter
//! have acknowledged everything before it.

mod deliver;
mod files;
#[cfg(feature = "kafka")]
mod foreign_members;
mod letters;
mod message;
mod refill;
mod retry;
mod run_handle;
mod sink_rejections;
mod sink_task;
mod subject_keys;
mod subjects;
#[cfg(feature = "kafka")]
mod topic;
mod transform;
mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

pub(crate) use deliver::Deliverer;
use files::FileReader;
use lethe_core::{
    engine::{Engine, EngineError},
    keys::KeyRing,
    pipeline::Pipeline,
};
use lethe_stores::{DeadLetters, FilePosition, Progress, Sink, Source, StoreError, Vault, file::FileEnd};
pub use letters::{LetterError, open_letter};
use letters::{LetterIndex, LetterSealer};
pub(crate) use letters::{expire_before, same_incarnation};
use message::Message;
pub use message::{CommitTarget, SourceBatch};
pub use run_handle::RunHandle;
use sink_rejections::SinkRejections;
pub use subject_keys::KeyError;
use tokio::{runtime::Handle, sync::mpsc};
#[cfg(feature = "kafka")]
pub use topic::TopicSource;
pub(crate) use transform::CUT_RULE;
pub use transform::{Transformed, Transformer};

use crate::{counts::Counts, observe::Phase};

/// Records of a batch, at most. Large enough to make a transaction cheap; small enough to fit into
/// the CPU's cache, and to keep a stop short.
const BATCH: usize = 2_000;

/// Batches that are queued between two threads. Each thread works on one more.
const QUEUE_LENGTH: usize = 1;

/// The open stores, the keys and the rules that a pipeline runs with.
pub struct Job {
    /// The rules of the pipeline.
    pub pipeline: Pipeline,
    /// Its keys, verified against the key store.
    pub ring: Arc<KeyRing>,
    /// The store of its subjects' keys, its progress and the register of places.
    pub vault: Arc<dyn Vault>,
    /// The store of its dead letters.
    pub letters: Arc<dyn DeadLetters>,
    /// Its sinks, in the order of the pipeline.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Whether a run discards the committed progress, and what the sinks hold of it.
    pub from_start: bool,
}

/// A source that is not open yet.
pub enum EventSource {
    /// Files, or standard input.
    Files(OpenSource),
    /// A topic.
    #[cfg(feature = "kafka")]
    Topic(Box<TopicSource>),
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key is not available.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A dead letter can't be sealed or opened.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The pipeline can't be compiled with these keys.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The run was stopped before everything that was in flight was delivered.
    #[error(
        "stopped after {} s with {batches} batches undelivered: {slow}; nothing is lost, they are read again",
        after.as_secs()
    )]
    Undelivered {
        /// Number of undelivered batches.
        batches: usize,
        /// What the run waited for.
        slow: String,
        /// How long the run waited for them.
        after: std::time::Duration,
    },
    /// A thread panicked: a defect of Lethe itself.
    #[error("a thread of the pipeline {0} ended without an answer; please report this")]
    ThreadEnded(String),
}

/// The result of a run.
pub struct Report {
    /// Outcomes of the events.
    pub counts: Counts,
    /// How long it took.
    pub took: std::time::Duration,
    /// Files that were other ones than before, and were read from their start.
    pub replaced: BTreeSet<String>,
}

/// What to read of the files.
#[derive(Clone, Copy, Debug)]
pub enum FileRange<'p> {
    /// Everything after these positions, and of other files everything.
    After {
        /// Positions by file name.
        positions: &'p BTreeMap<String, FilePosition>,
        /// What follows the end of a file.
        end: FileEnd,
    },
    /// Records of one file before an offset: the last ones, at least so many.
    Before {
        /// Name of the file.
        name: &'p str,
        /// The offset.
        offset: u64,
        /// The number of records.
        records: usize,
    },
}

/// Opens files as a source. Called on the thread that reads them.
pub type OpenSource = Box<dyn FnMut(FileRange<'_>) -> Result<Box<dyn Source>, StoreError> + Send>;

/// Runs a pipeline until its source ends, or until [`RunHandle::stop`] is called. With `follow`,
/// waits for more records at the end of the source.
pub async fn run(job: Job, source: EventSource, follow: bool, handle: Arc<RunHandle>) -> Result<Report, RunError> {
    let started = Instant::now();
    let id = job.pipeline.id();
    let mut progress = job.vault.progress(id.clone()).await?;
    let from_start = job.from_start;
    let engine = Arc::new(Engine::new(&job.pipeline, Arc::clone(&job.ring))?);
    let dedupe = job.pipeline.dedupe;
    let mut transformer = Transformer::new(&job, Arc::clone(&engine), Handle::current(), Arc::clone(&handle));
    let sealer = LetterSealer::new(&job, Arc::clone(&engine), Arc::clone(&handle));
    let sink_rejections = SinkRejections::new(engine, sealer, transformer.rejected_ids());
    let letters = LetterIndex::new(&job);
    let mut deliverer = Deliverer::new(job, Arc::clone(&handle));
    if from_start {
        deliverer.start_over(&progress).await?;
        progress = Progress::default();
    } else {
        deliverer.restore(&progress).await?;
    }
    handle.instruments.run_state.stores_opened();
    handle.instruments.run_state.set_phase(Phase::Running);

    let (batches, mut to_transform) = mpsc::channel(QUEUE_LENGTH);
    let (known, mut to_remember) = mpsc::channel(1);
    let (transformed, to_deliver) = mpsc::channel::<Transformed>(QUEUE_LENGTH);
    #[cfg(feature = "kafka")]
    let flow = Arc::new(lethe_stores::kafka::Flow::default());
    let reader_task = match source {
        EventSource::Files(open) => {
            drop(known);
            let handle = Arc::clone(&handle);
            let dedupe_ids = dedupe.map(|rules| rules.max_ids);
            let end = if follow { FileEnd::Grows } else { FileEnd::Final };
            let (resumed, letters) = (progress.offsets, Some(letters));
            let mut reader = FileReader { open, resumed, dedupe_ids, letters, end, handle };
            tokio::task::spawn_blocking(move || reader.read(&batches))
        }
        #[cfg(feature = "kafka")]
        EventSource::Topic(source) => {
            let reader = topic::TopicReader {
                source: *source,
                flow: Arc::clone(&flow),
                follow,
                dedupe_ids: dedupe.map(|rules| rules.max_ids),
                letters,
                known,
                handle: Arc::clone(&handle),
                ends: BTreeMap::new(),
                positions: BTreeMap::new(),
                last_report: Instant::now(),
                generations: std::collections::BTreeMap::new(),
                revoked: Vec::new(),
            };
            tokio::task::spawn_blocking(move || reader.read(&batches))
        }
    };
    let runtime = Handle::current();
    let transform_task = tokio::task::spawn_blocking(move || -> Result<(), RunError> {
        // New records take precedence over records that are only remembered for dedupe.
        while let Some(message) = runtime.block_on(async {
            tokio::select! {
                biased;
                new = to_transform.recv() => new,
                Some(known) = to_remember.recv() => Some(known),
            }
        }) {
            match message {
                Message::History(batch, generation) => transformer.remember(&batch, generation)?,
                Message::Undelivered(records) => transformer.leave_out(records),
                #[cfg(feature = "kafka")]
                Message::Revoked(streams) => transformer.forget(&streams),
                Message::Batches(batches) => {
                    if transformed.blocking_send(transformer.transform(batches)?).is_err() {
                        break;
                    }
                }
            }
        }
        Ok(())
    });
    let mut counts = Counts::default();
    let acknowledge = |commit_to: &CommitTarget| match commit_to {
        CommitTarget::Vault(_) | CommitTarget::Nowhere => {}
        #[cfg(feature = "kafka")]
        CommitTarget::Group(ticket) => flow.acknowledge(ticket),
    };
    let delivered = deliverer.run(to_deliver, sink_rejections, &acknowledge, &mut counts).await;
    if delivered.is_err() {
        // The channels are closed, so the threads before this task end at their next send.
        handle.stop();
    }
    let transform_task = transform_task.await.map_err(|_| RunError::ThreadEnded(id.clone()))?;
    let reader_task = reader_task.await.map_err(|_| RunError::ThreadEnded(id))?;
    delivered?;
    transform_task?;
    reader_task?;
    handle.instruments.run_state.set_phase(Phase::Stopped);
    Ok(Report { counts, took: started.elapsed(), replaced: handle.replaced_files() })
}
