//! The configuration of workers: the pipeline and its DataStores in canonical form, so that the
//! same plan has the same name. Fields that change no event (replicas, pod settings, the record of
//! processing) are left out. Pure.

use lethe_crds::{DataStore, ProfilePipeline};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{dereference::References, validate::Refusal};
use crate::conditions::Reason;

/// Most bytes of a configuration: a ConfigMap holds a mebibyte, and its metadata needs some of it.
const MAX_BYTES: usize = 1_000_000;

/// The configuration of a pipeline's workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The pipeline as a JSON document.
    pub pipeline: String,
    /// Its DataStores as a JSON document.
    pub stores: String,
    /// Ten hexadecimal digits of a hash over both.
    pub hash: String,
}

impl Config {
    /// Returns the configuration of a validated pipeline.
    ///
    /// # Errors
    /// It does not fit into a ConfigMap.
    pub fn of(pipeline: &ProfilePipeline, references: &References) -> Result<Self, Refusal> {
        let stores: Vec<Value> = references.stores.values().map(canonical_store).collect();
        let stores = pretty(&json!({"apiVersion": "v1", "kind": "List", "items": stores}));
        let pipeline = pretty(&canonical_pipeline(pipeline, references));
        let size = pipeline.len() + stores.len();
        if size > MAX_BYTES {
            let message = format!(
                "the configuration has {size} bytes, and a ConfigMap holds {MAX_BYTES}: shorten the schema, or split the pipeline"
            );
            return Err(Refusal { reason: Reason::ConfigTooLarge, message });
        }
        let mut hash = Sha256::new();
        // The lengths keep parts apart: two configurations never hash the same bytes.
        for part in [&pipeline, &stores] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize().iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { pipeline, stores, hash })
    }
}

fn canonical_pipeline(pipeline: &ProfilePipeline, references: &References) -> Value {
    let mut spec = pipeline.spec.clone();
    (spec.replicas, spec.workers, spec.processing, spec.suspend) = (None, None, None, None);
    if let Some(schema) = &mut spec.event.schema
        && let Some(reference) = schema.config_map_key_ref.take()
    {
        schema.inline = references.schema.as_ref().and_then(|texts| texts.get(&reference.key)).cloned();
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
    // Members of a `Value` are ordered by name, and a `Value` always serializes.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use lethe_crds::load::{DEFAULT_NAMESPACE, Resources, read_text};

    use super::*;

    fn example() -> (ProfilePipeline, References) {
        let text = concat!(
            include_str!("../../../examples/streaming/store.yaml"),
            "\n---\n",
            include_str!("../../../examples/streaming/pipeline.yaml")
        );
        let resources = read_text("example.yaml", text).unwrap();
        let pipeline = resources.pipelines().next().unwrap().clone();
        let stores = resources.data_stores().map(|store| (store.metadata.name.clone().unwrap(), store.clone()));
        (pipeline, References { stores: stores.collect(), ..References::default() })
    }

    fn loaded(config: &Config) -> (Resources, Resources) {
        (read_text("pipeline.json", &config.pipeline).unwrap(), read_text("stores.json", &config.stores).unwrap())
    }

    #[test]
    fn workers_read_the_declaration_without_the_fields_that_change_no_event() {
        let (mut pipeline, references) = example();
        pipeline.spec.replicas = Some(7);
        let (read, stores) = loaded(&Config::of(&pipeline, &references).unwrap());
        let namespace = pipeline.metadata.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let read = read.pipeline(&namespace, "profiles").unwrap();
        let spec = &pipeline.spec;
        assert_eq!((&read.spec.fields, &read.spec.sinks), (&spec.fields, &spec.sinks));
        assert_eq!((read.spec.replicas, &read.spec.processing), (None, &None));
        assert_eq!(stores.data_stores().count(), 3);
    }

    #[test]
    fn the_hash_changes_with_the_plan_and_only_with_it() {
        let (mut pipeline, references) = example();
        let first = Config::of(&pipeline, &references).unwrap().hash;
        (pipeline.spec.replicas, pipeline.spec.suspend) = (Some(9), Some(true));
        assert_eq!(Config::of(&pipeline, &references).unwrap().hash, first);
        pipeline.spec.revision = Some(1);
        assert_ne!(Config::of(&pipeline, &references).unwrap().hash, first);
    }

    #[test]
    fn a_referenced_schema_is_inlined_and_one_that_is_too_large_is_refused() {
        let (mut pipeline, mut references) = example();
        let reference = lethe_crds::reference::ConfigMapKeyRef { name: "schemas".to_owned(), key: "a".to_owned() };
        let schema = pipeline.spec.event.schema.as_mut().unwrap();
        (schema.inline, schema.config_map_key_ref) = (None, Some(reference));
        references.schema = Some(BTreeMap::from([("a".to_owned(), "{\"type\": \"object\"}".to_owned())]));
        let config = Config::of(&pipeline, &references).unwrap();
        assert!(config.pipeline.contains(r#""inline": "{\"type\": \"object\"}""#), "{}", config.pipeline);
        references.schema = Some(BTreeMap::from([("a".to_owned(), "x".repeat(MAX_BYTES))]));
        assert_eq!(Config::of(&pipeline, &references).unwrap_err().reason, Reason::ConfigTooLarge);
    }
}
