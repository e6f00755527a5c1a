//! ProfilePipelines: dereference (reads), validate and build (pure), apply (writes), status.

mod apply;
mod build;
mod children;
mod config;
mod dereference;
mod diff;
mod status;
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
    let pipelines = watches.keep(pipelines, watcher::Config::default(), itself::<ProfilePipeline>);
    let known = pipelines.clone();
    let stores = view.api::<DeserializeGuard<DataStore>>(&client);
    let stores = watches.keep(stores, watcher::Config::default(), move |store: &DataStore| users_of(store, &known));
    let children = Children::watch(&mut watches, view, &client);
    drop(watches);
    let sight = Arc::new(Sight { context: Arc::clone(&context), stores, children });
    control(context, pipelines, requests, stopped, move |pipeline| {
        let sight = Arc::clone(&sight);
        async move { sight.reconcile(&pipeline).await }
    })
    .await;
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
            self.context.pace.note(&id(pipeline), false);
            self.context.asked.forget(pipeline);
            return Ok(Action::await_change());
        }
        if pipeline.status.as_ref().is_none_or(|status| status.conditions.is_empty()) {
            // The event of this write comes back here.
            let known = Known { said: status::first(), crew: None, workers: None };
            status::write(pipeline, &known, &self.context).await?;
            return Ok(Action::await_change());
        }
        self.children.listed().await;
        // Both end with the watch alone.
        let _ = self.stores.wait_until_ready().await;
        let applier = Applier { pipeline, children: &self.children, context: &self.context };
        let (applied, refused) = match self.apply(pipeline, &applier).await? {
            Ok(applied) => (applied, None),
            Err(refusal) => {
                (Applied { deployment: applier.deployment(), queued: false, notes: Vec::new() }, Some(refusal))
            }
        };
        let crew = applied.deployment.as_deref().map(Crew::of);
        self.context.pace.note(&id(pipeline), !applied.queued && crew.is_some_and(|crew| crew.rolls));
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
