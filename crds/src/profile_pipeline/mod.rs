//! `ProfilePipeline`: where events come from, how each field is protected, and where events go.

mod event;
mod field;
mod sink;
mod source;
mod status;
mod store_refs;
mod workers;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use event::*;
pub use field::*;
pub use sink::*;
pub use source::*;
pub use status::*;
pub use workers::*;

use crate::{
    Duration,
    reference::{SecretRef, StoreRef},
};

/// A stream of profile events: where it comes from, how each field is protected, and where it
/// goes. Data that isn't declared is dropped, unless `event.undeclared` says otherwise.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "lethe.dev",
    version = "v1alpha1",
    kind = "ProfilePipeline",
    plural = "profilepipelines",
    shortname = "pp",
    category = "lethe",
    namespaced,
    doc = "A stream of profile events: where it comes from, how each field is protected, and where it goes.",
    derive = "PartialEq",
    status = "ProfilePipelineStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether every worker runs the declared plan.",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Why it is ready or not, in one word.",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Wanted",
        type_ = "integer",
        description = "Workers that are declared.",
        json_path = ".spec.replicas"
    ),
    printcolumn(
        name = "Workers",
        type_ = "integer",
        description = "Workers that run.",
        json_path = ".status.replicas"
    ),
    printcolumn(
        name = "Lag",
        type_ = "integer",
        description = "Events that wait in the source, to two significant digits.",
        json_path = ".status.workers.lag"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        description = "Why it is ready or not, in a sentence.",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    validation = ("self.metadata.name.size() <= 40", "metadata.name may have 40 characters at most, because names of other objects are made from it; choose a shorter one")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "!has(self.event.delete) || !has(self.event.delete.tombstone) || !self.event.delete.tombstone || has(self.source.kafka)",
    "event.delete.tombstone needs source.kafka: a file has no tombstones; use event.delete.when",
))]
pub struct ProfilePipelineSpec {
    /// The record of processing (GDPR Article 30) that this pipeline belongs to. It changes no
    /// event. Left out: nothing is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<Processing>,
    /// Where events come from: exactly one of `kafka` and `file`.
    pub source: Source,
    /// What an event is: its id, its time, its subject, its schema.
    pub event: Event,
    /// Drop repeated event ids. Left out: every event is written; a repetition changes nothing in a
    /// store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<Dedupe>,
    /// The keys that tokens and sealed values are made with.
    pub keys: Keys,
    /// Raise it to reprocess history under a changed plan: events of a higher revision replace
    /// those of a lower one. 0 to 9. Left out: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9))]
    pub revision: Option<i32>,
    /// Region of phone numbers that carry no country code, as ISO 3166-1 (`CH`). Left out: such
    /// numbers are rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::region")]
    pub default_region: Option<String>,
    /// Every field that may leave this pipeline, and how it is protected.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub fields: Vec<Field>,
    /// Process an event only if its subject agreed. Left out: every event is processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// Where events go. A sink that is down stops the pipeline; none is skipped.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sinks: Vec<Sink>,
    /// Where events that can't be processed go, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetter>,
    /// Number of workers. Scaled by the scale subresource, too. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
    /// Stop the workers. Nothing is lost: the source keeps the committed offsets. Left out: they
    /// run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Settings of the worker pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Workers>,
}

/// The record of processing (GDPR Article 30).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Processing {
    /// Who decides why and how the data is processed.
    #[schemars(schema_with = "crate::shape::text")]
    pub controller: String,
    /// The purposes of the processing.
    #[schemars(schema_with = "crate::shape::some_texts")]
    pub purposes: Vec<String>,
    /// The legal basis (GDPR Article 6).
    #[schemars(schema_with = "crate::shape::choice::<LegalBasis>")]
    pub legal_basis: LegalBasis,
    /// Whose data: customers, employees, visitors.
    #[schemars(schema_with = "crate::shape::some_texts")]
    pub data_subjects: Vec<String>,
}

/// Legal bases of GDPR Article 6(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LegalBasis {
    /// (a) The subject agreed.
    Consent,
    /// (b) A contract with the subject needs it.
    Contract,
    /// (c) The law asks for it.
    LegalObligation,
    /// (d) It protects a person's life.
    VitalInterests,
    /// (e) A task in the public interest.
    PublicTask,
    /// (f) A legitimate interest that the subject's do not outweigh.
    LegitimateInterests,
}

/// Which repetitions are dropped. The smaller bound holds; both are per worker and partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "self.window.matches('[1-9]')",
    "window must be above zero; leave dedupe out to keep every event",
))]
pub struct Dedupe {
    /// How long an id is remembered, by event time.
    pub window: Duration,
    /// How many ids a worker remembers, of all its partitions or files together. Left out:
    /// 1,000,000 (about 40 MB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_ids: Option<i32>,
}

/// The keys that tokens and sealed values are made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keys {
    /// Secret of type `lethe.dev/keys`, made by `lethe-worker keys create`.
    pub secret_ref: SecretRef,
    /// Where the subjects' own keys are stored, each wrapped by the master key.
    pub store_ref: StoreRef,
    /// Keyspace (Cassandra) or database (MongoDB) of the key store; pipelines that share keys name
    /// the same. Left out: `lethe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::cql_name")]
    pub database: Option<String>,
}

/// Process an event only if its subject agreed to a purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consent {
    /// The purpose agreed to.
    #[schemars(schema_with = "crate::shape::text")]
    pub purpose: String,
    /// Where an event says so.
    pub from: ConsentSource,
}

/// Where an event says that its subject agreed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsentSource {
    /// JSON Pointer of the field. Absent or null is no consent.
    #[schemars(schema_with = "crate::shape::pointer")]
    pub field: String,
    /// Texts that count as consent. Left out: only the JSON value `true` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::some_texts")]
    pub granted: Option<Vec<String>>,
}
