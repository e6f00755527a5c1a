//! Builds the objects of a pipeline, one file per kind. Pure: the same input gives the same
//! objects.

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

/// Port where workers serve probes, metrics and status.
pub const PORT: i32 = 9090;

/// The objects that a pipeline should have.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The workers' configuration.
    pub config_map: ConfigMap,
    /// The account that workers run as; `None` if the pipeline names one.
    pub service_account: Option<ServiceAccount>,
    /// The Service for their metrics.
    pub service: Service,
    /// Limits connections to them.
    pub network_policy: NetworkPolicy,
    /// Limits evictions; `None` for fewer than two workers.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// The workers.
    pub deployment: Deployment,
}

/// Returns the number of workers that are declared; 0 while the pipeline is suspended.
pub fn replicas(pipeline: &ProfilePipeline) -> i32 {
    if pipeline.spec.suspend == Some(true) { 0 } else { pipeline.spec.replicas.unwrap_or(1) }
}

/// Returns the objects that a pipeline should have.
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

/// Returns the metadata of an object of a pipeline.
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
