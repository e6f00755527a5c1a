//! From manifests to a job: every reference looked up, every store opened, every key checked.

mod connect;
mod housekeeper;
mod keys;
mod records;
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
    Access, DeadLetters, StoreError, Vault,
    bookkeeping::Progress,
    file::{FileSource, FileSourceOptions},
};
pub(crate) use records::open_records;
use sha2::{Digest, Sha256};
pub use stores::Stores;
pub use surroundings::Around;

use crate::{
    clock::now,
    observe::{About, Source},
    run::{Job, Origin, pipeline_id},
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
    /// A Secret of a connection can't be used.
    #[error("the DataStore {store:?} names the Secret {secret:?}: {message}")]
    Secret {
        /// The DataStore.
        store: String,
        /// The Secret.
        secret: String,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// A store is not on this machine, and nobody said that it may be used.
    #[error(
        "the DataStore {store:?} is at {address}, which is not on this machine: add --live if this run is meant to read \
         and write there"
    )]
    NotLive {
        /// The DataStore.
        store: String,
        /// The address.
        address: String,
    },
    /// This build can't.
    #[error("{what} is on {kind}, and this build of lethe-worker has no support for it; it has: {}", SUPPORTED.join(", "))]
    Unsupported {
        /// The sink, the source, the key store.
        what: String,
        /// Kind of store.
        kind: String,
    },
}

/// What this build can open.
const SUPPORTED: &[&str] = &[
    "embedded",
    "file",
    #[cfg(feature = "kafka")]
    "kafka",
    #[cfg(feature = "cassandra")]
    "cassandra",
    #[cfg(feature = "mongodb")]
    "mongodb",
];

/// How a pipeline is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Forget how far it came.
    pub from_start: bool,
    /// Look only: no sink is opened, nothing is made or recorded, and what is absent is an error.
    pub dry_run: bool,
    /// Stores that are not on this machine may be used.
    pub live: bool,
    /// Read in the pipeline's own consumer group, beside the workers that are in it. Else a run
    /// outside of a cluster has a group of its own.
    pub join: bool,
    /// Whom this run works for, as the operator names it: members of the group that work for somebody else are told.
    pub identity: Option<String>,
}

impl OpenOptions {
    /// The consumer group that a run reads in.
    fn group(&self, group: &str) -> String {
        if self.join || in_cluster() { group.to_owned() } else { local_group(group) }
    }
}

/// How long what is under way may take when partitions go, or when a run is stopped.
#[cfg(feature = "kafka")]
const DRAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// A pipeline, opened.
pub struct Opened {
    /// What it works with.
    pub job: Job,
    /// Its source.
    pub origin: Origin,
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
    pub vault: Arc<dyn Vault>,
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
pub async fn open_to_read<'r>(
    resources: &'r Resources,
    name: Option<&str>,
    live: bool,
) -> Result<Keyed<'r>, OpenError> {
    let keyed = open_keys(resources, name, Access::Look, live).await?;
    keys::verify(&keyed.ring, &*keyed.vault).await?;
    Ok(keyed)
}

async fn open_keys<'r>(
    resources: &'r Resources,
    name: Option<&str>,
    access: Access,
    live: bool,
) -> Result<Keyed<'r>, OpenError> {
    let found = find(resources, name)?;
    let Checked { pipeline, warnings } = check(resources, found)?;
    let ring = find_ring(resources, &pipeline)?;
    // Before a store is touched: a Secret that can't serve every sink writes nothing.
    ring.require(pipeline.sinks.iter().map(|sink| sink.audience))?;
    let mut stores = Stores::new(resources, &pipeline.namespace, access, live);
    let vault = stores.vault(&pipeline.key_store, &pipeline.key_database, "the key store").await?;
    Ok(Keyed { pipeline, warnings, ring, vault, stores })
}

/// Opens a pipeline: its stores, its keys, its sinks.
pub async fn open(resources: &Resources, name: Option<&str>, options: &OpenOptions) -> Result<Opened, OpenError> {
    let live = options.live || in_cluster();
    let keyed = if options.dry_run {
        open_to_read(resources, name, live).await?
    } else {
        let keyed = open_keys(resources, name, Access::Make, live).await?;
        keys::agree(&keyed.ring, &*keyed.vault).await?;
        keyed
    };
    let Keyed { pipeline, warnings, ring, vault, mut stores } = keyed;
    let id = pipeline_id(&pipeline);
    // The source first: what it lacks makes no table.
    let origin = origin(&pipeline, &stores, options).await?;
    let letters = letters(&pipeline, &mut stores).await?;
    let sinks = if options.dry_run {
        Vec::new()
    } else {
        vault.register(id.clone(), sinks::places(&pipeline)).await?;
        sinks::open(&pipeline, &mut stores, options).await?
    };
    if options.from_start {
        // Only now: its files are locked, so that no other run of it is under way.
        vault.forget(id).await?;
    }
    let housekeeper = Housekeeper::new(&pipeline, stores.opened(), Arc::clone(&vault), Arc::clone(&letters));
    let job = Job { ring: Arc::new(ring), vault, letters, sinks, pipeline };
    Ok(Opened { job, origin, housekeeper, warnings })
}

/// What is shown of the pipeline that is meant, before any of its stores is opened.
pub fn about(resources: &Resources, name: Option<&str>, options: &OpenOptions) -> Result<About, OpenError> {
    let found = find(resources, name)?;
    let Checked { pipeline, .. } = check(resources, found)?;
    let spec = serde_json::to_vec(&found.spec).unwrap_or_default();
    let hash: String = Sha256::digest(spec).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let mut about = About::of(&pipeline, hash);
    if let Source::Kafka { group, .. } = &mut about.source {
        *group = options.group(group);
    }
    Ok(about)
}

/// Looks whether every store of a pipeline answers and is what the manifest says; makes nothing.
/// Answers what is wrong, a line a store, topic or table.
pub async fn probe(resources: &Resources, name: Option<&str>, live: bool) -> Result<Vec<OpenError>, OpenError> {
    let found = find(resources, name)?;
    let Checked { pipeline, .. } = check(resources, found)?;
    let mut stores = Stores::new(resources, &pipeline.namespace, Access::Look, live || in_cluster());
    let mut wrong = Vec::new();
    match stores.find_vault(&pipeline.key_store, &pipeline.key_database, "the key store").await {
        Ok(Some(vault)) => {
            if let Ok(ring) = find_ring(resources, &pipeline) {
                wrong.extend(keys::verify(&ring, &*vault).await.err());
            }
        }
        Ok(None) => {}
        Err(error) => wrong.push(error),
    }
    wrong.extend(origin(&pipeline, &stores, &OpenOptions::default()).await.err());
    if let Some(rules) = &pipeline.dead_letter {
        wrong.extend(look_at_letters(&rules.target, &mut stores).await.err());
    }
    for sink in &pipeline.sinks {
        wrong.extend(sinks::look(sink, &mut stores).await.err());
    }
    let mut said = std::collections::BTreeSet::new();
    wrong.retain(|error| said.insert(error.to_string()));
    Ok(wrong)
}

/// Whether this runs in a pod.
pub fn in_cluster() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

fn unsupported(what: impl Into<String>, kind: &str) -> OpenError {
    OpenError::Unsupported { what: what.into(), kind: kind.to_owned() }
}

async fn letters(pipeline: &Pipeline, stores: &mut Stores<'_>) -> Result<Arc<dyn DeadLetters>, OpenError> {
    let Some(rules) = &pipeline.dead_letter else {
        return Err(OpenError::Which(
            "the pipeline has no deadLetter, and an event that breaks a rule must not be lost".to_owned(),
        ));
    };
    look_at_letters(&rules.target, stores).await?;
    match &rules.target {
        DeadLetterTarget::Embedded { store } => Ok(stores.embedded(store, "the dead letter")?),
        #[cfg(feature = "kafka")]
        DeadLetterTarget::Kafka(to) => {
            let connection = stores.kafka(&to.store_ref.name, "the dead letter")?;
            Ok(Arc::new(lethe_stores::kafka::KafkaLetters::open(&connection, &to.topic)?))
        }
        #[cfg(not(feature = "kafka"))]
        DeadLetterTarget::Kafka(_) => Err(unsupported("the dead letter", "kafka")),
    }
}

async fn look_at_letters(target: &DeadLetterTarget, stores: &mut Stores<'_>) -> Result<(), OpenError> {
    match target {
        DeadLetterTarget::Embedded { .. } => Ok(()),
        #[cfg(feature = "kafka")]
        DeadLetterTarget::Kafka(to) => {
            use lethe_stores::kafka::{Need, Topic, ensure};
            let connection = stores.kafka(&to.store_ref.name, "the dead letter")?;
            let topic = Topic {
                name: to.topic.clone(),
                need: Need::DeadLetters,
                manage: to.manage.unwrap_or(lethe_crds::profile_pipeline::Manage::Check),
                partitions: to.partitions,
                replication: to.replication,
            };
            ensure(&connection, &topic, stores.access()).await?;
            Ok(())
        }
        #[cfg(not(feature = "kafka"))]
        DeadLetterTarget::Kafka(_) => {
            let _ = stores;
            Err(unsupported("the dead letter", "kafka"))
        }
    }
}

async fn origin(pipeline: &Pipeline, stores: &Stores<'_>, options: &OpenOptions) -> Result<Origin, OpenError> {
    match &pipeline.source {
        SourceRules::File { path, format, delimiter, columns } => {
            let mut options = FileSourceOptions::new(path.clone(), *format, now());
            options.delimiter = *delimiter;
            options.columns.clone_from(columns);
            Ok(Origin::Files(Box::new(move |progress: &Progress| {
                let mut options = options.clone();
                options.resume.clone_from(&progress.offsets);
                Ok(Box::new(FileSource::open(options)?))
            })))
        }
        #[cfg(feature = "kafka")]
        SourceRules::Kafka { store, topic, group, from_earliest } => {
            use lethe_stores::kafka::{ConsumerOptions, Need, Topic, ensure};
            let connection = stores.kafka(store, "the source")?;
            let wanted = Topic {
                name: topic.clone(),
                need: Need::Source,
                manage: lethe_crds::profile_pipeline::Manage::Check,
                partitions: None,
                replication: None,
            };
            ensure(&connection, &wanted, Access::Look).await?;
            let options = ConsumerOptions {
                topic: topic.clone(),
                group: options.group(group),
                from_earliest: *from_earliest,
                from_start: options.from_start,
                drain: DRAIN,
                identity: options.identity.clone(),
            };
            Ok(Origin::Topic(Box::new(crate::run::TopicOrigin { connection, options })))
        }
        #[cfg(not(feature = "kafka"))]
        SourceRules::Kafka { .. } => {
            let _ = (stores, options);
            Err(unsupported("the source", "kafka"))
        }
    }
}

/// The group of a run on somebody's own machine: it takes no partition from the workers.
fn local_group(group: &str) -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).collect();
    format!("{group}.local.{}", if user.is_empty() { "somebody" } else { &user })
}
