//! From manifests to a job: every reference looked up, every store opened, every key checked.

mod housekeeper;
mod keys;
mod sinks;
mod stores;
mod surroundings;

use std::sync::Arc;

pub use housekeeper::{Expired, Housekeeper};
pub(crate) use keys::may_read;
pub use keys::{find_ring, find_ring_of, read_ring};
use lethe_core::{
    keys::{KeyRing, KeyRingError, KeyRingMismatch},
    pipeline::{Checked, DeadLetterTarget, Mistake, Pipeline, SourceRules},
};
use lethe_crds::{ProfilePipeline, load::Resources};
use lethe_stores::{
    Bookkeeping, StoreError,
    bookkeeping::Progress,
    embedded::EmbeddedStore,
    file::{FileSource, FileSourceOptions},
};
pub use stores::Stores;
pub use surroundings::Around;

use crate::{
    clock::now,
    run::{Job, OpenSource, pipeline_id},
};

/// Why a pipeline can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The pipeline has mistakes.
    #[error("the pipeline has mistakes")]
    Mistakes(Vec<Mistake>),
    /// It isn't clear which pipeline is meant.
    #[error("{0}")]
    Which(String),
    /// A store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys Secret can't be had.
    #[error("{0}")]
    Keys(String),
    /// The keys Secret holds no key ring.
    #[error("the Secret of the keys: {0}")]
    Ring(#[from] KeyRingError),
    /// Another key was used before.
    #[error(transparent)]
    Check(#[from] KeyRingMismatch),
    /// This build can't.
    #[error("{what} is on {kind}, and this build of lethe-worker has no support for it; it has: embedded, file")]
    Unsupported {
        /// The sink, the source, the key store.
        what: String,
        /// Kind of store.
        kind: String,
    },
}

/// How a pipeline is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// Forget how far it came.
    pub from_start: bool,
    /// Look only: no sink is opened, nothing is made or recorded, and what is absent is an error.
    pub dry_run: bool,
}

/// A pipeline, opened.
pub struct Opened {
    /// What it works with.
    pub job: Job,
    /// Its source.
    pub source: OpenSource,
    /// What looks after its embedded stores.
    pub housekeeper: Housekeeper,
    /// What a person should know.
    pub warnings: Vec<Mistake>,
}

/// A pipeline with its keys, and stores that can be opened.
pub struct Keyed<'r> {
    /// What it does.
    pub pipeline: Pipeline,
    /// What a person should know.
    pub warnings: Vec<Mistake>,
    /// Its keys, checked against the key store.
    pub ring: KeyRing,
    /// Where its subjects' keys lie.
    pub key_store: Arc<EmbeddedStore>,
    /// The stores of its namespace.
    pub stores: Stores<'r>,
}

/// Finds the pipeline that is meant: the named one, or the only one.
pub fn find<'r>(resources: &'r Resources, name: Option<&str>) -> Result<&'r ProfilePipeline, OpenError> {
    let all: Vec<&ProfilePipeline> = resources.pipelines().collect();
    let full = |pipeline: &ProfilePipeline| {
        let metadata = &pipeline.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        format!("{namespace}/{}", metadata.name.as_deref().unwrap_or_default())
    };
    let names = || all.iter().map(|pipeline| full(pipeline)).collect::<Vec<_>>().join(", ");
    let fits = |pipeline: &&&ProfilePipeline| {
        let full = full(pipeline);
        name.is_none_or(|name| full == name || full.split_once('/').is_some_and(|(_, short)| short == name))
    };
    let mut found = all.iter().filter(fits);
    match (found.next(), found.next(), name) {
        (Some(pipeline), None, _) => Ok(pipeline),
        (None, _, None) => Err(OpenError::Which("the manifests hold no ProfilePipeline".to_owned())),
        (None, _, Some(name)) if all.is_empty() => {
            Err(OpenError::Which(format!("no ProfilePipeline is called {name:?}; the manifests hold none at all")))
        }
        (None, _, Some(name)) => {
            Err(OpenError::Which(format!("no ProfilePipeline is called {name:?}; there are: {}", names())))
        }
        (Some(_), Some(_), _) => {
            Err(OpenError::Which(format!("there are several pipelines, name the one that is meant: {}", names())))
        }
    }
}

/// Checks a pipeline against what it refers to.
pub fn check(resources: &Resources, pipeline: &ProfilePipeline) -> Result<Checked, OpenError> {
    let namespace = pipeline.metadata.namespace.as_deref().unwrap_or("default");
    Pipeline::check(pipeline, &Around { resources, namespace }).map_err(OpenError::Mistakes)
}

/// Opens what is needed to read what a pipeline has written: its keys and its stores. Nothing is
/// made or recorded, and a store that is absent is an error.
pub async fn open_to_read<'r>(resources: &'r Resources, name: Option<&str>) -> Result<Keyed<'r>, OpenError> {
    let stores = |namespace: &str| Stores::existing(resources, namespace);
    let keyed = open_keys(resources, name, stores)?;
    keys::verify(&keyed.ring, &*keyed.key_store).await?;
    Ok(keyed)
}

fn open_keys<'r>(
    resources: &'r Resources,
    name: Option<&str>,
    stores: impl FnOnce(&str) -> Stores<'r>,
) -> Result<Keyed<'r>, OpenError> {
    let found = find(resources, name)?;
    let Checked { pipeline, warnings } = check(resources, found)?;
    let ring = find_ring(resources, &pipeline)?;
    // Before a store is touched: a Secret that can't serve every sink writes nothing.
    ring.require(pipeline.sinks.iter().map(|sink| sink.audience))?;
    let mut stores = stores(&pipeline.namespace);
    let key_store = stores.embedded(&pipeline.key_store, "the key store")?;
    Ok(Keyed { pipeline, warnings, ring, key_store, stores })
}

/// Opens a pipeline: its stores, its keys, its sinks.
pub async fn open(resources: &Resources, name: Option<&str>, options: &OpenOptions) -> Result<Opened, OpenError> {
    let keyed = if options.dry_run {
        open_to_read(resources, name).await?
    } else {
        let keyed = open_keys(resources, name, |namespace| Stores::new(resources, namespace))?;
        keys::agree(&keyed.ring, &*keyed.key_store).await?;
        keyed
    };
    let Keyed { pipeline, warnings, ring, key_store: store, mut stores } = keyed;
    let id = pipeline_id(&pipeline);
    let letters = match &pipeline.dead_letter {
        Some(rules) => match &rules.target {
            DeadLetterTarget::Embedded { store } => stores.embedded(store, "the dead letter")?,
            DeadLetterTarget::Kafka { .. } => return Err(unsupported("the dead letter", "kafka")),
        },
        None => Arc::clone(&store),
    };
    let sinks = if options.dry_run {
        Vec::new()
    } else {
        store.register(id.clone(), sinks::places(&pipeline)).await?;
        sinks::open(&pipeline, &mut stores, options)?
    };
    if options.from_start {
        // Only now: its files are locked, so that no other run of it is under way.
        store.forget(id).await?;
    }
    let housekeeper = Housekeeper::new(&pipeline, stores.opened(), Arc::clone(&letters) as _);
    let source = source(&pipeline.source)?;
    let job = Job { ring: Arc::new(ring), key_store: Arc::clone(&store) as _, books: store, letters, sinks, pipeline };
    Ok(Opened { job, source, housekeeper, warnings })
}

fn unsupported(what: impl Into<String>, kind: &str) -> OpenError {
    OpenError::Unsupported { what: what.into(), kind: kind.to_owned() }
}

fn source(rules: &SourceRules) -> Result<OpenSource, OpenError> {
    let SourceRules::File { path, format, delimiter, columns } = rules else {
        return Err(unsupported("the source", "kafka"));
    };
    let mut options = FileSourceOptions::new(path.clone(), *format, now());
    options.delimiter = *delimiter;
    options.columns.clone_from(columns);
    Ok(Box::new(move |progress: &Progress| {
        let mut options = options.clone();
        options.resume.clone_from(&progress.offsets);
        Ok(Box::new(FileSource::open(options)?))
    }))
}
