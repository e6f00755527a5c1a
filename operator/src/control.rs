//! The loop around reconciles: what is to be reconciled is, a few at a time and never one object twice at once;
//! what failed is tried again, further and further apart.

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
    cache::{Watched, kind},
    context::Context,
    fault::Fault,
    process::metrics::Count,
};

/// Reconciles until it is stopped and what is under way has ended.
pub async fn control<K, F, Fut>(
    context: Arc<Context>,
    objects: Store<K>,
    mut queue: UnboundedReceiver<ObjectRef<K>>,
    mut stopped: watch::Receiver<bool>,
    reconcile: F,
) where
    K: Watched + Resource<DynamicType = ()>,
    K::DynamicType: Hash + Eq,
    F: Fn(Arc<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Action, Fault>> + Send + 'static,
{
    let reconcile = Arc::new(reconcile);
    // Views have their own queues, and a kind one gauge for all of them.
    let waiting = Arc::new(Waiting::<K>::new(Arc::clone(&context)));
    let noting = Arc::clone(&waiting);
    let requests = stream::poll_fn(move |context| queue.poll_recv(context)).map(move |object| {
        noting.comes(&object);
        Ok::<_, Infallible>(object)
    });
    let requests = requests.take_until(async move {
        // Nobody is left to stop it: the same.
        let _ = stopped.wait_for(|stops| *stops).await;
    });
    let one = move |object: Arc<K>, context: Arc<Context>| {
        let reconcile = Arc::clone(&reconcile);
        waiting.goes(&ObjectRef::from_obj(&*object));
        Box::pin(async move {
            let counting = Count::begin(&context.metrics, kind::<K>());
            let id = id(&*object);
            let done = reconcile(object).await;
            counting.end(done.as_ref().err().map(Fault::word));
            if done.is_ok() {
                context.failures.went_well(&id);
            }
            done
        })
    };
    let again = |object: Arc<K>, fault: &Fault, context: Arc<Context>| {
        let after = context.failures.failed(&id(&*object));
        if fault.is_conflict() {
            tracing::debug!(object = id(&*object), error = %fault, ?after, "another wrote first: trying again");
        } else {
            tracing::warn!(object = id(&*object), error = %fault, ?after, "a reconcile failed: trying again");
        }
        Action::requeue(after)
    };
    let config = Config::default().concurrency(context.settings.concurrency);
    let ended = applier(one, again, context, objects, requests, config);
    // Objects that went meanwhile, and failures that were told above.
    ended.for_each(|_| std::future::ready(())).await;
}

/// Objects that are to be reconciled and wait: counted once, however often they changed.
struct Waiting<K: Resource<DynamicType = ()>> {
    objects: Mutex<HashSet<ObjectRef<K>>>,
    context: Arc<Context>,
}

impl<K: Watched> Waiting<K> {
    fn new(context: Arc<Context>) -> Self {
        Self { objects: Mutex::default(), context }
    }

    fn comes(&self, object: &ObjectRef<K>) {
        if self.objects.lock().unwrap_or_else(PoisonError::into_inner).insert(object.clone()) {
            self.context.metrics.queued(kind::<K>(), 1);
        }
    }

    fn goes(&self, object: &ObjectRef<K>) {
        if self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(object) {
            self.context.metrics.queued(kind::<K>(), -1);
        }
    }
}

fn id<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!("{} {}/{}", kind::<K>(), object.namespace().unwrap_or_default(), object.name_any())
}
