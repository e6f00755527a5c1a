//! Events: what happened to an object, as `kubectl describe` shows it.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder as KubeRecorder, Reporter},
};

use crate::{conditions::Reason, names};

/// Reason of the Event about a created object.
pub const CREATED: &str = "Created";
/// Reason of the Event about an object that was updated to what is declared, because the
/// declaration or the object had changed.
pub const CHANGED: &str = "Changed";

/// Most characters of a note: the API takes a kilobyte.
const MAX_NOTE: usize = 1000;

/// Publishes Events. A failure to publish is logged and ends no reconcile.
#[derive(Clone)]
pub struct Recorder(KubeRecorder);

impl Recorder {
    /// Returns a recorder that reports as the operator.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        Self(KubeRecorder::new(client, Reporter { controller: names::OPERATOR.to_owned(), instance }))
    }

    /// Publishes that a condition's reason changed; a Warning unless `is_good`.
    pub async fn reason_changed(&self, object: &ObjectReference, reason: Reason, is_good: bool, note: &str) {
        let kind = if is_good { EventType::Normal } else { EventType::Warning };
        self.publish(object, kind, reason.name(), note).await;
    }

    /// Publishes what the operator did to an object of the pipeline.
    pub async fn object_written(&self, object: &ObjectReference, reason: &str, note: &str) {
        self.publish(object, EventType::Normal, reason, note).await;
    }

    async fn publish(&self, object: &ObjectReference, type_: EventType, reason: &str, note: &str) {
        let note = note.char_indices().nth(MAX_NOTE).map_or(note, |(at, _)| &note[..at]).to_owned();
        let action = "Reconcile".to_owned();
        let event = Event { type_, reason: reason.to_owned(), note: Some(note), action, secondary: None };
        if let Err(error) = self.0.publish(&event, object).await {
            tracing::warn!(%error, reason, "failed to publish Event");
        }
    }
}
