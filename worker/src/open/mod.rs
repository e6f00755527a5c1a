//! Turns manifests into a job: resolves references, opens stores, verifies keys.

mod canonical;
mod housekeeper;
mod keys;
mod same_file;
mod surroundings;

use std::sync::Arc;

pub use housekeeper::{Expired, Housekeeper};
pub(crate) use keys::may_read;
pub use keys::{find_ring, find_ring_of, read_ring};
use lethe_core::{
    keys::{FileKey, KeyRing, KeyRingError, KeyRingMismatch},
    pipeline::{Checked, Mistake, Pipeline},
};
use lethe_crds::{
    ProfilePipeline,
    load::{DEFAULT_NAMESPACE, Resources},
};
pub use lethe_stores::open::Stores;
use lethe_stores::{
    Access, StoreError, Vault,
    file::{FileSource, FileSourceOptions, Timestamps},
    open::{
        OpenedSource, check_dead_letters, check_sink, compare_record_sizes, open_dead_letters, open_sinks, open_source,
    },
};
use sha2::{Digest, Sha256};
pub use surroundings::NamespaceObjects;

use crate::{
    clock::now,
    observe::{PipelineInfo, SourceInfo},
    run::{EventSource, FileRange, Job},
};

/// Why a pipeline can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The pipeline is invalid.
    #[error("the pipeline has mistakes")]
    Mistakes(Vec<Mistake>),
    /// It is ambiguous which pipeline is meant.
    #[error("{0}")]
    Undeclared(String),
    /// A store can't be opened.
    #[error(transparent)]
    Open(#[from] lethe_stores::open::OpenError),
    /// The keys Secret is missing or may not be read.
    #[error("{0}")]
    Keys(String),
    /// The keys Secret holds no valid key ring.
    #[error("the Secret of the keys: {0}")]
    Ring(#[from] KeyRingError),
    /// The key store was used with another key.
    #[error(transparent)]
    Check(#[from] KeyRingMismatch),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        lethe_stores::open::OpenError::from(error).into()
    }
}

/// How a pipeline is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Discard the committed position.
    pub from_start: bool,
    /// Read only: opens no sink, creates and records nothing, and fails if something is absent.
    pub dry_run: bool,
    /// Allow stores that are not on this machine.
    pub live: bool,
    /// Read in the pipeline's own consumer group, together with its workers. By default, a run
    /// outside of a cluster uses a group of its own.
    pub join: bool,
    /// The identity of the run's owner, as set by the operator. Group members with another identity
    /// are reported.
    pub identity: Option<String>,
}

impl OpenOptions {
    /// Returns the consumer group of a run.
    fn group(&self, group: &str) -> String {
        if self.join || in_cluster() { group.to_owned() } else { local_group(group) }
    }
}

/// How long batches in flight may take when partitions are revoked or the run is stopped.
#[cfg(feature = "kafka")]
const DRAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// An open pipeline.
pub struct Opened {
    /// What it runs with.
    pub job: Job,
    /// Its source.
    pub source: EventSource,
    /// Removes expired data.
    pub housekeeper: Housekeeper,
    /// Warnings for the user.
    pub warnings: Vec<Mistake>,
}

/// A pipeline with its keys, and stores that are opened on demand.
pub struct PipelineAccess<'r> {
    /// The rules of the pipeline.
    pub pipeline: Pipeline,
    /// Warnings for the user.
    pub warnings: Vec<Mistake>,
    /// Its keys, verified against the key store.
    pub ring: KeyRing,
    /// The store of its subjects' keys.
    pub vault: Arc<dyn Vault>,
    /// The stores of its namespace.
    pub stores: Stores<'r>,
}

/// Finds the named pipeline, or the only one. Fails if there is none or the choice is ambiguous.
pub fn find<'r>(resources: &'r Resources, name: Option<&str>) -> Result<&'r ProfilePipeline, OpenError> {
    let all: Vec<&ProfilePipeline> = resources.pipelines().collect();
    let full = |pipeline: &ProfilePipeline| {
        let metadata = &pipeline.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
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
        (None, _, None) => Err(OpenError::Undeclared("the manifests hold no ProfilePipeline".to_owned())),
        (None, _, Some(name)) if all.is_empty() => {
            Err(OpenError::Undeclared(format!("no ProfilePipeline is called {name:?}; the manifests hold none at all")))
        }
        (None, _, Some(name)) => {
            Err(OpenError::Undeclared(format!("no ProfilePipeline is called {name:?}; there are: {}", names())))
        }
        (Some(_), Some(_), _) => {
            Err(OpenError::Undeclared(format!("there are several pipelines, name the one that is meant: {}", names())))
        }
    }
}

/// Checks a pipeline and its references.
pub fn check(resources: &Resources, pipeline: &ProfilePipeline) -> Result<Checked, OpenError> {
    let namespace = pipeline.metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let checked = Pipeline::check(pipeline, &NamespaceObjects { resources, namespace }).map_err(OpenError::Mistakes)?;
    let mistakes = same_file::check(resources, &checked.pipeline);
    if mistakes.is_empty() { Ok(checked) } else { Err(OpenError::Mistakes(mistakes)) }
}

/// Opens the keys and stores of a pipeline for reading what it has written. Creates and records
/// nothing. Fails if a store is absent.
pub async fn open_to_read<'r>(
    resources: &'r Resources,
    name: Option<&str>,
    live: bool,
) -> Result<PipelineAccess<'r>, OpenError> {
    let pipeline_access = open_keys(resources, name, Access::ReadOnly, live).await?;
    keys::verify(&pipeline_access.ring, &*pipeline_access.vault).await?;
    Ok(pipeline_access)
}

async fn open_keys<'r>(
    resources: &'r Resources,
    name: Option<&str>,
    access: Access,
    live: bool,
) -> Result<PipelineAccess<'r>, OpenError> {
    let found = find(resources, name)?;
    let Checked { mut pipeline, warnings } = check(resources, found)?;
    let ring = find_ring(resources, &pipeline)?;
    // Before a store is opened: a Secret that lacks the key of a sink leads to no writes.
    ring.require(pipeline.sinks.iter().map(|sink| sink.audience))?;
    let mut stores = Stores::new(resources, &pipeline.namespace, access, live);
    let vault = stores.vault(&pipeline.key_store, &pipeline.key_database, "the key store").await?;
    pipeline.event.canonical_version = canonical::version(&*vault, &pipeline.event.space, access).await?;
    Ok(PipelineAccess { pipeline, warnings, ring, vault, stores })
}

/// Opens the stores, keys and sinks of a pipeline.
pub async fn open(resources: &Resources, name: Option<&str>, options: &OpenOptions) -> Result<Opened, OpenError> {
    let live = options.live || in_cluster();
    let pipeline_access = if options.dry_run {
        open_to_read(resources, name, live).await?
    } else {
        let pipeline_access = open_keys(resources, name, Access::Create, live).await?;
        keys::agree(&pipeline_access.ring, &*pipeline_access.vault).await?;
        pipeline_access
    };
    let PipelineAccess { pipeline, warnings, ring, vault, mut stores } = pipeline_access;
    // The source first, so that no table is created if it can't be read.
    let source = event_source(&pipeline, &stores, ring.file_key(), options).await?;
    let Some(dead_letter) = &pipeline.dead_letter else {
        return Err(OpenError::Undeclared(
            "the pipeline has no deadLetter, and an event that breaks a rule must not be lost".to_owned(),
        ));
    };
    let letters = open_dead_letters(&dead_letter.target, &mut stores).await?;
    let sinks = if options.dry_run {
        Vec::new()
    } else {
        vault.register(pipeline.id(), pipeline.places()).await?;
        open_sinks(&pipeline, &mut stores, &ring.file_key()).await?
    };
    let housekeeper = Housekeeper::new(&pipeline, stores.opened(), Arc::clone(&vault), Arc::clone(&letters));
    let job = Job { ring: Arc::new(ring), vault, letters, sinks, pipeline, from_start: options.from_start };
    Ok(Opened { job, source, housekeeper, warnings })
}

/// Returns the facts about a pipeline that are shown before any of its stores is open.
pub fn pipeline_info(
    resources: &Resources,
    name: Option<&str>,
    options: &OpenOptions,
) -> Result<PipelineInfo, OpenError> {
    let found = find(resources, name)?;
    let Checked { pipeline, .. } = check(resources, found)?;
    let spec = serde_json::to_vec(&found.spec).unwrap_or_default();
    let hash: String = Sha256::digest(spec).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let mut info = PipelineInfo::new(&pipeline, hash);
    if let SourceInfo::Kafka { group, .. } = &mut info.source {
        *group = options.group(group);
    }
    Ok(info)
}

/// What is wrong with the stores of a pipeline.
#[derive(Debug, Default)]
pub struct Probed {
    /// One for each store, topic or table that does not answer or is not as declared.
    pub errors: Vec<OpenError>,
    /// What works, but perhaps not as its owner expects, and the fix.
    pub warnings: Vec<(String, &'static str)>,
}

/// Checks whether every store of a pipeline answers and is as declared. Creates nothing.
pub async fn probe(resources: &Resources, name: Option<&str>, live: bool) -> Result<Probed, OpenError> {
    let found = find(resources, name)?;
    let Checked { pipeline, .. } = check(resources, found)?;
    let mut stores = Stores::new(resources, &pipeline.namespace, Access::ReadOnly, live || in_cluster());
    let (mut wrong, mut warnings) = (Vec::new(), Vec::new());
    match stores.find_vault(&pipeline.key_store, &pipeline.key_database, "the key store").await {
        Ok(Some(vault)) => {
            if let Ok(ring) = find_ring(resources, &pipeline) {
                wrong.extend(keys::verify(&ring, &*vault).await.err());
            }
        }
        Ok(None) => {}
        Err(error) => wrong.push(error.into()),
    }
    wrong.extend(event_source(&pipeline, &stores, FileKey::public(), &OpenOptions::default()).await.err());
    if let Some(rules) = &pipeline.dead_letter {
        wrong.extend(check_dead_letters(&rules.target, &mut stores).await.err().map(OpenError::from));
        // A store that does not answer is reported above.
        if let Ok(Some(warning)) = compare_record_sizes(&pipeline.source, &rules.target, &stores).await {
            warnings
                .push((warning, "raise max.message.bytes of the topic of the dead letters above that of the source"));
        }
    }
    for sink in &pipeline.sinks {
        wrong.extend(check_sink(sink, &mut stores).await.err().map(OpenError::from));
    }
    let mut reported = std::collections::BTreeSet::new();
    wrong.retain(|error| reported.insert(error.to_string()));
    Ok(Probed { errors: wrong, warnings })
}

/// Returns whether this process runs in a pod.
pub fn in_cluster() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

async fn event_source(
    pipeline: &Pipeline,
    stores: &Stores<'_>,
    key: FileKey,
    options: &OpenOptions,
) -> Result<EventSource, OpenError> {
    #[cfg(not(feature = "kafka"))]
    let _ = options;
    Ok(match open_source(&pipeline.source, stores, now()).await? {
        OpenedSource::Files(options) => {
            let timestamps = if pipeline.event.time.is_some() { Timestamps::Absent } else { Timestamps::Modified };
            let options = FileSourceOptions { key, timestamps, ..options };
            EventSource::Files(Box::new(move |range: FileRange<'_>| {
                let options = options.clone();
                Ok(Box::new(match range {
                    FileRange::After { positions, end } => {
                        FileSource::open(FileSourceOptions { resume: positions.clone(), end, ..options })?
                    }
                    FileRange::Before { name, offset, records } => {
                        FileSource::open_before(options, name, offset, records)?
                    }
                }))
            }))
        }
        #[cfg(feature = "kafka")]
        OpenedSource::Topic { connection, topic, group, from_earliest } => {
            let options = lethe_stores::kafka::ConsumerOptions {
                topic,
                group: options.group(&group),
                from_earliest,
                from_start: options.from_start,
                drain: DRAIN,
                identity: options.identity.clone(),
            };
            EventSource::Topic(Box::new(crate::run::TopicSource { connection, options }))
        }
    })
}

/// Returns the group of a run outside of a cluster, which takes no partitions from the workers.
fn local_group(group: &str) -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).collect();
    format!("{group}.local.{}", if user.is_empty() { "somebody" } else { &user })
}
