//! Whether a pipeline can be run in a cluster: a chain of checks, each with its reason and what to do. Pure.

use lethe_core::pipeline::{DeadLetterTarget, Mistake, Pipeline, SinkTarget, SourceRules, StoreKind};
use lethe_crds::ProfilePipeline;
use lethe_stores::reach;

use super::dereference::Found;
use crate::{conditions::Reason, fault::Fault, secrets::Look, store::not_allowed};

/// Why it can't be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In a word.
    pub reason: Reason,
    /// For a person, with what to do.
    pub message: String,
}

impl Refusal {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The API server did not take what was written, or did not show what was looked for.
    pub fn by_the_api_server(fault: &Fault) -> Self {
        Self::new(Reason::Refused, format!("{fault}: what refuses it may be RBAC, a quota or an admission policy"))
    }

    /// Whether what is missing may come without a change of the pipeline.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self.reason,
            Reason::StoreNotFound
                | Reason::SecretNotFound
                | Reason::SecretNotAllowed
                | Reason::ConfigMapNotFound
                | Reason::NameConflict
                | Reason::Refused
        )
    }
}

/// A Secret that workers mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Its name.
    pub name: String,
    /// UID and resource version.
    pub version: String,
}

/// A pipeline that can be run.
#[derive(Clone, Debug)]
pub struct Valid {
    /// The Secrets that its workers mount, by name.
    pub secrets: Vec<Mounted>,
    /// What its author should know nevertheless.
    pub warnings: Vec<Mistake>,
}

/// Checks everything.
pub fn validate(pipeline: &ProfilePipeline, found: &Found) -> Result<Valid, Refusal> {
    references(pipeline, found)?;
    let secrets = secrets(pipeline, found)?;
    let checked = Pipeline::check(pipeline, found).map_err(|mistakes| of_mistakes(&mistakes))?;
    for_clusters(&checked.pipeline, found)?;
    Ok(Valid { secrets, warnings: checked.warnings })
}

fn references(pipeline: &ProfilePipeline, found: &Found) -> Result<(), Refusal> {
    for name in super::dereference::stores_of(pipeline) {
        if !found.stores.contains_key(&name) {
            let there = if found.store_names.is_empty() { "none".to_owned() } else { found.store_names.join(", ") };
            let message = format!("there is no DataStore {name} in this namespace (there are: {there}): make it");
            return Err(Refusal::new(Reason::StoreNotFound, message));
        }
    }
    let schema = pipeline.spec.event.schema.as_ref().and_then(|schema| schema.config_map_key_ref.as_ref());
    if let Some(reference) = schema {
        let there = found.schema.as_ref().is_some_and(|texts| texts.contains_key(&reference.key));
        if !there {
            let message =
                format!("there is no ConfigMap {} with the key {} in this namespace", reference.name, reference.key);
            return Err(Refusal::new(Reason::ConfigMapNotFound, message));
        }
    }
    Ok(())
}

fn secrets(pipeline: &ProfilePipeline, found: &Found) -> Result<Vec<Mounted>, Refusal> {
    let mut mounted = Vec::new();
    let keys_secret = &pipeline.spec.keys.secret_ref.name;
    for (name, look) in &found.secrets {
        match look {
            Look::Absent => {
                let message = if name == keys_secret {
                    format!("there is no Secret {name} in this namespace: make it with lethe-worker keys create {name}")
                } else {
                    format!("there is no Secret {name} in this namespace: make it")
                };
                return Err(Refusal::new(Reason::SecretNotFound, message));
            }
            Look::NotAllowed { secret_type } => {
                return Err(Refusal::new(Reason::SecretNotAllowed, not_allowed(name, secret_type)));
            }
            Look::Allowed { version, keys, .. } => {
                let wanted = found.stores.values().flat_map(reach::secrets_of).filter(|(wanted, _)| wanted == name);
                if let Some(missing) = wanted.flat_map(|(_, wanted)| wanted).find(|wanted| !keys.contains(wanted)) {
                    let message = format!("the Secret {name} has no key {missing}: add it");
                    return Err(Refusal::new(Reason::SecretNotFound, message));
                }
                mounted.push(Mounted { name: name.clone(), version: version.clone() });
            }
        }
    }
    Ok(mounted)
}

fn of_mistakes(mistakes: &[Mistake]) -> Refusal {
    let errors: Vec<String> = mistakes.iter().filter(|mistake| mistake.is_error()).map(Mistake::to_string).collect();
    Refusal::new(Reason::InvalidSpec, errors.join("\n"))
}

/// Files and embedded stores are on one machine; pods come and go on many.
fn for_clusters(pipeline: &Pipeline, found: &Found) -> Result<(), Refusal> {
    let refuse = |path: String| {
        let message = format!(
            "{path} is on one machine, and pods come and go on many: use Kafka, Cassandra or MongoDB in a cluster, or run \
             this pipeline with lethe-worker run -f"
        );
        Err(Refusal::new(Reason::NotForClusters, message))
    };
    if matches!(pipeline.source, SourceRules::File { .. }) {
        return refuse("spec.source.file".to_owned());
    }
    for sink in &pipeline.sinks {
        match sink.target {
            SinkTarget::Embedded { .. } | SinkTarget::File { .. } => return refuse(format!("the sink {}", sink.name)),
            SinkTarget::Cassandra(_) | SinkTarget::Mongodb(_) | SinkTarget::Kafka(_) => {}
        }
    }
    if let Some(letters) = &pipeline.dead_letter
        && matches!(letters.target, DeadLetterTarget::Embedded { .. })
    {
        return refuse("spec.deadLetter.embedded".to_owned());
    }
    let kind = found.stores.get(&pipeline.key_store).and_then(|store| StoreKind::try_from(&store.spec).ok());
    if kind == Some(StoreKind::Embedded) {
        return refuse("spec.keys.storeRef".to_owned());
    }
    Ok(())
}
