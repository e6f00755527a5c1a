//! What is told of a DataStore.

use jiff::Timestamp;
use kube::{Api, Resource, ResourceExt, api::PostParams};
use lethe_crds::{DataStore, data_store::DataStoreStatus};

use super::is_asked_for;
use crate::{
    conditions::{READY, RECONCILING, Reason, STALLED, Said, merge},
    context::Context,
    fault::Fault,
    names,
};

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Why it is so.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
    /// What the store says of its version.
    pub version: Option<String>,
    /// What it can: `brokers=3`.
    pub capabilities: Vec<String>,
}

impl Found {
    /// Nothing yet.
    pub fn unknown() -> Self {
        Self::fault(Reason::Observing, "it is being asked")
    }

    /// It can't be used.
    pub fn fault(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), version: None, capabilities: Vec::new() }
    }

    fn said(&self) -> Vec<Said> {
        let ready = match self.reason {
            Reason::Observing => Said::unknown(READY, self.reason, &self.message),
            Reason::Reachable => Said::is(READY, true, self.reason, &self.message),
            _ => Said::is(READY, false, self.reason, &self.message),
        };
        // A store that is down comes back by itself; what is declared wrongly does not.
        let stalled = matches!(
            self.reason,
            Reason::InvalidSpec
                | Reason::NotForClusters
                | Reason::SecretNotAllowed
                | Reason::AuthenticationFailed
                | Reason::TlsFailed
        );
        let said = Said { kind: STALLED, is: Some(stalled), ..ready.clone() };
        let going = Said { kind: RECONCILING, is: Some(self.reason == Reason::Observing), ..ready.clone() };
        vec![ready, going, said]
    }
}

/// Writes it, where it is something new.
pub async fn write(store: &DataStore, found: &Found, context: &Context, now: Timestamp) -> Result<(), Fault> {
    let before = store.status.clone().unwrap_or_default();
    let is_fault = found.reason != Reason::Reachable;
    let status = DataStoreStatus {
        observed_generation: store.metadata.generation,
        conditions: merge(&before.conditions, &found.said(), store.metadata.generation, now),
        // A store that is away has not changed its version.
        version: if is_fault { before.version.clone() } else { found.version.clone() },
        capabilities: if is_fault { before.capabilities.clone() } else { found.capabilities.clone() },
        last_handled_reconcile_at: is_asked_for(store).cloned(),
    };
    if status == before {
        return Ok(());
    }
    let reason = |status: &DataStoreStatus| {
        status.conditions.iter().find(|condition| condition.type_ == READY).map(|ready| ready.reason.clone())
    };
    let turned = reason(&status) != reason(&before) && found.reason != Reason::Observing;
    let api: Api<DataStore> = Api::namespaced(context.client.clone(), &store.namespace().unwrap_or_default());
    let name = store.name_any();
    let written = DataStore { status: Some(status), ..store.clone() };
    let parameters = PostParams { field_manager: Some(names::STORE_MANAGER.to_owned()), ..PostParams::default() };
    api.replace_status(&name, &parameters, &written)
        .await
        .map_err(Fault::api(format!("write the status of {name}")))?;
    if turned {
        let object = store.object_ref(&());
        context.recorder.turned(&object, found.reason, !is_fault, &found.message).await;
    }
    Ok(())
}
