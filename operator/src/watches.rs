//! Watches: each keeps the objects of a kind in memory and requests reconciles when they change.
//! An object that fails to deserialize (one of a later version, say) is logged and left out.

use std::fmt::Debug;

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store},
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc::UnboundedSender, task::JoinSet};

use crate::context::Context;

/// A kind that can be watched.
pub trait Watched: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static {}

impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static> Watched for K {}

/// Starts watches, which request reconciles of `T`.
pub struct Watches<'w, T: Resource<DynamicType = ()>> {
    /// Its metrics count objects and failed watches.
    pub context: &'w Context,
    /// The watches run until this is dropped.
    pub tasks: &'w mut JoinSet<()>,
    /// Receives the objects to reconcile.
    pub queue: UnboundedSender<ObjectRef<T>>,
}

impl<T: Resource<DynamicType = ()> + 'static> Watches<'_, T> {
    /// Watches the objects of a kind and returns the store that holds them. A change of an object
    /// requests a reconcile of every reference that `dependents` returns for it.
    pub fn watch<K: Watched>(
        &mut self,
        api: Api<DeserializeGuard<K>>,
        config: watcher::Config,
        dependents: impl Fn(&K) -> Vec<ObjectRef<T>> + Send + 'static,
    ) -> Store<K> {
        self.watch_with_deletes(api, config, dependents, |_| ())
    }

    /// As [`Watches::watch`], and calls `deleted` for each deleted object: a deleted object is not
    /// reconciled.
    pub fn watch_with_deletes<K: Watched>(
        &mut self,
        api: Api<DeserializeGuard<K>>,
        config: watcher::Config,
        dependents: impl Fn(&K) -> Vec<ObjectRef<T>> + Send + 'static,
        deleted: impl Fn(&K) + Send + 'static,
    ) -> Store<K> {
        let (reader, mut writer) = store::<K>();
        let (stored, queue) = (reader.clone(), self.queue.clone());
        let metrics = std::sync::Arc::clone(&self.context.metrics);
        let kind = kind::<K>();
        self.tasks.spawn(async move {
            let mut events = Box::pin(watcher(api, config).default_backoff());
            while let Some(event) = events.next().await {
                match event {
                    Err(error) => {
                        metrics.watch_failed(kind);
                        tracing::warn!(kind, %error, "watch failed, restarting");
                    }
                    Ok(event) => {
                        let Some(event) = readable(event, kind) else { continue };
                        writer.apply_watcher_event(&event);
                        metrics.objects(kind, stored.len());
                        if let Event::Delete(object) = &event {
                            deleted(object);
                        }
                        if let Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) = &event {
                            for dependent in dependents(object) {
                                // Fails only when the controller has ended.
                                let _ = queue.send(dependent);
                            }
                        }
                    }
                }
            }
        });
        reader
    }
}

/// Returns the event if its object deserializes; logs and returns `None` otherwise.
fn readable<K: Watched>(event: Event<DeserializeGuard<K>>, kind: &str) -> Option<Event<K>> {
    let read = |guarded: DeserializeGuard<K>| match guarded.0 {
        Ok(mut object) => {
            // Managed fields take several kilobytes per object and are never read here.
            object.meta_mut().managed_fields = None;
            // Nor is kubectl's copy of the whole object.
            object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
            Some(object)
        }
        Err(invalid) => {
            let metadata = &invalid.metadata;
            tracing::warn!(
                kind,
                namespace = metadata.namespace,
                name = metadata.name,
                "object failed to deserialize, ignored"
            );
            None
        }
    };
    Some(match event {
        Event::Apply(object) => Event::Apply(read(object)?),
        Event::Delete(object) => Event::Delete(read(object)?),
        Event::InitApply(object) => Event::InitApply(read(object)?),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    })
}

/// Returns the name of a kind.
pub fn kind<K: Resource<DynamicType = ()>>() -> &'static str {
    match K::kind(&()) {
        std::borrow::Cow::Borrowed(kind) => kind,
        std::borrow::Cow::Owned(_) => "object",
    }
}

/// Returns the reference to the object: for a watch whose objects are reconciled themselves.
pub fn self_ref<K: Watched>(object: &K) -> Vec<ObjectRef<K>> {
    vec![ObjectRef::from_obj(object)]
}

/// Returns the reference to the object called `name` in the namespace of `object`.
pub fn sibling_ref<T, K>(object: &K, name: &str) -> ObjectRef<T>
where
    T: Resource<DynamicType = ()> + Watched,
    K: Resource,
{
    ObjectRef::new(name).within(&object.namespace().unwrap_or_default())
}

/// Returns a store that holds the objects of a kind in a list, as a watch would.
#[cfg(test)]
pub fn store_of<K: Watched>(objects: &[serde_json::Value]) -> Store<K> {
    let (reader, mut writer) = store::<K>();
    writer.apply_watcher_event(&Event::Init);
    for object in objects.iter().filter(|object| object["kind"] == kind::<K>()) {
        if let Ok(object) = serde_json::from_value(object.clone()) {
            writer.apply_watcher_event(&Event::InitApply(object));
        }
    }
    writer.apply_watcher_event(&Event::InitDone);
    reader
}
