//! Events: what happened to an object, as `kubectl describe` shows it.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder as KubeRecorder, Reporter},
};

use crate::{conditions::Reason, names};

/// Reason of the Event about an object that was made.
pub const CREATED: &str = "Created";
/// Reason of the Event about an object that was brought to what is declared: the declaration or the object changed.
pub const CHANGED: &str = "Changed";

/// The API takes a kilobyte.
const NOTE: usize = 1000;

/// Publishes Events. One that can't be published is told in the log: nothing waits for it.
#[derive(Clone)]
pub struct Recorder(KubeRecorder);

impl Recorder {
    /// One that reports as the operator.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        Self(KubeRecorder::new(client, Reporter { controller: names::OPERATOR.to_owned(), instance }))
    }

    /// Says that a condition has another reason now.
    pub async fn turned(&self, object: &ObjectReference, reason: Reason, is_good: bool, note: &str) {
        let kind = if is_good { EventType::Normal } else { EventType::Warning };
        self.publish(object, kind, reason.name(), note).await;
    }

    /// Says that something was done.
    pub async fn did(&self, object: &ObjectReference, what: &str, note: &str) {
        self.publish(object, EventType::Normal, what, note).await;
    }

    async fn publish(&self, object: &ObjectReference, type_: EventType, reason: &str, note: &str) {
        let note = note.char_indices().nth(NOTE).map_or(note, |(at, _)| &note[..at]).to_owned();
        let action = "Reconcile".to_owned();
        let event = Event { type_, reason: reason.to_owned(), note: Some(note), action, secondary: None };
        if let Err(error) = self.0.publish(&event, object).await {
            tracing::warn!(%error, reason, "an Event could not be published");
        }
    }
}
