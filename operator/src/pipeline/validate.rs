//! Checks whether a pipeline can run in a cluster: a chain of checks, each with its reason and what
//! to do. Pure.

use lethe_core::pipeline::{DeadLetterTarget, Mistake, Pipeline, SinkTarget, SourceRules, StoreKind};
use lethe_crds::ProfilePipeline;
use lethe_stores::open::secrets_of;

use super::dereference::References;
use crate::{conditions::Reason, fault::Fault, secrets::Look, store::not_allowed};

/// Why a pipeline can't run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason of its conditions.
    pub reason: Reason,
    /// The same for a person, with what to do.
    pub message: String,
}

impl Refusal {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// Returns the refusal for a request that the API server refused.
    pub fn by_the_api_server(fault: &Fault) -> Self {
        Self::new(Reason::Refused, format!("{fault}: what refuses it may be RBAC, a quota or an admission policy"))
    }

    /// Returns whether the cause may disappear without a change of the pipeline.
    pub const fn is_transient(&self) -> bool {
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

/// A pipeline that can run.
#[derive(Clone, Debug)]
pub struct Valid {
    /// The Secrets that its workers mount, ordered by name.
    pub secrets: Vec<Mounted>,
    /// Warnings for its author.
    pub warnings: Vec<Mistake>,
}

/// Runs all checks and returns the first refusal.
pub fn validate(pipeline: &ProfilePipeline, references: &References) -> Result<Valid, Refusal> {
    check_references(pipeline, references)?;
    let secrets = check_secrets(pipeline, references)?;
    let checked = Pipeline::check(pipeline, references).map_err(|mistakes| invalid_spec(&mistakes))?;
    refuse_local_targets(&checked.pipeline, references)?;
    Ok(Valid { secrets, warnings: checked.warnings })
}

fn check_references(pipeline: &ProfilePipeline, references: &References) -> Result<(), Refusal> {
    for name in super::dereference::store_names(pipeline) {
        if !references.stores.contains_key(&name) {
            let there =
                if references.store_names.is_empty() { "none".to_owned() } else { references.store_names.join(", ") };
            let message = format!("there is no DataStore {name} in this namespace (there are: {there}): make it");
            return Err(Refusal::new(Reason::StoreNotFound, message));
        }
    }
    let schema = pipeline.spec.event.schema.as_ref().and_then(|schema| schema.config_map_key_ref.as_ref());
    if let Some(reference) = schema {
        let there = references.schema.as_ref().is_some_and(|texts| texts.contains_key(&reference.key));
        if !there {
            let message =
                format!("there is no ConfigMap {} with the key {} in this namespace", reference.name, reference.key);
            return Err(Refusal::new(Reason::ConfigMapNotFound, message));
        }
    }
    Ok(())
}

fn check_secrets(pipeline: &ProfilePipeline, references: &References) -> Result<Vec<Mounted>, Refusal> {
    let mut mounted = Vec::new();
    let keys_secret = &pipeline.spec.keys.secret_ref.name;
    for (name, look) in &references.secrets {
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
                let wanted = references.stores.values().flat_map(secrets_of).filter(|(wanted, _)| wanted == name);
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

fn invalid_spec(mistakes: &[Mistake]) -> Refusal {
    let errors: Vec<String> = mistakes.iter().filter(|mistake| mistake.is_error()).map(Mistake::to_string).collect();
    Refusal::new(Reason::InvalidSpec, errors.join("\n"))
}

/// Refuses files and embedded stores: they are on one machine, and pods run on many.
fn refuse_local_targets(pipeline: &Pipeline, references: &References) -> Result<(), Refusal> {
    let refuse = |path: String| {
        let message = format!(
            "{path} is on one machine, and pods run on many: use Kafka, Cassandra or MongoDB in a cluster, or run \
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
    let kind = references.stores.get(&pipeline.key_store).and_then(|store| StoreKind::try_from(&store.spec).ok());
    if kind == Some(StoreKind::Embedded) {
        return refuse("spec.keys.storeRef".to_owned());
    }
    Ok(())
}
