//! A valid pipeline, and small edits of it.
#![allow(clippy::unwrap_used)]

use lethe_crds::ProfilePipeline;
use serde_json::{Value, json};

use crate::pipeline::{Checked, Mistake, Pipeline, SecretSight, StoreKind, Surroundings};

/// A namespace with a store of each kind, two Secrets and a ConfigMap.
pub(in crate::pipeline) struct Shop;

impl Surroundings for Shop {
    fn store_kind(&self, name: &str) -> Option<StoreKind> {
        match name {
            "events" => Some(StoreKind::Kafka),
            "profiles" => Some(StoreKind::Cassandra),
            "docs" => Some(StoreKind::Mongodb),
            "local" => Some(StoreKind::Embedded),
            _ => None,
        }
    }

    fn config_map(&self, name: &str, key: &str) -> Option<String> {
        (name == "schemas" && key == "event.json").then(|| r#"{"type": "object"}"#.to_owned())
    }

    fn secret(&self, name: &str) -> SecretSight {
        match name {
            "lethe-keys" => SecretSight::OfType("lethe.dev/keys".to_owned()),
            "tls" => SecretSight::OfType("kubernetes.io/tls".to_owned()),
            "elsewhere" => SecretSight::NotVisible,
            _ => SecretSight::Absent,
        }
    }

    fn store_names(&self) -> Vec<String> {
        ["events", "profiles", "docs", "local"].map(str::to_owned).to_vec()
    }
}

/// The schema of the base manifest.
pub(in crate::pipeline) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["event_id", "user_id"],
        "properties": {
            "event_id": {"type": "string"},
            "timestamp": {"type": "string"},
            "user_id": {"type": "string"},
            "email": {"type": "string"},
            "plan": {"type": "string"},
            "age": {"type": "integer"},
            "note": {"type": "string"},
            "address": {"type": "object", "properties": {"postcode": {"type": "string"}, "city": {"type": "string"}}},
            "tags": {"type": "array", "items": {"type": "string"}},
            "referrer": {"type": "string"}
        }
    })
}

/// A manifest without a mistake and without a warning.
pub(in crate::pipeline) fn base() -> Value {
    json!({
        "apiVersion": "lethe.dev/v1alpha1",
        "kind": "ProfilePipeline",
        "metadata": {"namespace": "shop", "name": "users"},
        "spec": {
            "source": {"kafka": {"storeRef": {"name": "events"}, "topic": "user_profiles"}},
            "event": {
                "id": "/event_id",
                "time": "/timestamp",
                "subject": {"space": "customers", "id": "/user_id", "aliases": [{"name": "email", "path": "/email", "canonical": "Email"}]},
                "schema": {"inline": schema().to_string()},
                "delete": {"tombstone": true}
            },
            "dedupe": {"window": "24h"},
            "keys": {"secretRef": {"name": "lethe-keys"}, "storeRef": {"name": "profiles"}},
            "defaultRegion": "CH",
            "fields": [
                {"path": "/email", "category": "user.contact.email", "clean": ["Trim", "Email"], "protect": {"encrypt": {}}},
                {"path": "/plan", "category": "user.account", "protect": {"keep": {}}},
                {"path": "/age", "category": "user.demographic", "protect": {"generalize": {"buckets": [18, 30, 50]}}},
                {"path": "/note", "category": "user.content", "protect": {"encrypt": {}}},
                {"path": "/address/postcode", "category": "user.contact.address.postal_code", "protect": {"generalize": {"prefix": 2}}},
                {"path": "/tags/*", "category": "user.behavior", "protect": {"keep": {}}}
            ],
            "sinks": [
                {"name": "profiles", "audience": "Operational", "records": "Latest", "maxAge": "365d", "cassandra": {
                    "storeRef": {"name": "profiles"}, "keyspace": "shop", "table": "profiles",
                    "columns": [
                        {"name": "subject_ref", "type": "text", "meta": "SubjectRef"},
                        {"name": "seen", "type": "timestamp", "meta": "EventTime"},
                        {"name": "version", "type": "bigint", "meta": "Version"},
                        {"name": "email", "type": "text", "path": "/email"},
                        {"name": "plan", "type": "text", "path": "/plan"}
                    ],
                    "partitionKey": ["subject_ref"]
                }},
                {"name": "history", "audience": "Analytics", "records": "Append", "timePrecision": "Hour", "mongodb": {
                    "storeRef": {"name": "docs"}, "database": "shop", "collection": "events"
                }},
                {"name": "clean", "audience": "Analytics", "records": "Append", "timePrecision": "Day", "fields": ["/plan", "/age"], "kafka": {
                    "storeRef": {"name": "events"}, "topic": "user_profiles_clean", "manage": "Create", "partitions": 8
                }}
            ],
            "deadLetter": {"keepFor": "7d", "kafka": {"storeRef": {"name": "events"}, "topic": "user_profiles_dlq"}}
        }
    })
}

/// Checks a manifest.
pub(in crate::pipeline) fn check(manifest: Value) -> Result<Checked, Vec<Mistake>> {
    Pipeline::check(&serde_json::from_value::<ProfilePipeline>(manifest).unwrap(), &Shop)
}

/// Sets the value at a JSON Pointer below `spec`; `-` appends to a list.
pub(in crate::pipeline) fn set(manifest: &mut Value, place: &str, value: Value) {
    let (parent, key) = place.rsplit_once('/').unwrap();
    match manifest.pointer_mut(&format!("/spec{parent}")).unwrap() {
        Value::Array(list) if key == "-" => list.push(value),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        other => panic!("{parent} is {other}"),
    }
}

/// Returns the base manifest with some values set.
pub(in crate::pipeline) fn with(edits: &[(&str, Value)]) -> Value {
    let mut manifest = base();
    for (place, value) in edits {
        set(&mut manifest, place, value.clone());
    }
    manifest
}
