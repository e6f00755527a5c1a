//! The objects of pipelines in the cluster, as the watches see them.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use lethe_crds::ProfilePipeline;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    names,
    process::scope::View,
    watches::{Watched, Watches, sibling_ref},
};

/// A kind of object that a pipeline owns.
pub trait Child: Watched + kube::Resource<Scope = NamespaceResourceScope> + Serialize + DeserializeOwned {
    /// Returns the watched objects of this kind.
    fn of(children: &Children) -> &Store<Self>;
}

/// The objects of pipelines in the cluster.
pub struct Children {
    config_maps: Store<ConfigMap>,
    service_accounts: Store<ServiceAccount>,
    services: Store<Service>,
    network_policies: Store<NetworkPolicy>,
    disruption_budgets: Store<PodDisruptionBudget>,
    deployments: Store<Deployment>,
}

macro_rules! children {
    ($($kind:ty: $member:ident,)+) => {
        $(impl Child for $kind {
            fn of(children: &Children) -> &Store<Self> {
                &children.$member
            }
        })+

        impl Children {
            /// Watches all kinds. A change of an object requests a reconcile of the pipeline that
            /// its label names.
            pub fn watch(watches: &mut Watches<'_, ProfilePipeline>, view: &View, client: &Client) -> Self {
                Self { $($member: watch::<$kind>(watches, view, client),)+ }
            }

            /// Returns the children in a list of objects, as watches would.
            #[cfg(test)]
            pub fn of_objects(objects: &[serde_json::Value]) -> Self {
                Self { $($member: crate::watches::store_of::<$kind>(objects),)+ }
            }

            /// Waits until every watch has listed its objects once.
            pub async fn wait_until_listed(&self) {
                // Fails only when the watch has ended, and with it the controller.
                $(let _ = self.$member.wait_until_ready().await;)+
            }
        }
    };
}

children! {
    ConfigMap: config_maps,
    ServiceAccount: service_accounts,
    Service: services,
    NetworkPolicy: network_policies,
    PodDisruptionBudget: disruption_budgets,
    Deployment: deployments,
}

impl Children {
    /// Returns the object of this name, if it exists and has the operator's label.
    pub fn get<K: Child>(&self, namespace: &str, name: &str) -> Option<std::sync::Arc<K>> {
        K::of(self).get(&ObjectRef::new(name).within(namespace))
    }

    /// Returns the objects of a kind that a pipeline owns, ordered by name.
    pub fn owned<K: Child>(&self, pipeline: &ProfilePipeline) -> Vec<std::sync::Arc<K>> {
        let namespace = pipeline.namespace();
        let mut owned = K::of(self).state_filter(|object| object.namespace() == namespace && owns(pipeline, object));
        owned.sort_by_key(|object| object.name_any());
        owned
    }
}

/// Returns whether a pipeline owns an object. Compares UIDs, so that an object of a former pipeline
/// with the same name does not count.
pub fn owns<K: kube::Resource>(pipeline: &ProfilePipeline, object: &K) -> bool {
    let uid = pipeline.metadata.uid.as_deref();
    uid.is_some()
        && object
            .owner_references()
            .iter()
            .any(|owner| owner.controller == Some(true) && Some(owner.uid.as_str()) == uid)
}

fn watch<K: Child>(watches: &mut Watches<'_, ProfilePipeline>, view: &View, client: &Client) -> Store<K> {
    let api: Api<DeserializeGuard<K>> = view.api(client);
    watches.watch(api, watcher::Config::default().labels(&names::managed()), |object: &K| {
        let pipeline = object.labels().get(names::PIPELINE);
        pipeline.map(|pipeline| sibling_ref(object, pipeline)).into_iter().collect()
    })
}
