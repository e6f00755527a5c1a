//! The loop around reconciles: what is to be reconciled is, a few at a time and never one object twice at once;
//! what failed is tried again, further and further apart.

use std::{convert::Infallible, future::Future, hash::Hash, sync::Arc};

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
    let requests = stream::poll_fn(move |context| queue.poll_recv(context)).map(Ok::<_, Infallible>);
    let requests = requests.take_until(async move {
        // Nobody is left to stop it: the same.
        let _ = stopped.wait_for(|stops| *stops).await;
    });
    let one = move |object: Arc<K>, context: Arc<Context>| {
        let reconcile = Arc::clone(&reconcile);
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
        tracing::warn!(object = id(&*object), error = %fault, ?after, "a reconcile failed: trying again");
        Action::requeue(after)
    };
    let config = Config::default().concurrency(context.settings.concurrency);
    let ended = applier(one, again, context, objects, requests, config);
    // Objects that went meanwhile, and failures that were told above.
    ended.for_each(|_| std::future::ready(())).await;
}

fn id<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!("{} {}/{}", kind::<K>(), object.namespace().unwrap_or_default(), object.name_any())
}
