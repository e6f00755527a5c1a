//! The CEL rules of the CRDs, with an accepted and a refused example of each. The rules are
//! attributes of the types.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use kube_cel::{CompiledSchema, ErrorKind, compile_schema, validate_compiled};
use serde_json::{Value, json};

use crate::crds;

fn schema(kind: &str) -> Value {
    let crd = crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    serde_json::to_value(crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap()).unwrap()
}

/// Returns the messages of the rules that an object breaks, as an update of `old` if there is one.
fn broken(kind: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
    thread_local! {
        static RULES: [CompiledSchema; 2] = ["DataStore", "ProfilePipeline"].map(|kind| compile_schema(&schema(kind)));
    }
    let checked = RULES.with(|rules| validate_compiled(&rules[usize::from(kind == "ProfilePipeline")], object, old));
    let Err(errors) = checked else { return Vec::new() };
    errors
        .into_vec()
        .into_iter()
        .map(|error| {
            assert_eq!(error.kind, ErrorKind::ValidationFailure, "{error}");
            error.message
        })
        .collect()
}

fn pipeline() -> Value {
    json!({
        "metadata": {"name": "customers"},
        "spec": {
            "source": {"kafka": {"storeRef": {"name": "events"}, "topic": "t"}},
            "event": {"subject": {"space": "customers", "id": "/user_id"}, "time": "/time"},
            "keys": {"secretRef": {"name": "k"}, "storeRef": {"name": "s"}},
            "fields": [{"path": "/email", "category": "user", "protect": {"encrypt": {}}}],
            "sinks": [{"name": "out", "audience": "Operational", "records": "Latest",
                       "embedded": {"storeRef": {"name": "s"}, "table": "t"}}]
        }
    })
}

fn store() -> Value {
    json!({"metadata": {"name": "s"}, "spec": {"embedded": {"path": "p.db"}}})
}

/// Returns `base` with `value` at a JSON Pointer; null removes the member.
fn with(mut base: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = base.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(name);
    } else {
        parent.insert(name.to_owned(), value);
    }
    base
}

/// Kind, JSON Pointer, an accepted value, a refused value, and the start of the message.
fn table() -> Vec<(&'static str, &'static str, Value, Value, &'static str)> {
    let protect = "/spec/fields/0/protect";
    let kafka = json!({"storeRef": {"name": "e"}, "topic": "t"});
    let sink = |more: Value| {
        let mut sink = json!({"name": "out", "audience": "Operational", "records": "Append"});
        sink.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([sink])
    };
    let column = |more: Value| {
        let mut column = json!({"name": "c", "type": "text"});
        column.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([{"name": "out", "audience": "Operational", "records": "Latest", "cassandra": {
            "storeRef": {"name": "c"}, "keyspace": "k", "table": "t", "columns": [column], "partitionKey": ["c"]}}])
    };
    let embedded = json!({"storeRef": {"name": "s"}, "table": "t"});
    let lines = json!({"path": "a"});
    let forty = "a".repeat(40);
    let more = "a".repeat(41);
    vec![
        ("DataStore", "/metadata/name", json!(forty), json!(more), "metadata.name may have 40"),
        ("ProfilePipeline", "/metadata/name", json!(forty), json!(more), "metadata.name may have 40"),
        ("DataStore", "/spec", json!({"embedded": {}}), json!({}), "give exactly one of kafka, cassandra, mongodb"),
        (
            "DataStore",
            "/spec",
            json!({"kafka": {}}),
            json!({"kafka": {}, "mongodb": {}}),
            "give exactly one of kafka, cassandra, mongodb",
        ),
        (
            "ProfilePipeline",
            "/spec/source",
            json!({"file": {"format": "Ndjson"}}),
            json!({}),
            "give exactly one of kafka and file",
        ),
        (
            "ProfilePipeline",
            "/spec/source",
            json!({"kafka": kafka}),
            json!({"kafka": kafka, "file": {"format": "Ndjson"}}),
            "give exactly one of kafka and file",
        ),
        (
            "ProfilePipeline",
            "/spec/source/file",
            Value::Null,
            json!({"format": "Ndjson"}),
            "give exactly one of kafka and file",
        ),
        (
            "ProfilePipeline",
            "/spec/source",
            json!({"file": {"format": "Csv", "csv": {}}}),
            json!({"file": {"format": "Ndjson", "csv": {}}}),
            "csv is read only with",
        ),
        ("ProfilePipeline", "/spec/event/schema", json!({"inline": "{}"}), json!({}), "give exactly one of inline"),
        (
            "ProfilePipeline",
            "/spec/event/schema",
            json!({"configMapKeyRef": {}}),
            json!({"inline": "{}", "configMapKeyRef": {}}),
            "give exactly one of inline",
        ),
        (
            "ProfilePipeline",
            "/spec/event",
            json!({"time": "/t", "sequence": "/s", "subject": {"space": "a"}}),
            json!({"sequence": "/s", "subject": {"space": "a"}}),
            "sequence orders events",
        ),
        (
            "ProfilePipeline",
            "/spec/event/delete",
            json!({"tombstone": true}),
            json!({}),
            "give at least one of tombstone",
        ),
        (
            "ProfilePipeline",
            "/spec/event/delete",
            json!({"tombstone": false, "when": {}}),
            json!({"tombstone": false}),
            "give at least one of tombstone",
        ),
        (
            "ProfilePipeline",
            "/spec/event/delete",
            json!({"tombstone": true, "keyPath": "/id"}),
            json!({"when": {"path": "/op", "equals": "d"}, "keyPath": ""}),
            "keyPath is for the key of a tombstone",
        ),
        (
            "ProfilePipeline",
            "/spec/dedupe",
            json!({"window": "10s"}),
            json!({"window": "0h0s"}),
            "window must be above zero",
        ),
        ("ProfilePipeline", protect, json!({"keep": {}}), json!({}), "give exactly one of keep"),
        (
            "ProfilePipeline",
            protect,
            json!({"drop": {}}),
            json!({"drop": {}, "redact": {}}),
            "give exactly one of keep",
        ),
        (
            "ProfilePipeline",
            protect,
            json!({"hash": {}}),
            json!({"hash": {}, "encrypt": {}}),
            "give exactly one of keep",
        ),
        (
            "ProfilePipeline",
            protect,
            json!({"pseudonymize": {}}),
            json!({"pseudonymize": {}, "redactDetected": {}}),
            "give exactly one of keep",
        ),
        (
            "ProfilePipeline",
            protect,
            json!({"mask": {"keepLast": 2}}),
            json!({"mask": {}}),
            "give keepFirst or keepLast",
        ),
        (
            "ProfilePipeline",
            protect,
            json!({"mask": {"keepFirst": 1, "keepLast": 0}}),
            json!({"mask": {"keepFirst": 0}}),
            "give keepFirst or keepLast",
        ),
        (
            "ProfilePipeline",
            protect,
            json!({"generalize": {"date": "Year"}}),
            json!({"generalize": {}}),
            "give exactly one of prefix",
        ),
        (
            "ProfilePipeline",
            protect,
            json!({"generalize": {"ip": {}}}),
            json!({"generalize": {"map": {}, "prefix": 1}}),
            "give exactly one of prefix",
        ),
        (
            "ProfilePipeline",
            protect,
            json!({"generalize": {"buckets": [-5, 10]}}),
            json!({"generalize": {"buckets": [10, 5]}}),
            "buckets must ascend",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            sink(json!({"mongodb": {}})),
            sink(json!({})),
            "give exactly one of cassandra",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            sink(json!({"kafka": kafka})),
            sink(json!({"kafka": kafka, "file": lines})),
            "give exactly one of cassandra",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            sink(json!({"file": lines})),
            sink(json!({"file": lines, "records": "Latest"})),
            "a file holds every event",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            sink(json!({"embedded": embedded, "maxAge": "7d"})),
            sink(json!({"kafka": kafka, "maxAge": "7d"})),
            "maxAge is kept in",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            sink(json!({"embedded": embedded, "maxAge": "10d"})),
            sink(json!({"embedded": embedded, "maxAge": "00d"})),
            "maxAge must be above zero",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            sink(json!({"embedded": {"table": "lethe"}})),
            sink(json!({"embedded": {"table": "lethe_keys"}})),
            "names that begin with lethe_",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            sink(json!({"kafka": {"manage": "Create", "partitions": 1}})),
            sink(json!({"kafka": {"partitions": 1}})),
            "partitions and replication",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            sink(json!({"kafka": {"manage": "Create", "replication": 1}})),
            sink(json!({"kafka": {"manage": "Check", "replication": 1}})),
            "partitions and replication",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            column(json!({"meta": "EventId"})),
            column(json!({})),
            "give exactly one of path and meta",
        ),
        (
            "ProfilePipeline",
            "/spec/sinks",
            column(json!({"path": "/a"})),
            column(json!({"path": "/a", "meta": "EventId"})),
            "give exactly one of path and meta",
        ),
        (
            "ProfilePipeline",
            "/spec/deadLetter",
            json!({"embedded": {}}),
            json!({}),
            "give exactly one of kafka and embedded",
        ),
        (
            "ProfilePipeline",
            "/spec/deadLetter",
            json!({"kafka": {}}),
            json!({"kafka": {}, "embedded": {}}),
            "give exactly one of kafka and embedded",
        ),
    ]
}

/// JSON Pointer, the former value, an accepted new value, a refused one, and the start of the
/// message.
fn changes() -> Vec<(&'static str, Value, Value, Value, &'static str)> {
    let canonical = "/spec/event/subject/canonical";
    vec![
        ("/spec/event/subject/space", json!("a"), json!("a"), json!("b"), "space is immutable"),
        (canonical, Value::Null, json!("Exact"), json!("Email"), "canonical is immutable"),
        (canonical, json!("Email"), json!("Email"), Value::Null, "canonical is immutable"),
        ("/spec/sinks/0/audience", json!("Public"), json!("Public"), json!("Identity"), "audience is immutable"),
    ]
}

#[test]
fn each_rule_accepts_its_right_example_and_refuses_its_wrong_one() {
    for (kind, pointer, right, wrong, message) in table() {
        let base = || if kind == "DataStore" { store() } else { pipeline() };
        let right = with(base(), pointer, right);
        assert_eq!(broken(kind, &right, None), Vec::<String>::new(), "{right}");
        let wrong = with(base(), pointer, wrong);
        let found = broken(kind, &wrong, None);
        assert!(found.len() == 1 && found[0].starts_with(message), "{found:?} instead of {message} for {wrong}");
    }
}

#[test]
fn deletion_by_tombstones_needs_a_kafka_source() {
    let delete = with(pipeline(), "/spec/event/delete", json!({"tombstone": true}));
    assert_eq!(broken("ProfilePipeline", &delete, None), Vec::<String>::new());
    let file = with(delete, "/spec/source", json!({"file": {"format": "Ndjson"}}));
    assert!(broken("ProfilePipeline", &file, None)[0].starts_with("event.delete.tombstone needs source.kafka"));
}

#[test]
fn an_immutable_field_accepts_no_change() {
    for (pointer, before, right, wrong, message) in changes() {
        let before = with(pipeline(), pointer, before);
        let right = with(pipeline(), pointer, right);
        assert_eq!(broken("ProfilePipeline", &right, Some(&before)), Vec::<String>::new(), "{pointer}");
        let wrong = with(pipeline(), pointer, wrong);
        let found = broken("ProfilePipeline", &wrong, Some(&before));
        assert!(found.len() == 1 && found[0].starts_with(message), "{found:?} instead of {message}");
    }
}

#[test]
fn every_rule_has_an_example() {
    fn messages(schema: &Value, out: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                for rule in members.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                    out.insert(rule["message"].as_str().expect("every rule has a message").to_owned());
                }
                members.values().for_each(|member| messages(member, out));
            }
            Value::Array(items) => items.iter().for_each(|item| messages(item, out)),
            _ => {}
        }
    }
    let mut all = BTreeSet::new();
    messages(&schema("DataStore"), &mut all);
    messages(&schema("ProfilePipeline"), &mut all);
    assert!(all.len() > 20);
    let examples: Vec<&str> = table().iter().map(|row| row.4).chain(changes().iter().map(|row| row.4)).collect();
    for message in all {
        let shown = examples.iter().any(|start| message.starts_with(start));
        assert!(shown || message.starts_with("event.delete.tombstone needs"), "no example for: {message}");
    }
}
