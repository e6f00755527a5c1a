//! Names that Lethe writes into a cluster: labels, annotations, field managers, objects. They are a
//! promise to users, who select by them.

use std::collections::BTreeMap;

/// Label: the ProfilePipeline that an object belongs to.
pub const PIPELINE: &str = "lethe.dev/pipeline";
/// Label of every object that the operator makes, and its value.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "lethe-operator");
/// Label: the name of the application, and its value.
pub const NAME: (&str, &str) = ("app.kubernetes.io/name", "lethe-worker");
/// Label: the component of the application, and its value.
pub const COMPONENT: (&str, &str) = ("app.kubernetes.io/component", "worker");
/// Label: the ProfilePipeline again, under the key that other tools read.
pub const INSTANCE: &str = "app.kubernetes.io/instance";

/// Annotation of a pod template: the name of the ConfigMap that its workers read.
pub const CONFIG: &str = "lethe.dev/config";
/// Annotation of a pod template: a checksum of the UIDs and resource versions of the mounted
/// Secrets, never of their values.
pub const SECRETS: &str = "lethe.dev/secrets";
/// Annotation that a user sets on an object: a new value makes the operator reconcile it at once.
pub const REQUESTED_AT: &str = "lethe.dev/reconcile-requested-at";

/// Field manager of what the ProfilePipeline controller applies.
pub const PIPELINE_MANAGER: &str = "lethe-pipeline-controller";
/// Field manager of what the DataStore controller applies.
pub const STORE_MANAGER: &str = "lethe-store-controller";
/// The Lease of the leader, and the reporter of Events.
pub const OPERATOR: &str = "lethe-operator";

/// Returns the name of a pipeline's Deployment, ServiceAccount, Service, NetworkPolicy and
/// PodDisruptionBudget.
pub fn worker(pipeline: &str) -> String {
    format!("{pipeline}-worker")
}

/// Returns the name of a pipeline's ConfigMap.
pub fn config(pipeline: &str, hash: &str) -> String {
    format!("{pipeline}-{hash}")
}

/// Returns the labels that select a pipeline's pods.
pub fn selector(pipeline: &str) -> BTreeMap<String, String> {
    [(NAME.0, NAME.1), (INSTANCE, pipeline)].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Returns the labels of an object of a pipeline.
pub fn labels(pipeline: &str) -> BTreeMap<String, String> {
    let mut labels = selector(pipeline);
    labels.extend([COMPONENT, MANAGED_BY, (PIPELINE, pipeline)].map(|(key, value)| (key.to_owned(), value.to_owned())));
    labels
}

/// Returns the label selector of everything that the operator makes.
pub fn managed() -> String {
    format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)
}
