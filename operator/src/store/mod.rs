//! DataStores: asked on a schedule whether they answer. What is found out is told; no roll-out waits for it.

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
    cache::{Watches, itself},
    context::{Context, random},
    control::control,
    fault::{Fault, jittered},
    names,
    process::scope::View,
};

/// Runs the controller until it is stopped.
pub async fn run(context: Arc<Context>, view: &View, stopped: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let (queue, requests) = mpsc::unbounded_channel();
    let api = view.api::<DeserializeGuard<DataStore>>(&context.client);
    let mut watches = Watches { context: &context, tasks: &mut tasks, queue };
    let leaving = Arc::clone(&context);
    let stores = watches.keep_until_gone(api, watcher::Config::default(), itself::<DataStore>, move |store| {
        leaving.asked.forget(store);
    });
    let with = Arc::clone(&context);
    control(context, stores, requests, stopped, move |store| reconcile(store, Arc::clone(&with))).await;
}

/// What a status says of the time when it was written, without which it would be written at every look.
fn is_asked_for(store: &DataStore) -> Option<&String> {
    store.annotations().get(names::REQUESTED_AT)
}

async fn reconcile(store: Arc<DataStore>, context: Arc<Context>) -> Result<Action, Fault> {
    if store.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if store.status.as_ref().is_none_or(|status| status.conditions.is_empty()) {
        // The event of this write comes back here, and then it is asked.
        status::write(&store, &status::Found::unknown(), &context, Timestamp::now()).await?;
        return Ok(Action::await_change());
    }
    let interval = context.settings.store_interval;
    if let Some(wait) = context.asked.wait(&*store, is_asked_for(&store), interval) {
        return Ok(Action::requeue(wait));
    }
    let found = probe::ask(&store, &context).await?;
    context.asked.note(&*store, is_asked_for(&store));
    status::write(&store, &found, &context, Timestamp::now()).await?;
    Ok(Action::requeue(jittered(interval, random()).min(interval + interval / 10)))
}
