//! Everything that a pipeline refers to, looked up in its own namespace. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use lethe_core::pipeline::{KEYS_SECRET_TYPE, SecretSight, StoreKind, Surroundings};
use lethe_crds::{DataStore, ProfilePipeline};
use lethe_stores::reach;
use serde_json::Value;

use crate::{context::Context, fault::Fault, secrets::Look};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// DataStores that are referred to and there, by name.
    pub stores: BTreeMap<String, DataStore>,
    /// Names of all DataStores of the namespace: for "did you mean".
    pub store_names: Vec<String>,
    /// Of the ConfigMap that holds the schema: its texts, if it is there.
    pub schema: Option<BTreeMap<String, String>>,
    /// The Secrets that are referred to, by the pipeline and by its DataStores.
    pub secrets: BTreeMap<String, Look>,
}

/// Looks everything up.
pub async fn dereference(
    pipeline: &ProfilePipeline,
    stores: &Store<DataStore>,
    context: &Context,
) -> Result<Found, Fault> {
    let namespace = pipeline.namespace().unwrap_or_default();
    let mut found = Found::default();
    let here = |store: &DataStore| store.metadata.namespace.as_deref() == Some(&namespace);
    found.store_names = stores.state().iter().filter(|store| here(store)).map(|store| store.name_any()).collect();
    for name in stores_of(pipeline) {
        if let Some(store) = stores.get(&ObjectRef::new(&name).within(&namespace)) {
            found.stores.insert(name, (*store).clone());
        }
    }
    if let Some(name) = schema_of(pipeline) {
        let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
        let map = api.get_opt(name).await.map_err(Fault::api(format!("read the ConfigMap {name}")))?;
        found.schema = map.map(|map| map.data.unwrap_or_default());
    }
    let mut names: BTreeSet<String> = found.stores.values().flat_map(reach::secrets_of).map(|(name, _)| name).collect();
    names.insert(pipeline.spec.keys.secret_ref.name.clone());
    for name in names {
        let look = context.secrets.look(&context.client, &namespace, &name).await?;
        found.secrets.insert(name, look);
    }
    Ok(found)
}

/// Names of the DataStores that a pipeline refers to, wherever in its spec.
pub fn stores_of(pipeline: &ProfilePipeline) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // What was read from JSON can be written as JSON.
    if let Ok(spec) = serde_json::to_value(&pipeline.spec) {
        gather(&spec, &mut names);
    }
    names
}

fn gather(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value["name"].as_str() {
                    Some(name) if key == "storeRef" => drop(names.insert(name.to_owned())),
                    _ => gather(value, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn schema_of(pipeline: &ProfilePipeline) -> Option<&str> {
    let reference = pipeline.spec.event.schema.as_ref()?.config_map_key_ref.as_ref()?;
    Some(&reference.name)
}

impl Surroundings for Found {
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
            // The label lets Lethe read a Secret of another type; what it holds is checked when it is read.
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
