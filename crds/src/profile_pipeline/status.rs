//! The status of a pipeline.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a pipeline as the operator last saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfilePipelineStatus {
    /// The generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions. `Ready`: whether every worker runs the declared plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Workers that run. Read through the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Label selector of the worker pods. Read through the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,
    /// The sum of what the workers report, to two significant digits, updated once a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<WorkersStatus>,
    /// The value of the annotation `lethe.dev/reconcile-requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// The sum of what the workers of a pipeline report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkersStatus {
    /// Workers that answered.
    pub answered: i32,
    /// Records between the committed offsets and the ends of the partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// Members of the consumer group that are not workers of this pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strangers: Option<i32>,
    /// Events that were processed, per minute.
    pub events_per_minute: i64,
    /// Dead letters, per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters_per_minute: Option<i64>,
    /// Dead letters since the workers started.
    pub dead_letters: i64,
    /// Rejected events since the workers started, by reason; the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub rejected: Vec<RejectedStatus>,
    /// Fields that hold personal data and are not declared, by declared segments of their paths; at
    /// most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub unclassified: Vec<String>,
    /// How many such fields there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unclassified_total: Option<i32>,
}

/// Events that were rejected for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedStatus {
    /// The reason.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// How many events.
    pub events: i64,
}
