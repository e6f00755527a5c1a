//! The objects that a pipeline becomes, a file each. Pure: the same pipeline, the same objects.

mod config_map;
mod deployment;
mod disruption_budget;
mod network_policy;
mod service;
mod service_account;
#[cfg(test)]
mod tests;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{Resource, ResourceExt, core::ObjectMeta};
use lethe_crds::ProfilePipeline;

use super::{config::Config, validate::Valid};
use crate::{context::Settings, names};

/// Where workers answer probes and metrics.
pub const PORT: i32 = 9090;

/// Everything that should be there.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What workers read.
    pub config_map: ConfigMap,
    /// Whom they run as; `None` where the pipeline names another.
    pub service_account: Option<ServiceAccount>,
    /// Where their metrics are found.
    pub service: Service,
    /// Who reaches them.
    pub network_policy: NetworkPolicy,
    /// How many may be away; `None` where there is one or none.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// The workers.
    pub deployment: Deployment,
}

/// Workers that are declared.
pub fn replicas(pipeline: &ProfilePipeline) -> i32 {
    if pipeline.spec.suspend == Some(true) { 0 } else { pipeline.spec.replicas.unwrap_or(1) }
}

/// What a pipeline becomes.
pub fn build(pipeline: &ProfilePipeline, config: &Config, valid: &Valid, settings: &Settings) -> Wanted {
    let own = pipeline.spec.workers.as_ref().is_none_or(|workers| workers.service_account_name.is_none());
    Wanted {
        config_map: config_map::build(pipeline, config),
        service_account: own.then(|| service_account::build(pipeline)),
        service: service::build(pipeline),
        network_policy: network_policy::build(pipeline),
        disruption_budget: (replicas(pipeline) > 1).then(|| disruption_budget::build(pipeline)),
        deployment: deployment::build(pipeline, config, valid, settings),
    }
}

/// Metadata of an object of a pipeline.
fn metadata(pipeline: &ProfilePipeline, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: pipeline.namespace(),
        labels: Some(names::labels(&pipeline.name_any())),
        owner_references: pipeline.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

fn worker(pipeline: &ProfilePipeline) -> String {
    names::worker(&pipeline.name_any())
}

fn selector(pipeline: &ProfilePipeline) -> LabelSelector {
    LabelSelector { match_labels: Some(names::selector(&pipeline.name_any())), ..LabelSelector::default() }
}
