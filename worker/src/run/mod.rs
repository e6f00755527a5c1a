//! A running pipeline: a thread that reads, a thread that transforms, a task that delivers, and
//! bounded channels between them. An offset is committed only when every sink and the dead letter
//! hold what came before it.

mod counts;
mod deliver;
mod files;
mod late;
mod letters;
mod part;
mod patience;
mod refill;
mod sink_task;
#[cfg(feature = "kafka")]
mod strangers;
mod subject_keys;
mod subjects;
#[cfg(feature = "kafka")]
mod topic;
mod transform;
mod watch;
mod window;

use std::{sync::Arc, time::Instant};

pub use counts::{Counts, SinkCounts};
pub(crate) use deliver::Deliverer;
use files::Reader;
use late::LateLetters;
use lethe_core::{
    engine::{Engine, EngineError},
    keys::KeyRing,
    pipeline::Pipeline,
};
use lethe_stores::{DeadLetters, Sink, Source, StoreError, Vault, bookkeeping::Progress};
use letters::LetterSealer;
pub(crate) use letters::expire_before;
pub use letters::{LetterError, open_letter};
use part::Feed;
pub use part::{Part, Receipt};
pub use subject_keys::KeyError;
use tokio::{runtime::Handle, sync::mpsc};
#[cfg(feature = "kafka")]
pub use topic::TopicOrigin;
pub use transform::{Transformed, Transformer};
pub use watch::Watch;

use crate::observe::Phase;

/// Records of a batch. Large enough that a transaction is cheap, small enough that a batch lives
/// in the cache and that a stop is quick.
const BATCH: usize = 2_000;

/// Batches that wait between two threads; each has another one in its hands.
const DEPTH: usize = 1;

/// Everything a pipeline works with, opened.
pub struct Job {
    /// What it does.
    pub pipeline: Pipeline,
    /// Its keys, already checked against the key store.
    pub ring: Arc<KeyRing>,
    /// Where its subjects' keys lie, with its progress and the register of places.
    pub vault: Arc<dyn Vault>,
    /// Where its dead letters lie.
    pub letters: Arc<dyn DeadLetters>,
    /// Its sinks, in the order of the pipeline.
    pub sinks: Vec<Box<dyn Sink>>,
}

/// Where events come from, to be opened.
pub enum Origin {
    /// Files, or standard input.
    Files(OpenSource),
    /// A topic.
    #[cfg(feature = "kafka")]
    Topic(Box<TopicOrigin>),
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
    /// It was told to stop, and stores did not answer.
    #[error(
        "stopped with {batches} batches undelivered: a store did not answer for {} s; nothing is lost, they are read \
         again",
        after.as_secs()
    )]
    Undelivered {
        /// How many.
        batches: usize,
        /// How long they were waited for.
        after: std::time::Duration,
    },
    /// A thread ended without a word: a defect of Lethe itself.
    #[error("a thread of the pipeline {0} ended without an answer; please report this")]
    Lost(String),
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

/// Runs a pipeline until its source ends, or until [`Watch::stop`]. With `follow`, the end
/// of the source is where it waits for more.
pub async fn run(job: Job, origin: Origin, follow: bool, watch: Arc<Watch>) -> Result<Report, RunError> {
    let started = Instant::now();
    let id = pipeline_id(&job.pipeline);
    let progress = job.vault.progress(id.clone()).await?;
    let engine = Arc::new(Engine::new(&job.pipeline, Arc::clone(&job.ring))?);
    let dedupe = job.pipeline.dedupe;
    let mut transformer = Transformer::new(&job, Arc::clone(&engine), Handle::current(), Arc::clone(&watch));
    let sealer = LetterSealer::new(&job, Arc::clone(&engine), Arc::clone(&watch));
    let late = LateLetters::new(engine, sealer, transformer.refusals());
    let mut deliverer = Deliverer::new(job, Arc::clone(&watch));
    deliverer.restore(&progress).await?;
    watch.shown.board.opened();
    watch.shown.board.phase(Phase::Running);

    let (batches, mut to_transform) = mpsc::channel(DEPTH);
    let (known, mut to_remember) = mpsc::channel(1);
    let (transformed, to_deliver) = mpsc::channel::<Transformed>(DEPTH);
    #[cfg(feature = "kafka")]
    let flow = Arc::new(lethe_stores::kafka::Flow::default());
    let reading = match origin {
        Origin::Files(open) => {
            drop(known);
            let watch = Arc::clone(&watch);
            let mut reader = Reader { open, progress, dedupes: dedupe.is_some(), follow, watch };
            tokio::task::spawn_blocking(move || reader.read(&batches))
        }
        #[cfg(feature = "kafka")]
        Origin::Topic(origin) => {
            let reader = topic::TopicReader {
                origin: *origin,
                flow: Arc::clone(&flow),
                follow,
                dedupe_ids: dedupe.map(|rules| rules.max_ids),
                known,
                watch: Arc::clone(&watch),
                ends: std::collections::BTreeMap::new(),
                positions: std::collections::BTreeMap::new(),
                told: Instant::now(),
            };
            tokio::task::spawn_blocking(move || reader.read(&batches))
        }
    };
    let runtime = Handle::current();
    let transforming = tokio::task::spawn_blocking(move || -> Result<(), RunError> {
        // What is new comes first; what is only to be remembered is done beside it.
        while let Some(feed) = runtime.block_on(async {
            tokio::select! {
                biased;
                new = to_transform.recv() => new,
                Some(known) = to_remember.recv() => Some(known),
            }
        }) {
            match feed {
                Feed::Known(batch) => transformer.remember(&batch)?,
                #[cfg(feature = "kafka")]
                Feed::Gone(streams) => transformer.forget(&streams),
                Feed::New(parts) => {
                    if transformed.blocking_send(transformer.transform(parts)?).is_err() {
                        break;
                    }
                }
            }
        }
        Ok(())
    });
    let mut counts = Counts::default();
    let acknowledge = |receipt: &Receipt| match receipt {
        Receipt::Books => {}
        #[cfg(feature = "kafka")]
        Receipt::Group(ticket) => flow.acknowledge(ticket),
    };
    let delivered = deliverer.run(to_deliver, late, &acknowledge, &mut counts).await;
    if delivered.is_err() {
        // The channels are closed: the threads before it end by themselves, once they look.
        watch.stop();
    }
    let transforming = transforming.await.map_err(|_| RunError::Lost(id.clone()))?;
    let reading = reading.await.map_err(|_| RunError::Lost(id))?;
    delivered?;
    transforming?;
    reading?;
    watch.shown.board.phase(Phase::Stopped);
    Ok(Report { counts, took: started.elapsed() })
}
