//! Runs reconciles with bounded concurrency, one per object at a time. A failed reconcile is
//! retried with exponential back-off.

use std::{
    collections::HashSet,
    convert::Infallible,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use kube::{
    Resource, ResourceExt,
    runtime::{
        controller::{Action, Config, applier},
        reflector::{ObjectRef, Store},
    },
};
use tokio::sync::{mpsc::UnboundedReceiver, watch};

use crate::{
    context::Context,
    fault::Fault,
    process::metrics::ReconcileTimer,
    watches::{Watched, kind},
};

/// Reconciles the requested objects until `stopped` is true and the running reconciles have ended.
pub async fn run_controller<K, F, Fut>(
    context: Arc<Context>,
    objects: Store<K>,
    mut requests: UnboundedReceiver<ObjectRef<K>>,
    mut stopped: watch::Receiver<bool>,
    reconcile: F,
) where
    K: Watched + Resource<DynamicType = ()>,
    K::DynamicType: Hash + Eq,
    F: Fn(Arc<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Action, Fault>> + Send + 'static,
{
    let reconcile = Arc::new(reconcile);
    // Each view has its own queue; all queues of a kind share one gauge.
    let waiting = Arc::new(Waiting::<K>::new(Arc::clone(&context)));
    let queued = Arc::clone(&waiting);
    let requests = stream::poll_fn(move |context| requests.poll_recv(context)).map(move |object| {
        queued.add(&object);
        Ok::<_, Infallible>(object)
    });
    let requests = requests.take_until(async move {
        // A dropped sender means the same: the process ends.
        let _ = stopped.wait_for(|stops| *stops).await;
    });
    let reconcile_one = move |object: Arc<K>, context: Arc<Context>| {
        let reconcile = Arc::clone(&reconcile);
        waiting.remove(&ObjectRef::from_obj(&*object));
        Box::pin(async move {
            let timer = ReconcileTimer::start(&context.metrics, kind::<K>());
            let id = id(&*object);
            let result = reconcile(object).await;
            timer.end(result.as_ref().err().map(Fault::label));
            if result.is_ok() {
                context.failures.reset(&id);
            }
            result
        })
    };
    let retry = |object: Arc<K>, fault: &Fault, context: Arc<Context>| {
        let after = context.failures.record(&id(&*object));
        if fault.is_conflict() {
            tracing::debug!(object = id(&*object), error = %fault, ?after, "write conflict, retrying");
        } else {
            tracing::warn!(object = id(&*object), error = %fault, ?after, "reconcile failed, retrying");
        }
        Action::requeue(after)
    };
    let config = Config::default().concurrency(context.settings.concurrency);
    let results = applier(reconcile_one, retry, context, objects, requests, config);
    // Failures are logged above. The other errors are objects that were deleted meanwhile.
    results.for_each(|_| std::future::ready(())).await;
}

/// Objects that wait to be reconciled: each counts once, however often it was requested.
struct Waiting<K: Resource<DynamicType = ()>> {
    objects: Mutex<HashSet<ObjectRef<K>>>,
    context: Arc<Context>,
}

impl<K: Watched> Waiting<K> {
    fn new(context: Arc<Context>) -> Self {
        Self { objects: Mutex::default(), context }
    }

    fn add(&self, object: &ObjectRef<K>) {
        if self.objects.lock().unwrap_or_else(PoisonError::into_inner).insert(object.clone()) {
            self.context.metrics.queued(kind::<K>(), 1);
        }
    }

    fn remove(&self, object: &ObjectRef<K>) {
        if self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(object) {
            self.context.metrics.queued(kind::<K>(), -1);
        }
    }
}

fn id<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!("{} {}/{}", kind::<K>(), object.namespace().unwrap_or_default(), object.name_any())
}
