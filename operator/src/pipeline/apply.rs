//! Writes the objects of a pipeline that are missing or differ from what is wanted. An object that
//! the pipeline does not own is left as it is.

use std::sync::Arc;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use lethe_core::pipeline::Mistake;
use lethe_crds::ProfilePipeline;
use serde_json::Value;

use super::{
    build::Wanted,
    children::{Child, Children, owns},
    diff::holds,
    validate::Refusal,
};
use crate::{conditions::Reason, context::Context, events, fault::Fault, names, watches::kind};

/// ConfigMaps that are kept per pipeline, the current one included: a pod of an older ReplicaSet
/// that restarts needs its own.
const KEPT_CONFIGS: usize = 3;

/// What was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The Deployment as it is in the cluster.
    pub deployment: Option<Arc<Deployment>>,
    /// Whether the roll-out waits for those of other pipelines, and the workers keep their version.
    pub queued: bool,
    /// Whether the Deployment was written by this reconcile: its status is outdated then.
    pub written: bool,
    /// Warnings for the author of the pipeline.
    pub warnings: Vec<Mistake>,
}

impl Applied {
    /// Returns the state of a pipeline for which nothing was applied.
    pub fn nothing(applier: &Applier<'_>) -> Self {
        Self { deployment: applier.deployment(), queued: false, written: false, warnings: Vec::new() }
    }
}

/// Why a pipeline was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It can't be run as it is declared. The status reports it.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// A request failed. The reconcile is retried.
    #[error(transparent)]
    Failed(#[from] Fault),
}

impl From<Refusal> for ApplyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What became of one object.
enum ObjectOutcome {
    /// It was as it should be.
    Unchanged,
    /// It was created or updated.
    Written,
    /// Another owner's object has its name.
    Conflict(Refusal),
}

/// Applies the objects of a pipeline.
pub struct Applier<'a> {
    /// The pipeline.
    pub pipeline: &'a ProfilePipeline,
    /// The objects in the cluster.
    pub children: &'a Children,
    /// Client, metrics and limits.
    pub context: &'a Context,
}

impl Applier<'_> {
    /// Applies all objects.
    ///
    /// # Errors
    /// `Refused` if another owner's object has the name of one that is needed.
    pub async fn apply(&self, wanted: Wanted) -> Result<Applied, ApplyError> {
        let Wanted { config_map, service_account, service, network_policy, disruption_budget, deployment } = wanted;
        // Checked first: without these two nothing at all is written.
        self.refuse_foreign(&deployment).await?;
        self.refuse_foreign(&config_map).await?;
        let config = config_map.name_any();
        // The Deployment last: its pods need the others.
        let mut outcomes = vec![self.ensure(config_map).await?, self.ensure(service).await?];
        outcomes.push(self.ensure(network_policy).await?);
        match service_account {
            Some(account) => outcomes.push(self.ensure(account).await?),
            None => self.remove::<ServiceAccount>(|_| true).await?,
        }
        match disruption_budget {
            Some(budget) => outcomes.push(self.ensure(budget).await?),
            None => self.remove::<PodDisruptionBudget>(|_| true).await?,
        }
        for outcome in outcomes {
            outcome.written()?;
        }
        let queued = self.must_wait(&deployment);
        let written = !queued && self.ensure(deployment).await?.written()?;
        self.remove_old_configs(&config).await?;
        Ok(Applied { deployment: self.deployment(), queued, written, warnings: Vec::new() })
    }

    /// Returns the pipeline's Deployment in the cluster.
    pub fn deployment(&self) -> Option<Arc<Deployment>> {
        let found = self.children.get::<Deployment>(&self.namespace(), &self.worker());
        found.filter(|found| owns(self.pipeline, &**found))
    }

    fn namespace(&self) -> String {
        self.pipeline.namespace().unwrap_or_default()
    }

    fn worker(&self) -> String {
        names::worker(&self.pipeline.name_any())
    }

    /// Returns the object of that name, whatever its owner.
    async fn live<K: Child>(&self, name: &str) -> Result<Option<Arc<K>>, Fault> {
        if let Some(live) = self.children.get::<K>(&self.namespace(), name) {
            return Ok(Some(live));
        }
        // An object without the operator's label is not watched, and the watch may not have seen
        // one that was just created.
        let api: Api<K> = Api::namespaced(self.context.client.clone(), &self.namespace());
        let doing = format!("look for the {} {name}", kind::<K>());
        Ok(api.get_opt(name).await.map_err(Fault::api(doing))?.map(Arc::new))
    }

    /// Refuses if an object with the name of `wanted` exists and has another owner.
    async fn refuse_foreign<K: Child>(&self, wanted: &K) -> Result<(), ApplyError> {
        let name = wanted.name_any();
        match self.live::<K>(&name).await? {
            Some(live) if !owns(self.pipeline, &*live) => Err(conflict::<K>(&name).into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes an object if it is missing or differs from `wanted`.
    async fn ensure<K: Child>(&self, wanted: K) -> Result<ObjectOutcome, Fault> {
        let name = wanted.name_any();
        let live = self.live::<K>(&name).await?;
        if let Some(live) = &live {
            if !owns(self.pipeline, &**live) {
                return Ok(ObjectOutcome::Conflict(conflict::<K>(&name)));
            }
            if holds(&value(&**live), &value(&wanted)) {
                return Ok(ObjectOutcome::Unchanged);
            }
        }
        let api: Api<K> = Api::namespaced(self.context.client.clone(), &self.namespace());
        let parameters = PatchParams::apply(names::PIPELINE_MANAGER).force();
        let doing = format!("apply the {} {name}", kind::<K>());
        api.patch(&name, &parameters, &Patch::Apply(&wanted)).await.map_err(Fault::api(doing))?;
        // A new pipeline creates six objects; the Event about the Deployment covers them all.
        let is_deployment = kind::<K>() == kind::<Deployment>();
        if live.is_some() || is_deployment {
            let reference = kube::Resource::object_ref(self.pipeline, &());
            let reason = if live.is_some() { events::CHANGED } else { events::CREATED };
            let note = format!("{} {name}", kind::<K>());
            self.context.recorder.object_written(&reference, reason, &note).await;
        }
        Ok(ObjectOutcome::Written)
    }

    /// Returns whether the roll-out must wait: it is an upgrade only (the configuration and the
    /// Secrets are those that run), and as many others roll out as may.
    fn must_wait(&self, wanted: &Deployment) -> bool {
        let Some(live) = self.children.get::<Deployment>(&self.namespace(), &wanted.name_any()) else { return false };
        let is_upgrade = template(&live) != template(wanted) && plan(&live) == plan(wanted);
        let rolls = is_upgrade && !holds(&value(&*live)["spec"]["template"], &value(wanted)["spec"]["template"]);
        rolls && !self.context.rollouts.try_start(&format!("{}/{}", self.namespace(), self.pipeline.name_any()))
    }

    async fn remove<K: Child>(&self, which: impl Fn(&K) -> bool) -> Result<(), Fault> {
        for object in self.children.owned::<K>(self.pipeline).iter().filter(|object| which(object)) {
            let name = object.name_any();
            let api: Api<K> = Api::namespaced(self.context.client.clone(), &self.namespace());
            let preconditions = Preconditions { uid: object.uid(), resource_version: None };
            let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            match api.delete(&name, &parameters).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(source) => return Err(Fault::Api { doing: format!("delete the {} {name}", kind::<K>()), source }),
            }
        }
        Ok(())
    }

    /// Removes all ConfigMaps but the current one, the one that the Deployment names, and the
    /// newest of the others.
    async fn remove_old_configs(&self, current: &str) -> Result<(), Fault> {
        let mut all = self.children.owned::<ConfigMap>(self.pipeline);
        all.retain(|config| config.name_any() != current);
        all.sort_by_key(|config| std::cmp::Reverse(config.creation_timestamp().map(|time| time.0)));
        let running = self.deployment().as_deref().and_then(plan).and_then(|(config, _)| config);
        let old: Vec<String> = all.iter().skip(KEPT_CONFIGS - 1).map(|config| config.name_any()).collect();
        self.remove::<ConfigMap>(|config| {
            let name = config.name_any();
            old.contains(&name) && Some(&name) != running.as_ref()
        })
        .await
    }
}

impl ObjectOutcome {
    /// Returns whether the object was written.
    ///
    /// # Errors
    /// The refusal, if another owner's object has its name.
    fn written(self) -> Result<bool, Refusal> {
        match self {
            Self::Unchanged => Ok(false),
            Self::Written => Ok(true),
            Self::Conflict(refusal) => Err(refusal),
        }
    }
}

fn conflict<K: Child>(name: &str) -> Refusal {
    let kind = kind::<K>();
    let message = format!(
        "the {kind} {name} is there already and not of this pipeline: rename the pipeline, or delete the {kind}; it is left \
         as it is, and nothing is applied"
    );
    Refusal { reason: Reason::NameConflict, message }
}

fn value<K: serde::Serialize>(object: &K) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn template(deployment: &Deployment) -> Option<&k8s_openapi::api::core::v1::PodTemplateSpec> {
    deployment.spec.as_ref().map(|spec| &spec.template)
}

/// Returns the annotations that name the configuration and the Secrets of a Deployment's pods.
fn plan(deployment: &Deployment) -> Option<(Option<String>, Option<String>)> {
    let annotations = template(deployment)?.metadata.as_ref()?.annotations.as_ref()?;
    Some((annotations.get(names::CONFIG).cloned(), annotations.get(names::SECRETS).cloned()))
}
