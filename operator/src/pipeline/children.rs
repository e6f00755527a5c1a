//! The objects of pipelines that are in the cluster, as they are watched.

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
    cache::{Watched, Watches, beside},
    names,
    process::scope::View,
};

/// A kind that a pipeline becomes.
pub trait Child: Watched + kube::Resource<Scope = NamespaceResourceScope> + Serialize + DeserializeOwned {
    /// Those that are watched.
    fn of(children: &Children) -> &Store<Self>;
}

/// The objects of pipelines that are in the cluster.
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
            /// Watches all of them; a change reconciles the pipeline that the object is of.
            pub fn watch(watches: &mut Watches<'_, ProfilePipeline>, view: &View, client: &Client) -> Self {
                Self { $($member: keep::<$kind>(watches, view, client),)+ }
            }

            /// Those of a list, as if they had been watched.
            #[cfg(test)]
            pub fn holding(objects: &[serde_json::Value]) -> Self {
                Self { $($member: crate::cache::holding::<$kind>(objects),)+ }
            }

            /// Waits until all of them were listed once.
            pub async fn listed(&self) {
                // A watch that has ended ends the controller, too.
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
    /// The object of this name, if it has the operator's label.
    pub fn get<K: Child>(&self, namespace: &str, name: &str) -> Option<std::sync::Arc<K>> {
        K::of(self).get(&ObjectRef::new(name).within(namespace))
    }

    /// All of a kind that a pipeline owns.
    pub fn owned<K: Child>(&self, pipeline: &ProfilePipeline) -> Vec<std::sync::Arc<K>> {
        let namespace = pipeline.namespace();
        let mut owned = K::of(self).state_filter(|object| object.namespace() == namespace && owns(pipeline, object));
        owned.sort_by_key(|object| object.name_any());
        owned
    }
}

/// Whether an object is this pipeline's own: by UID, so that one of a former pipeline of that name is not.
pub fn owns<K: kube::Resource>(pipeline: &ProfilePipeline, object: &K) -> bool {
    let uid = pipeline.metadata.uid.as_deref();
    uid.is_some()
        && object
            .owner_references()
            .iter()
            .any(|owner| owner.controller == Some(true) && Some(owner.uid.as_str()) == uid)
}

fn keep<K: Child>(watches: &mut Watches<'_, ProfilePipeline>, view: &View, client: &Client) -> Store<K> {
    let api: Api<DeserializeGuard<K>> = view.api(client);
    watches.keep(api, watcher::Config::default().labels(&names::managed()), |object: &K| {
        let pipeline = object.labels().get(names::PIPELINE);
        pipeline.map(|pipeline| beside(object, pipeline)).into_iter().collect()
    })
}
