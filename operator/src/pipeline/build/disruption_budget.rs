//! The PodDisruptionBudget: one worker at a time may be evicted when nodes are drained.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use lethe_crds::ProfilePipeline;

use super::{metadata, selector, worker};

pub(super) fn build(pipeline: &ProfilePipeline) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(pipeline, worker(pipeline)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(pipeline)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
