//! ProfilePipelines: dereference (reads), validate and build (pure), apply (writes), status.

mod apply;
mod build;
mod children;
mod config;
mod dereference;
mod diff;
mod status;
#[cfg(test)]
mod tests;
mod validate;
mod workers;

use std::sync::Arc;

use kube::{
    ResourceExt,
    core::DeserializeGuard,
    runtime::{
        controller::Action,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use lethe_crds::{DataStore, ProfilePipeline};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use self::{
    apply::{Applied, Applier, ApplyError},
    children::Children,
    config::Config,
    status::{RolloutState, StatusUpdate},
    validate::Refusal,
};
use crate::{
    context::{Context, random},
    controller::run_controller,
    fault::{Fault, jittered},
    names,
    process::scope::View,
    watches::{Watches, self_ref},
};

/// Reconciles the pipelines of a view.
struct PipelineReconciler {
    context: Arc<Context>,
    pipelines: Store<ProfilePipeline>,
    stores: Store<DataStore>,
    children: Children,
}

/// Delay before a queued roll-out is tried again.
const QUEUED_DELAY: std::time::Duration = std::time::Duration::from_secs(10);
/// Delay before a missing reference is looked up again.
const MISSING_DELAY: std::time::Duration = std::time::Duration::from_secs(30);

/// Runs the controller until `stopped` is true.
pub async fn run(context: Arc<Context>, view: &View, stopped: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let (queue, requests) = mpsc::unbounded_channel();
    let client = context.client.clone();
    let mut watches = Watches { context: &context, tasks: &mut tasks, queue };
    let pipelines = view.api::<DeserializeGuard<ProfilePipeline>>(&client);
    // New pipelines have a queue of their own, so that each gets its first status at once and does
    // not wait behind the reconciles of a thousand others.
    let (new_queue, new_requests) = mpsc::unbounded_channel();
    let requests_of = move |pipeline: &ProfilePipeline| {
        if !is_new(pipeline) {
            return self_ref(pipeline);
        }
        // Fails only when the controller has ended.
        let _ = new_queue.send(ObjectRef::from_obj(pipeline));
        Vec::new()
    };
    let on_delete = Arc::clone(&context);
    let pipelines = watches.watch_with_deletes(pipelines, watcher::Config::default(), requests_of, move |pipeline| {
        forget(pipeline, &on_delete);
    });
    let known = pipelines.clone();
    let stores = view.api::<DeserializeGuard<DataStore>>(&client);
    let stores = watches.watch(stores, watcher::Config::default(), move |store: &DataStore| users_of(store, &known));
    let children = Children::watch(&mut watches, view, &client);
    drop(watches);
    let reconciler =
        Arc::new(PipelineReconciler { context: Arc::clone(&context), pipelines: pipelines.clone(), stores, children });
    let status_context = Arc::clone(&context);
    let initialize = move |pipeline: Arc<ProfilePipeline>| {
        let context = Arc::clone(&status_context);
        async move { initialize_status(&pipeline, &context).await }
    };
    let reconcile = move |pipeline: Arc<ProfilePipeline>| {
        let reconciler = Arc::clone(&reconciler);
        async move { reconciler.reconcile(&pipeline).await }
    };
    tokio::join!(
        run_controller(Arc::clone(&context), pipelines.clone(), new_requests, stopped.clone(), initialize),
        run_controller(context, pipelines, requests, stopped, reconcile),
    );
}

/// Drops what is kept of a deleted pipeline, so that it does not count as rolling out.
fn forget(pipeline: &ProfilePipeline, context: &Context) {
    context.rollouts.record(&id(pipeline), false);
    context.polls.forget(pipeline);
}

/// Returns whether the pipeline has no status yet.
fn is_new(pipeline: &ProfilePipeline) -> bool {
    pipeline.metadata.deletion_timestamp.is_none()
        && pipeline.status.as_ref().is_none_or(|status| status.conditions.is_empty())
}

/// Writes the first status of a new pipeline. The watch event of this write starts its first
/// reconcile.
async fn initialize_status(pipeline: &ProfilePipeline, context: &Context) -> Result<Action, Fault> {
    if is_new(pipeline) {
        let update = StatusUpdate { conditions: status::initial_conditions(), rollout: None, workers: None };
        status::write(pipeline, &update, context).await?;
    }
    Ok(Action::await_change())
}

/// Returns the pipelines that refer to a DataStore.
fn users_of(store: &DataStore, pipelines: &Store<ProfilePipeline>) -> Vec<ObjectRef<ProfilePipeline>> {
    let (namespace, name) = (store.namespace(), store.name_any());
    let users = pipelines.state_filter(|pipeline| {
        pipeline.namespace() == namespace && pipeline.spec.store_refs().iter().any(|reference| reference.name == name)
    });
    users.iter().map(|pipeline| ObjectRef::from_obj(&**pipeline)).collect()
}

impl PipelineReconciler {
    async fn reconcile(&self, pipeline: &ProfilePipeline) -> Result<Action, Fault> {
        let result = self.reconcile_existing(pipeline).await;
        // A pipeline that was deleted meanwhile is not reconciled again: what this reconcile has
        // recorded would count for ever.
        if self.pipelines.get(&ObjectRef::from_obj(pipeline)).is_none() {
            forget(pipeline, &self.context);
        }
        result
    }

    async fn reconcile_existing(&self, pipeline: &ProfilePipeline) -> Result<Action, Fault> {
        // Owner references delete the pipeline's objects.
        if pipeline.metadata.deletion_timestamp.is_some() {
            forget(pipeline, &self.context);
            return Ok(Action::await_change());
        }
        if is_new(pipeline) {
            // Requested by a change of its objects or stores. Its first status requests it again.
            return Ok(Action::await_change());
        }
        self.children.wait_until_listed().await;
        // Fails only when the watch has ended, and with it the controller.
        let _ = self.stores.wait_until_ready().await;
        let applier = Applier { pipeline, children: &self.children, context: &self.context };
        let (applied, refusal) = match self.apply(pipeline, &applier).await {
            Ok(applied) => (applied, None),
            Err(ApplyError::Refused(refusal)) => (Applied::nothing(&applier), Some(refusal)),
            Err(ApplyError::Failed(fault)) if fault.is_refusal() => {
                (Applied::nothing(&applier), Some(Refusal::by_the_api_server(&fault)))
            }
            Err(ApplyError::Failed(fault)) => return Err(fault),
        };
        let rollout = applied.deployment.as_deref().map(RolloutState::of);
        let rolls = applied.written || rollout.is_some_and(|rollout| rollout.settling);
        self.context.rollouts.record(&id(pipeline), !applied.queued && rolls);
        let update = StatusUpdate {
            conditions: status::conditions(pipeline, refusal.as_ref(), rollout, &applied),
            rollout,
            workers: self.poll_workers(pipeline, &applied).await?,
        };
        status::write(pipeline, &update, &self.context).await?;
        let interval = self.context.settings.look_interval;
        Ok(Action::requeue(match &refusal {
            Some(refusal) if refusal.is_transient() => jittered(MISSING_DELAY / 2, random()),
            _ if applied.queued => jittered(QUEUED_DELAY / 2, random()),
            _ => interval + jittered(interval / 20, random()),
        }))
    }

    async fn apply(&self, pipeline: &ProfilePipeline, applier: &Applier<'_>) -> Result<Applied, ApplyError> {
        let references = dereference::dereference(pipeline, &self.stores, &self.context).await?;
        let valid = validate::validate(pipeline, &references)?;
        let config = Config::of(pipeline, &references)?;
        let wanted = build::build(pipeline, &config, &valid, &self.context.settings);
        // The objects are large, and so would be the future on the stack.
        let applied = Box::pin(applier.apply(wanted)).await?;
        Ok(Applied { warnings: valid.warnings, ..applied })
    }

    /// Returns what the workers report, if a poll is due and at least one is ready.
    async fn poll_workers(
        &self,
        pipeline: &ProfilePipeline,
        applied: &Applied,
    ) -> Result<Option<lethe_crds::profile_pipeline::WorkersStatus>, Fault> {
        let Some(deployment) = &applied.deployment else { return Ok(None) };
        let request = pipeline.annotations().get(names::REQUESTED_AT);
        let interval = self.context.settings.look_interval;
        let is_due = self.context.polls.until_due(pipeline, request, interval).is_none();
        if RolloutState::of(deployment).ready == 0 || !is_due {
            return Ok(None);
        }
        let workers = workers::poll(pipeline, deployment, &self.context).await?;
        self.context.polls.record(pipeline, request);
        Ok(Some(workers))
    }
}

fn id(pipeline: &ProfilePipeline) -> String {
    format!("{}/{}", pipeline.namespace().unwrap_or_default(), pipeline.name_any())
}
