//! The measured pipeline: a schema, five kinds of protection of which two encrypt, and a note that
//! is scanned.

use lethe_core::pipeline::{Pipeline, SecretSight, StoreKind, Surroundings};
use lethe_crds::load::read_text;

pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "required": ["event_id", "timestamp", "user_id", "email"],
  "properties": {
    "event_id": {"type": "string", "minLength": 1, "maxLength": 64},
    "timestamp": {"type": "string", "maxLength": 40},
    "user_id": {"type": "string", "minLength": 1, "maxLength": 64},
    "name": {"type": "string", "maxLength": 200},
    "email": {"type": "string", "maxLength": 254},
    "phone": {"type": ["string", "null"], "maxLength": 32},
    "address": {"type": "object", "properties": {"postcode": {"type": "string", "maxLength": 16}}},
    "birth_date": {"type": "string", "maxLength": 10},
    "national_id": {"type": "string", "maxLength": 32},
    "tier": {"enum": ["bronze", "silver", "gold", "platinum"]},
    "lifetime_value": {"type": "number", "minimum": 0},
    "note": {"type": "string", "maxLength": 2000}
  }
}"#;

struct Alone;

impl Surroundings for Alone {
    fn store_kind(&self, _: &str) -> Option<StoreKind> {
        Some(StoreKind::Embedded)
    }
    fn config_map(&self, _: &str, _: &str) -> Option<String> {
        None
    }
    fn secret(&self, _: &str) -> SecretSight {
        SecretSight::NotVisible
    }
}

pub(crate) fn pipeline(sinks: usize) -> Pipeline {
    let audiences = ["Operational", "Identity", "Analytics"];
    let sinks: Vec<_> = audiences[..sinks]
        .iter()
        .map(|audience| {
            serde_json::json!({
                "name": audience.to_lowercase(), "audience": audience, "records": "Append",
                "embedded": {"storeRef": {"name": "store"}, "table": audience.to_lowercase()}
            })
        })
        .collect();
    let manifest = serde_json::json!({
        "apiVersion": "lethe.dev/v1alpha1", "kind": "ProfilePipeline", "metadata": {"name": "bench"},
        "spec": {
            "source": {"file": {"path": "-", "format": "Ndjson"}},
            "event": {
                "id": "/event_id", "time": "/timestamp", "subject": {"space": "customers", "id": "/user_id"},
                "schema": {"inline": SCHEMA}
            },
            "keys": {"secretRef": {"name": "keys"}, "storeRef": {"name": "store"}},
            "fields": [
                {"path": "/email", "category": "user.contact.email", "clean": ["Trim", "Lowercase"],
                 "protect": {"encrypt": {}}},
                {"path": "/national_id", "category": "user.government_id", "protect": {"encrypt": {"class": "identity"}}},
                {"path": "/phone", "category": "user.contact.phone_number", "protect": {"mask": {"keepLast": 2}}},
                {"path": "/address/postcode", "category": "user.contact.address.postal_code",
                 "protect": {"generalize": {"prefix": 3}}},
                {"path": "/note", "category": "user.content", "protect": {"redactDetected": {}}},
                {"path": "/tier", "category": "user.account", "protect": {"keep": {}}},
                {"path": "/plan", "category": "user.account", "protect": {"keep": {}}}
            ],
            "sinks": sinks,
            "deadLetter": {"keepFor": "7d", "embedded": {"storeRef": {"name": "store"}}}
        }
    });
    let resources = read_text("bench", &manifest.to_string()).unwrap();
    let pipeline = resources.pipelines().next().unwrap();
    Pipeline::check(pipeline, &Alone).unwrap().pipeline
}
