//! How many workers may be away when nodes are drained: one.

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
