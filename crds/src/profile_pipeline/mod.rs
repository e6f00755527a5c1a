//! `ProfilePipeline`: what comes in, how each field is protected, where it goes.

mod event;
mod field;
mod sink;
mod source;
mod workers;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use event::*;
pub use field::*;
pub use sink::*;
pub use source::*;
pub use workers::*;

use crate::{
    Duration,
    reference::{SecretRef, StoreRef},
};

/// A stream of profile events: where it comes from, how each field is protected, and where it
/// goes. Nothing that isn't declared here is let through.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "lethe.dev",
    version = "v1alpha1",
    kind = "ProfilePipeline",
    plural = "profilepipelines",
    shortname = "pp",
    category = "lethe",
    namespaced
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfilePipelineSpec {
    /// The record of processing (GDPR Article 30) that this pipeline belongs to. It changes no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<Processing>,
    /// Where events come from: exactly one of `kafka` and `file`.
    pub source: Source,
    /// What an event is: its id, its time, whom it is about, its schema.
    pub event: Event,
    /// Drop repeated event ids. Left out: every event is written; stores take a repetition without change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<Dedupe>,
    /// The keys that tokens and sealed values are made with.
    pub keys: Keys,
    /// Raise it to reprocess history under a changed plan: events of a higher revision replace
    /// those of a lower one. 0 to 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// Region of phone numbers that carry no country code, as ISO 3166-1 (`CH`). Left out: such
    /// numbers are rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_region: Option<String>,
    /// Every field that may leave this pipeline, and how it is protected.
    pub fields: Vec<Field>,
    /// Process an event only if its subject agreed. Left out: every event is processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// Where events go. A sink that is down stops the pipeline; none is skipped.
    pub sinks: Vec<Sink>,
    /// Where events go that can't be processed, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetter>,
    /// Number of workers. Scaled by the scale subresource, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Stop the workers; nothing is lost, the source keeps its offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// How worker pods are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Workers>,
}

/// The record of processing (GDPR Article 30).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Processing {
    /// Who decides why and how the data is processed.
    pub controller: String,
    /// What for.
    pub purposes: Vec<String>,
    /// The legal basis (GDPR Article 6).
    pub legal_basis: LegalBasis,
    /// Whose data: customers, employees, visitors.
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
    /// (d) Somebody's life depends on it.
    VitalInterests,
    /// (e) A task in the public interest.
    PublicTask,
    /// (f) A legitimate interest that the subject's do not outweigh.
    LegitimateInterests,
}

/// Which repetitions are dropped. The smaller bound holds; both are per worker and partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dedupe {
    /// How long an id is remembered, by event time.
    pub window: Duration,
    /// How many ids are remembered. Left out: 1,000,000 (about 40 MB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ids: Option<i32>,
}

/// The keys that tokens and sealed values are made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keys {
    /// Secret of type `lethe.dev/keys`, made by `lethe-worker keys create`.
    pub secret_ref: SecretRef,
    /// Where the subjects' own keys lie, each wrapped by the master key.
    pub store_ref: StoreRef,
}

/// Process an event only if its subject agreed to a purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consent {
    /// The purpose agreed to.
    pub purpose: String,
    /// Where an event says so.
    pub from: ConsentSource,
}

/// Where an event says that its subject agreed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsentSource {
    /// JSON Pointer of the field. Absent or null is no consent.
    pub field: String,
    /// Texts that count as consent. Left out: only the JSON value `true` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Vec<String>>,
}
