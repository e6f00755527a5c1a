//! Looks up everything that a pipeline refers to, in its own namespace. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use lethe_core::pipeline::{KEYS_SECRET_TYPE, SecretSight, StoreKind, Surroundings};
use lethe_crds::{DataStore, ProfilePipeline};
use lethe_stores::open::secrets_of;

use crate::{context::Context, fault::Fault, secrets::Look};

/// The objects that a pipeline refers to.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// Referenced DataStores that exist, by name.
    pub stores: BTreeMap<String, DataStore>,
    /// Names of all DataStores of the namespace, for messages about a missing one.
    pub store_names: Vec<String>,
    /// Data of the referenced ConfigMap with the schema, if it exists.
    pub schema: Option<BTreeMap<String, String>>,
    /// Secrets that the pipeline and its DataStores refer to, by name.
    pub secrets: BTreeMap<String, Look>,
}

/// Looks up the references of a pipeline. A missing object is no error here.
pub async fn dereference(
    pipeline: &ProfilePipeline,
    stores: &Store<DataStore>,
    context: &Context,
) -> Result<References, Fault> {
    let namespace = pipeline.namespace().unwrap_or_default();
    let mut references = References::default();
    let here = |store: &DataStore| store.metadata.namespace.as_deref() == Some(&namespace);
    references.store_names = stores.state().iter().filter(|store| here(store)).map(|store| store.name_any()).collect();
    for name in store_names(pipeline) {
        if let Some(store) = stores.get(&ObjectRef::new(&name).within(&namespace)) {
            references.stores.insert(name, (*store).clone());
        }
    }
    if let Some(name) = schema_of(pipeline) {
        let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
        let map = api.get_opt(name).await.map_err(Fault::api(format!("read the ConfigMap {name}")))?;
        references.schema = map.map(|map| map.data.unwrap_or_default());
    }
    let mut names: BTreeSet<String> = references.stores.values().flat_map(secrets_of).map(|(name, _)| name).collect();
    names.insert(pipeline.spec.keys.secret_ref.name.clone());
    for name in names {
        let look = context.secrets.look(&context.client, &namespace, &name).await?;
        references.secrets.insert(name, look);
    }
    Ok(references)
}

/// Returns the names of the DataStores that a pipeline refers to, each once.
pub fn store_names(pipeline: &ProfilePipeline) -> BTreeSet<String> {
    pipeline.spec.store_refs().into_iter().map(|reference| reference.name.clone()).collect()
}

fn schema_of(pipeline: &ProfilePipeline) -> Option<&str> {
    let reference = pipeline.spec.event.schema.as_ref()?.config_map_key_ref.as_ref()?;
    Some(&reference.name)
}

impl Surroundings for References {
    fn store_kind(&self, name: &str) -> Option<StoreKind> {
        StoreKind::try_from(&self.stores.get(name)?.spec).ok()
    }

    fn config_map(&self, _: &str, key: &str) -> Option<String> {
        self.schema.as_ref()?.get(key).cloned()
    }

    fn secret(&self, name: &str) -> SecretSight {
        match self.secrets.get(name) {
            None => SecretSight::NotVisible,
            Some(Look::Absent) => SecretSight::Absent,
            // The label allows a Secret of any type. Its contents are checked when it is read.
            Some(Look::Allowed { labelled: true, .. }) => SecretSight::OfType(KEYS_SECRET_TYPE.to_owned()),
            Some(Look::Allowed { secret_type, .. } | Look::NotAllowed { secret_type }) => {
                SecretSight::OfType(secret_type.clone())
            }
        }
    }

    fn store_names(&self) -> Vec<String> {
        self.store_names.clone()
    }
}
