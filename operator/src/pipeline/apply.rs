//! Writes what is wanted and not there. An object that belongs to somebody else is left alone, and so is one that is
//! as it should be.

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
use crate::{cache::kind, conditions::Reason, context::Context, events, fault::Fault, names};

/// Configurations that are kept, the one in use included: an older pod that starts again finds its own.
const KEPT: usize = 3;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The Deployment as it is in the cluster.
    pub deployment: Option<Arc<Deployment>>,
    /// Whether the workers keep their version for now, as others roll.
    pub queued: bool,
    /// Whether the Deployment was written just now: what is known of its pods is of before.
    pub written: bool,
    /// What the author of the pipeline should know nevertheless.
    pub notes: Vec<Mistake>,
}

/// A pipeline whose objects are written.
pub struct Applier<'a> {
    /// The pipeline.
    pub pipeline: &'a ProfilePipeline,
    /// What is there.
    pub children: &'a Children,
    /// Where it is written.
    pub context: &'a Context,
}

impl Applier<'_> {
    /// Writes everything. `Err` of the inner answer where somebody else has a name that is needed.
    pub async fn apply(&self, wanted: Wanted) -> Result<Result<Applied, Refusal>, Fault> {
        let Wanted { config_map, service_account, service, network_policy, disruption_budget, deployment } = wanted;
        if let Some(conflict) = self.conflict(&deployment, &config_map).await? {
            return Ok(Err(conflict));
        }
        let config = config_map.name_any();
        // The Deployment last: what its pods need is there before them.
        let mut done = vec![self.ensure(config_map).await?, self.ensure(service).await?];
        done.push(self.ensure(network_policy).await?);
        match service_account {
            Some(account) => done.push(self.ensure(account).await?),
            None => self.remove::<ServiceAccount>(|_| true).await?,
        }
        match disruption_budget {
            Some(budget) => done.push(self.ensure(budget).await?),
            None => self.remove::<PodDisruptionBudget>(|_| true).await?,
        }
        if let Some(conflict) = done.into_iter().find_map(Result::err) {
            return Ok(Err(conflict));
        }
        let queued = self.must_wait(&deployment);
        let written = if queued { Ok(false) } else { self.ensure(deployment).await? };
        let written = match written {
            Ok(written) => written,
            Err(conflict) => return Ok(Err(conflict)),
        };
        self.forget_configs(&config).await?;
        Ok(Ok(Applied { deployment: self.deployment(), queued, written, notes: Vec::new() }))
    }

    /// The Deployment as it is now.
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

    /// Whether somebody else has the name of the workers or of their configuration: then nothing at all is written.
    async fn conflict(&self, deployment: &Deployment, config: &ConfigMap) -> Result<Option<Refusal>, Fault> {
        if let Some(conflict) = self.foreign(deployment).await? {
            return Ok(Some(conflict));
        }
        self.foreign(config).await
    }

    /// The object of that name, whoever's it is.
    async fn live<K: Child>(&self, name: &str) -> Result<Option<Arc<K>>, Fault> {
        if let Some(live) = self.children.get::<K>(&self.namespace(), name) {
            return Ok(Some(live));
        }
        // One without the operator's label is not watched, and one that was just made is not seen yet.
        let api: Api<K> = Api::namespaced(self.context.client.clone(), &self.namespace());
        let doing = format!("look for the {} {name}", kind::<K>());
        Ok(api.get_opt(name).await.map_err(Fault::api(doing))?.map(Arc::new))
    }

    /// Whether an object of that name is there and somebody else's.
    async fn foreign<K: Child>(&self, wanted: &K) -> Result<Option<Refusal>, Fault> {
        let name = wanted.name_any();
        let live = self.live::<K>(&name).await?;
        Ok(live.filter(|live| !owns(self.pipeline, &**live)).map(|_| conflict::<K>(&name)))
    }

    /// Writes an object, where it is not as it should be; answers whether it did.
    async fn ensure<K: Child>(&self, wanted: K) -> Result<Result<bool, Refusal>, Fault> {
        let name = wanted.name_any();
        let live = self.live::<K>(&name).await?;
        if let Some(live) = &live {
            if !owns(self.pipeline, &**live) {
                return Ok(Err(conflict::<K>(&name)));
            }
            if holds(&value(&**live), &value(&wanted)) {
                return Ok(Ok(false));
            }
        }
        let api: Api<K> = Api::namespaced(self.context.client.clone(), &self.namespace());
        let parameters = PatchParams::apply(names::PIPELINE_MANAGER).force();
        let doing = format!("apply the {} {name}", kind::<K>());
        api.patch(&name, &parameters, &Patch::Apply(&wanted)).await.map_err(Fault::api(doing))?;
        // Six objects come at once where a pipeline does: one Event tells it.
        let is_deployment = kind::<K>() == kind::<Deployment>();
        if live.is_some() || is_deployment {
            let reference = kube::Resource::object_ref(self.pipeline, &());
            let what = if live.is_some() { events::CHANGED } else { events::CREATED };
            self.context.recorder.did(&reference, what, &format!("{} {name}", kind::<K>())).await;
        }
        Ok(Ok(true))
    }

    /// Whether the workers must keep their version for now: the plan and the Secrets are those that run, only the
    /// rest is new, and five others roll.
    fn must_wait(&self, wanted: &Deployment) -> bool {
        let Some(live) = self.children.get::<Deployment>(&self.namespace(), &wanted.name_any()) else { return false };
        let is_upgrade = template(&live) != template(wanted) && plan(&live) == plan(wanted);
        let rolls = is_upgrade && !holds(&value(&*live)["spec"]["template"], &value(wanted)["spec"]["template"]);
        rolls && !self.context.pace.may_roll(&format!("{}/{}", self.namespace(), self.pipeline.name_any()))
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

    async fn forget_configs(&self, used: &str) -> Result<(), Fault> {
        let mut all = self.children.owned::<ConfigMap>(self.pipeline);
        all.retain(|config| config.name_any() != used);
        all.sort_by_key(|config| std::cmp::Reverse(config.creation_timestamp().map(|time| time.0)));
        let running = self.deployment().as_deref().and_then(plan).and_then(|(config, _)| config);
        let old: Vec<String> = all.iter().skip(KEPT - 1).map(|config| config.name_any()).collect();
        self.remove::<ConfigMap>(|config| {
            let name = config.name_any();
            old.contains(&name) && Some(&name) != running.as_ref()
        })
        .await
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

/// Configuration and Secrets that a Deployment's pods read.
fn plan(deployment: &Deployment) -> Option<(Option<String>, Option<String>)> {
    let annotations = template(deployment)?.metadata.as_ref()?.annotations.as_ref()?;
    Some((annotations.get(names::CONFIG).cloned(), annotations.get(names::SECRETS).cloned()))
}
