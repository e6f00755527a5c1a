//! Objects of a kind that are watched: kept in memory, and told of when they change. What can't be read (an object
//! of a later version, say) is left out and told in the log; the others go on.

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

/// Tasks that watch, and where they tell what is to be reconciled.
pub struct Watches<'w, T: Resource<DynamicType = ()>> {
    /// Whose metrics count.
    pub context: &'w Context,
    /// They end when this is dropped.
    pub tasks: &'w mut JoinSet<()>,
    /// What is to be reconciled.
    pub queue: UnboundedSender<ObjectRef<T>>,
}

impl<T: Resource<DynamicType = ()> + 'static> Watches<'_, T> {
    /// Keeps the objects of a kind; for each that changed, what `touches` answers is to be reconciled.
    pub fn keep<K: Watched>(
        &mut self,
        api: Api<DeserializeGuard<K>>,
        config: watcher::Config,
        touches: impl Fn(&K) -> Vec<ObjectRef<T>> + Send + 'static,
    ) -> Store<K> {
        self.keep_until_gone(api, config, touches, |_| ())
    }

    /// The same, and tells `gone` of each that is deleted: nothing reconciles it any more.
    pub fn keep_until_gone<K: Watched>(
        &mut self,
        api: Api<DeserializeGuard<K>>,
        config: watcher::Config,
        touches: impl Fn(&K) -> Vec<ObjectRef<T>> + Send + 'static,
        gone: impl Fn(&K) + Send + 'static,
    ) -> Store<K> {
        let (reader, mut writer) = store::<K>();
        let (kept, queue) = (reader.clone(), self.queue.clone());
        let metrics = std::sync::Arc::clone(&self.context.metrics);
        let kind = kind::<K>();
        self.tasks.spawn(async move {
            let mut events = Box::pin(watcher(api, config).default_backoff());
            while let Some(event) = events.next().await {
                match event {
                    Err(error) => {
                        metrics.watch_failed(kind);
                        tracing::warn!(kind, %error, "a watch was cut off: it begins anew");
                    }
                    Ok(event) => {
                        let Some(event) = readable(event, kind) else { continue };
                        writer.apply_watcher_event(&event);
                        metrics.objects(kind, kept.len());
                        if let Event::Delete(object) = &event {
                            gone(object);
                        }
                        if let Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) = &event {
                            for touched in touches(object) {
                                // It ends when nobody listens any more.
                                let _ = queue.send(touched);
                            }
                        }
                    }
                }
            }
        });
        reader
    }
}

/// An event of an object that can be read.
fn readable<K: Watched>(event: Event<DeserializeGuard<K>>, kind: &str) -> Option<Event<K>> {
    let read = |guarded: DeserializeGuard<K>| match guarded.0 {
        Ok(mut object) => {
            // Who wrote which field, several kilobytes of it, is nothing to anybody here.
            object.meta_mut().managed_fields = None;
            // And the whole object once more, for kubectl.
            object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
            Some(object)
        }
        Err(invalid) => {
            let metadata = &invalid.metadata;
            tracing::warn!(kind, namespace = metadata.namespace, name = metadata.name, "an object can't be read");
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

/// Name of a kind.
pub fn kind<K: Resource<DynamicType = ()>>() -> &'static str {
    match K::kind(&()) {
        std::borrow::Cow::Borrowed(kind) => kind,
        std::borrow::Cow::Owned(_) => "object",
    }
}

/// Reference to an object itself.
pub fn itself<K: Watched>(object: &K) -> Vec<ObjectRef<K>> {
    vec![ObjectRef::from_obj(object)]
}

/// The object of this name, in the namespace of another.
pub fn beside<T, K>(object: &K, name: &str) -> ObjectRef<T>
where
    T: Resource<DynamicType = ()> + Watched,
    K: Resource,
{
    ObjectRef::new(name).within(&object.namespace().unwrap_or_default())
}

/// The objects of a kind in a list, as if they had been watched.
#[cfg(test)]
pub fn holding<K: Watched>(objects: &[serde_json::Value]) -> Store<K> {
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
