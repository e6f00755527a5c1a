//! DataStores: probed at an interval. The result goes into the status; no roll-out waits for it.

mod probe;
mod status;

use std::sync::Arc;

use jiff::Timestamp;
use kube::{
    ResourceExt,
    core::DeserializeGuard,
    runtime::{controller::Action, watcher},
};
use lethe_crds::DataStore;
pub use probe::not_allowed;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    context::{Context, random},
    controller::run_controller,
    fault::{Fault, jittered},
    names,
    process::scope::View,
    watches::{Watches, self_ref},
};

/// Runs the controller until `stopped` is true.
pub async fn run(context: Arc<Context>, view: &View, stopped: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let (queue, requests) = mpsc::unbounded_channel();
    let api = view.api::<DeserializeGuard<DataStore>>(&context.client);
    let mut watches = Watches { context: &context, tasks: &mut tasks, queue };
    let on_delete = Arc::clone(&context);
    let stores = watches.watch_with_deletes(api, watcher::Config::default(), self_ref::<DataStore>, move |store| {
        on_delete.polls.forget(store);
    });
    let reconcile_context = Arc::clone(&context);
    let reconcile = move |store| reconcile(store, Arc::clone(&reconcile_context));
    run_controller(context, stores, requests, stopped, reconcile).await;
}

/// Returns the value of the annotation that requests a reconcile.
fn requested_at(store: &DataStore) -> Option<&String> {
    store.annotations().get(names::REQUESTED_AT)
}

async fn reconcile(store: Arc<DataStore>, context: Arc<Context>) -> Result<Action, Fault> {
    if store.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if store.status.as_ref().is_none_or(|status| status.conditions.is_empty()) {
        // The watch event of this write starts the reconcile that probes the store.
        status::write(&store, &status::ProbeResult::unknown(), &context, Timestamp::now()).await?;
        return Ok(Action::await_change());
    }
    let interval = context.settings.store_interval;
    if let Some(wait) = context.polls.until_due(&*store, requested_at(&store), interval) {
        return Ok(Action::requeue(wait));
    }
    let result = probe::probe(&store, &context).await?;
    context.polls.record(&*store, requested_at(&store));
    status::write(&store, &result, &context, Timestamp::now()).await?;
    Ok(Action::requeue(jittered(interval, random()).min(interval + interval / 10)))
}
