//! What workers read: the pipeline and its DataStores in one canonical form, so that the same plan has the same name.
//! What changes no event (replicas, how pods are made, the record of processing) is left out. Pure.

use lethe_crds::{DataStore, ProfilePipeline};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{dereference::Found, validate::Refusal};
use crate::conditions::Reason;

/// A ConfigMap has a mebibyte; its other parts need a little.
const MOST: usize = 1_000_000;

/// A configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The pipeline, a JSON document.
    pub pipeline: String,
    /// Its DataStores, a JSON document.
    pub stores: String,
    /// Ten hexadecimal digits that change when anything of it does.
    pub hash: String,
}

impl Config {
    /// The configuration of a pipeline that was validated.
    pub fn of(pipeline: &ProfilePipeline, found: &Found) -> Result<Self, Refusal> {
        let stores: Vec<Value> = found.stores.values().map(canonical_store).collect();
        let stores = pretty(&json!({"apiVersion": "v1", "kind": "List", "items": stores}));
        let pipeline = pretty(&canonical_pipeline(pipeline, found));
        let size = pipeline.len() + stores.len();
        if size > MOST {
            let message = format!(
                "the configuration has {size} bytes, and a ConfigMap holds {MOST}: shorten the schema, or split the pipeline"
            );
            return Err(Refusal { reason: Reason::ConfigTooLarge, message });
        }
        let mut hash = Sha256::new();
        // Lengths between them: no two configurations run together alike.
        for part in [&pipeline, &stores] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize().iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { pipeline, stores, hash })
    }
}

fn canonical_pipeline(pipeline: &ProfilePipeline, found: &Found) -> Value {
    let mut spec = pipeline.spec.clone();
    (spec.replicas, spec.workers, spec.processing, spec.suspend) = (None, None, None, None);
    if let Some(schema) = &mut spec.event.schema
        && let Some(reference) = schema.config_map_key_ref.take()
    {
        schema.inline = found.schema.as_ref().and_then(|texts| texts.get(&reference.key)).cloned();
    }
    json!({
        "apiVersion": "lethe.dev/v1alpha1",
        "kind": "ProfilePipeline",
        "metadata": {"name": pipeline.metadata.name, "namespace": pipeline.metadata.namespace},
        "spec": spec,
    })
}

fn canonical_store(store: &DataStore) -> Value {
    json!({
        "apiVersion": "lethe.dev/v1alpha1",
        "kind": "DataStore",
        "metadata": {"name": store.metadata.name, "namespace": store.metadata.namespace},
        "spec": store.spec,
    })
}

fn pretty(value: &Value) -> String {
    // Members of a `Value` are in the order of their names, and a `Value` can always be written.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use lethe_crds::load::{DEFAULT_NAMESPACE, Resources, read_text};

    use super::*;

    fn example() -> (ProfilePipeline, Found) {
        let text = concat!(
            include_str!("../../../examples/streaming/store.yaml"),
            "\n---\n",
            include_str!("../../../examples/streaming/pipeline.yaml")
        );
        let resources = read_text("example.yaml", text).unwrap();
        let pipeline = resources.pipelines().next().unwrap().clone();
        let stores = resources.data_stores().map(|store| (store.metadata.name.clone().unwrap(), store.clone()));
        (pipeline, Found { stores: stores.collect(), ..Found::default() })
    }

    fn loaded(config: &Config) -> (Resources, Resources) {
        (read_text("pipeline.json", &config.pipeline).unwrap(), read_text("stores.json", &config.stores).unwrap())
    }

    #[test]
    fn workers_read_what_was_declared_but_for_what_changes_no_event() {
        let (mut pipeline, found) = example();
        pipeline.spec.replicas = Some(7);
        let (read, stores) = loaded(&Config::of(&pipeline, &found).unwrap());
        let namespace = pipeline.metadata.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let read = read.pipeline(&namespace, "profiles").unwrap();
        let spec = &pipeline.spec;
        assert_eq!((&read.spec.fields, &read.spec.sinks), (&spec.fields, &spec.sinks));
        assert_eq!((read.spec.replicas, &read.spec.processing), (None, &None));
        assert_eq!(stores.data_stores().count(), 3);
    }

    #[test]
    fn a_plan_has_one_name_and_another_plan_another() {
        let (mut pipeline, found) = example();
        let first = Config::of(&pipeline, &found).unwrap().hash;
        (pipeline.spec.replicas, pipeline.spec.suspend) = (Some(9), Some(true));
        assert_eq!(Config::of(&pipeline, &found).unwrap().hash, first);
        pipeline.spec.revision = Some(1);
        assert_ne!(Config::of(&pipeline, &found).unwrap().hash, first);
    }

    #[test]
    fn the_text_of_a_schema_is_in_it_and_one_that_is_too_large_is_refused() {
        let (mut pipeline, mut found) = example();
        let reference = lethe_crds::reference::ConfigMapKeyRef { name: "schemas".to_owned(), key: "a".to_owned() };
        let schema = pipeline.spec.event.schema.as_mut().unwrap();
        (schema.inline, schema.config_map_key_ref) = (None, Some(reference));
        found.schema = Some(BTreeMap::from([("a".to_owned(), "{\"type\": \"object\"}".to_owned())]));
        let config = Config::of(&pipeline, &found).unwrap();
        assert!(config.pipeline.contains(r#""inline": "{\"type\": \"object\"}""#), "{}", config.pipeline);
        found.schema = Some(BTreeMap::from([("a".to_owned(), "x".repeat(MOST))]));
        assert_eq!(Config::of(&pipeline, &found).unwrap_err().reason, Reason::ConfigTooLarge);
    }
}
