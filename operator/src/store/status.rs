//! The status of a DataStore.

use jiff::Timestamp;
use kube::{Api, Resource, ResourceExt, api::PostParams};
use lethe_crds::{DataStore, data_store::DataStoreStatus};

use super::requested_at;
use crate::{
    conditions::{DesiredCondition, READY, RECONCILING, Reason, STALLED, merge},
    context::Context,
    fault::Fault,
    names,
};

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// Whether the store can be used, and why not.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
    /// Version that the store reports.
    pub version: Option<String>,
    /// What the store offers, as `brokers=3`.
    pub capabilities: Vec<String>,
}

impl ProbeResult {
    /// Returns the result of a store that was not probed yet.
    pub fn unknown() -> Self {
        Self::failure(Reason::Observing, "it is being asked")
    }

    /// Returns the result of a store that can't be used.
    pub fn failure(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), version: None, capabilities: Vec::new() }
    }

    fn conditions(&self) -> Vec<DesiredCondition> {
        let ready = if self.reason == Reason::Observing {
            DesiredCondition::unknown(READY, self.reason, &self.message)
        } else {
            DesiredCondition::new(READY, self.reason == Reason::Reachable, self.reason, &self.message)
        };
        // A store that is down recovers without a change of the DataStore; a wrong declaration
        // does not.
        let stalled = matches!(
            self.reason,
            Reason::InvalidSpec
                | Reason::NotForClusters
                | Reason::SecretNotAllowed
                | Reason::AuthenticationFailed
                | Reason::TlsFailed
        );
        let reconciling =
            DesiredCondition { kind: RECONCILING, status: Some(self.reason == Reason::Observing), ..ready.clone() };
        let stalled = DesiredCondition { kind: STALLED, status: Some(stalled), ..ready.clone() };
        vec![ready, reconciling, stalled]
    }
}

/// Writes the status if it changed, and publishes an Event if the reason did.
pub async fn write(store: &DataStore, result: &ProbeResult, context: &Context, now: Timestamp) -> Result<(), Fault> {
    let before = store.status.clone().unwrap_or_default();
    let is_failure = result.reason != Reason::Reachable;
    let status = DataStoreStatus {
        observed_generation: store.metadata.generation,
        conditions: merge(&before.conditions, &result.conditions(), store.metadata.generation, now),
        // A store that does not answer has not changed its version.
        version: if is_failure { before.version.clone() } else { result.version.clone() },
        capabilities: if is_failure { before.capabilities.clone() } else { result.capabilities.clone() },
        last_handled_reconcile_at: requested_at(store).cloned(),
    };
    if status == before {
        return Ok(());
    }
    let reason = |status: &DataStoreStatus| {
        status.conditions.iter().find(|condition| condition.type_ == READY).map(|ready| ready.reason.clone())
    };
    let reason_changed = reason(&status) != reason(&before) && result.reason != Reason::Observing;
    let api: Api<DataStore> = Api::namespaced(context.client.clone(), &store.namespace().unwrap_or_default());
    let name = store.name_any();
    let written = DataStore { status: Some(status), ..store.clone() };
    let parameters = PostParams { field_manager: Some(names::STORE_MANAGER.to_owned()), ..PostParams::default() };
    api.replace_status(&name, &parameters, &written)
        .await
        .map_err(Fault::api(format!("write the status of {name}")))?;
    if reason_changed {
        let object = store.object_ref(&());
        context.recorder.reason_changed(&object, result.reason, !is_failure, &result.message).await;
    }
    Ok(())
}
