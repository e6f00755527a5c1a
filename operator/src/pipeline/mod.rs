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
    apply::{Applied, Applier},
    children::Children,
    config::Config,
    status::{Crew, Known},
    validate::Refusal,
};
use crate::{
    cache::{Watches, itself},
    context::{Context, random},
    control::control,
    fault::{Fault, jittered},
    names,
    process::scope::View,
};

/// What the reconciles of a view work with.
struct Sight {
    context: Arc<Context>,
    stores: Store<DataStore>,
    children: Children,
}

/// How soon a pipeline that waits for others to roll is looked at again.
const QUEUED: std::time::Duration = std::time::Duration::from_secs(10);
/// How soon what is missing is looked for again.
const MISSING: std::time::Duration = std::time::Duration::from_secs(30);

/// Runs the controller until it is stopped.
pub async fn run(context: Arc<Context>, view: &View, stopped: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let (queue, requests) = mpsc::unbounded_channel();
    let client = context.client.clone();
    let mut watches = Watches { context: &context, tasks: &mut tasks, queue };
    let pipelines = view.api::<DeserializeGuard<ProfilePipeline>>(&client);
    // What was never spoken of is told first that it is seen, beside the work: nobody waits for that behind a thousand
    // others.
    let (fresh, news) = mpsc::unbounded_channel();
    let touches = move |pipeline: &ProfilePipeline| {
        if !is_new(pipeline) {
            return itself(pipeline);
        }
        // It ends with the controller.
        let _ = fresh.send(ObjectRef::from_obj(pipeline));
        Vec::new()
    };
    let leaving = Arc::clone(&context);
    let pipelines = watches.keep_until_gone(pipelines, watcher::Config::default(), touches, move |pipeline| {
        forget(pipeline, &leaving);
    });
    let known = pipelines.clone();
    let stores = view.api::<DeserializeGuard<DataStore>>(&client);
    let stores = watches.keep(stores, watcher::Config::default(), move |store: &DataStore| users_of(store, &known));
    let children = Children::watch(&mut watches, view, &client);
    drop(watches);
    let sight = Arc::new(Sight { context: Arc::clone(&context), stores, children });
    let greeting = Arc::clone(&context);
    let greet = control(Arc::clone(&context), pipelines.clone(), news, stopped.clone(), move |pipeline| {
        let context = Arc::clone(&greeting);
        async move { greet(&pipeline, &context).await }
    });
    let work = control(context, pipelines, requests, stopped, move |pipeline| {
        let sight = Arc::clone(&sight);
        async move { sight.reconcile(&pipeline).await }
    });
    tokio::join!(greet, work);
}

/// A pipeline goes: it holds up nobody's roll-out.
fn forget(pipeline: &ProfilePipeline, context: &Context) {
    context.pace.note(&id(pipeline), false);
    context.asked.forget(pipeline);
}

/// Whether nothing was said of a pipeline yet.
fn is_new(pipeline: &ProfilePipeline) -> bool {
    pipeline.metadata.deletion_timestamp.is_none()
        && pipeline.status.as_ref().is_none_or(|status| status.conditions.is_empty())
}

/// Says that a pipeline is seen. The event of this write brings it to the controller.
async fn greet(pipeline: &ProfilePipeline, context: &Context) -> Result<Action, Fault> {
    if is_new(pipeline) {
        let known = Known { said: status::first(), crew: None, workers: None };
        status::write(pipeline, &known, context).await?;
    }
    Ok(Action::await_change())
}

/// The pipelines that refer to a DataStore.
fn users_of(store: &DataStore, pipelines: &Store<ProfilePipeline>) -> Vec<ObjectRef<ProfilePipeline>> {
    let (namespace, name) = (store.namespace(), store.name_any());
    let users = pipelines
        .state_filter(|pipeline| pipeline.namespace() == namespace && dereference::stores_of(pipeline).contains(&name));
    users.iter().map(|pipeline| ObjectRef::from_obj(&**pipeline)).collect()
}

impl Sight {
    async fn reconcile(&self, pipeline: &ProfilePipeline) -> Result<Action, Fault> {
        // Owner references take its objects away.
        if pipeline.metadata.deletion_timestamp.is_some() {
            forget(pipeline, &self.context);
            return Ok(Action::await_change());
        }
        if is_new(pipeline) {
            // An object of its, or a store, was seen first. It is told of, and comes back.
            return Ok(Action::await_change());
        }
        self.children.listed().await;
        // Both end with the watch alone.
        let _ = self.stores.wait_until_ready().await;
        let applier = Applier { pipeline, children: &self.children, context: &self.context };
        let applied = match self.apply(pipeline, &applier).await {
            Err(fault) if fault.is_refusal() => Err(Refusal::by_the_api_server(&fault)),
            applied => applied?,
        };
        let (applied, refused) = match applied {
            Ok(applied) => (applied, None),
            Err(refusal) => {
                let deployment = applier.deployment();
                (Applied { deployment, queued: false, written: false, notes: Vec::new() }, Some(refusal))
            }
        };
        let crew = applied.deployment.as_deref().map(Crew::of);
        let rolls = applied.written || crew.is_some_and(|crew| crew.settles);
        self.context.pace.note(&id(pipeline), !applied.queued && rolls);
        let known = Known {
            said: status::said(pipeline, refused.as_ref(), crew, &applied),
            crew,
            workers: self.workers(pipeline, &applied).await?,
        };
        status::write(pipeline, &known, &self.context).await?;
        let interval = self.context.settings.look_interval;
        Ok(Action::requeue(match &refused {
            Some(refusal) if refusal.may_pass() => jittered(MISSING / 2, random()),
            _ if applied.queued => jittered(QUEUED / 2, random()),
            _ => interval + jittered(interval / 20, random()),
        }))
    }

    async fn apply(
        &self,
        pipeline: &ProfilePipeline,
        applier: &Applier<'_>,
    ) -> Result<Result<Applied, Refusal>, Fault> {
        let found = dereference::dereference(pipeline, &self.stores, &self.context).await?;
        let valid = match validate::validate(pipeline, &found) {
            Ok(valid) => valid,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let config = match Config::of(pipeline, &found) {
            Ok(config) => config,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let wanted = build::build(pipeline, &config, &valid, &self.context.settings);
        // What is wanted is large; the future that writes it lies on the heap.
        let applied = Box::pin(applier.apply(wanted)).await?;
        Ok(applied.map(|applied| Applied { notes: valid.warnings, ..applied }))
    }

    /// What the workers say, where it is time to ask them.
    async fn workers(
        &self,
        pipeline: &ProfilePipeline,
        applied: &Applied,
    ) -> Result<Option<lethe_crds::profile_pipeline::WorkersStatus>, Fault> {
        let Some(deployment) = &applied.deployment else { return Ok(None) };
        let request = pipeline.annotations().get(names::REQUESTED_AT);
        let interval = self.context.settings.look_interval;
        if Crew::of(deployment).ready == 0 || self.context.asked.wait(pipeline, request, interval).is_some() {
            return Ok(None);
        }
        let said = workers::look(pipeline, deployment, &self.context).await?;
        self.context.asked.note(pipeline, request);
        Ok(Some(said))
    }
}

fn id(pipeline: &ProfilePipeline) -> String {
    format!("{}/{}", pipeline.namespace().unwrap_or_default(), pipeline.name_any())
}
