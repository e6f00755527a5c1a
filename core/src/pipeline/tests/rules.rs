//! Every rule, with an edit of a valid manifest that breaks it and the path at which the mistake is
//! reported. The base manifest is the accepted example of each rule; if a rule has a near miss that
//! must be accepted, it is in `near_misses_are_accepted`.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixtures::{base, check, schema, with};
use crate::pipeline::{ProtectRules, Severity, SourceRules, code};

/// Edits, the code, the path.
type Case = (Vec<(&'static str, Value)>, &'static str, &'static str);

fn field(path: &str, category: &str, protect: Value) -> Value {
    json!({"path": path, "category": category, "protect": protect})
}

fn cleaned(path: &str, steps: Value, protect: Value) -> Value {
    json!({"path": path, "category": "user.account", "clean": steps, "protect": protect})
}

/// Returns the base schema with additional properties.
fn schema_with(properties: Value) -> Value {
    let mut schema = schema();
    for (key, value) in properties.as_object().unwrap() {
        schema["properties"][key] = value.clone();
    }
    json!(schema.to_string())
}

fn file_sink(path: &str, records: &str) -> Value {
    json!({"name": "dump", "audience": "Identity", "records": records, "file": {"path": path}})
}

fn embedded_sink(audience: &str, table: &str) -> Value {
    json!({"name": "local", "audience": audience, "records": "Latest", "embedded": {"storeRef": {"name": "local"}, "table": table}})
}

fn append_columns() -> Value {
    json!([
        {"name": "subject_ref", "type": "text", "meta": "SubjectRef"},
        {"name": "time", "type": "timestamp", "meta": "EventTime"},
        {"name": "id", "type": "text", "meta": "EventId"},
        {"name": "version", "type": "bigint", "meta": "Version"},
        {"name": "plan", "type": "text", "path": "/plan"}
    ])
}

fn column(cql_type: &str, path: &str) -> Value {
    json!({"name": "extra", "type": cql_type, "path": path})
}

const COLUMNS: &str = "/sinks/0/cassandra/columns/-";
const INLINE: &str = "/event/schema/inline";

fn references() -> Vec<Case> {
    vec![
        (vec![("/source/kafka/storeRef/name", json!("event"))], code::UNKNOWN_STORE, "spec.source.kafka.storeRef.name"),
        (
            vec![("/source/kafka/storeRef/name", json!("docs"))],
            code::WRONG_STORE_KIND,
            "spec.source.kafka.storeRef.name",
        ),
        (vec![("/keys/storeRef/name", json!("events"))], code::WRONG_STORE_KIND, "spec.keys.storeRef.name"),
        (vec![("/keys/secretRef/name", json!("nothing"))], code::UNKNOWN_SECRET, "spec.keys.secretRef.name"),
        (vec![("/keys/secretRef/name", json!("tls"))], code::WRONG_SECRET_TYPE, "spec.keys.secretRef.name"),
        (vec![("/keys/secretRef/name", json!("elsewhere"))], code::SECRET_NOT_SEEN, "spec.keys.secretRef.name"),
        (
            vec![("/event/schema", json!({"configMapKeyRef": {"name": "schemas", "key": "other.json"}}))],
            code::UNKNOWN_CONFIG_MAP,
            "spec.event.schema.configMapKeyRef",
        ),
        (vec![("/source", json!({}))], code::UNION_EMPTY, "spec.source"),
        (vec![("/source/file", json!({"path": "-", "format": "Ndjson"}))], code::UNION_AMBIGUOUS, "spec.source"),
        (vec![("/event/schema", json!({}))], code::UNION_EMPTY, "spec.event.schema"),
        (vec![("/fields/1/protect", json!({}))], code::UNION_EMPTY, "spec.fields[1].protect"),
        (vec![("/fields/1/protect", json!({"keep": {}, "drop": {}}))], code::UNION_AMBIGUOUS, "spec.fields[1].protect"),
        (vec![("/fields/2/protect/generalize", json!({}))], code::UNION_EMPTY, "spec.fields[2].protect.generalize"),
        (vec![("/sinks/1/file", json!({"path": "x"}))], code::UNION_AMBIGUOUS, "spec.sinks[1]"),
        (vec![("/deadLetter", json!({"keepFor": "7d"}))], code::UNION_EMPTY, "spec.deadLetter"),
        (
            vec![(COLUMNS, json!({"name": "x", "type": "text"}))],
            code::UNION_EMPTY,
            "spec.sinks[0].cassandra.columns[5]",
        ),
    ]
}

fn paths_and_fields() -> Vec<Case> {
    let keep = json!({"keep": {}});
    vec![
        (vec![("/fields/1/path", json!("plan"))], code::PATH_INVALID, "spec.fields[1].path"),
        (vec![("/event/id", json!("/items/*/id"))], code::PATH_NEEDS_ONE_VALUE, "spec.event.id"),
        (
            vec![("/event/subject/aliases/0/path", json!("/mails/*"))],
            code::PATH_NEEDS_ONE_VALUE,
            "spec.event.subject.aliases[0].path",
        ),
        (vec![("/fields/1/path", json!("/*/plan"))], code::PATH_NEVER_MATCHES, "spec.fields[1].path"),
        (vec![("/fields/5/path", json!("/tags/name"))], code::PATH_NEVER_MATCHES, "spec.fields[5].path"),
        (vec![("/fields/5/path", json!("/plan/*"))], code::PATH_NEVER_MATCHES, "spec.fields[5].path"),
        (vec![("/fields/5/path", json!("/tags/0"))], code::PATH_INDEX, "spec.fields[5].path"),
        (
            vec![("/fields/-", field("/plan", "user.account", keep.clone()))],
            code::DUPLICATE_PATH,
            "spec.fields[6].path",
        ),
        (
            vec![("/fields/-", field("/address", "user.contact", json!({"encrypt": {}})))],
            code::PATH_INSIDE_ANOTHER,
            "spec.fields[4].path",
        ),
        (
            vec![("/fields/-", field("/address", "user.contact", json!({"drop": {}})))],
            code::PATH_INSIDE_ANOTHER,
            "spec.fields[4].path",
        ),
        (
            vec![("/fields/-", field("/event_id", "system.operations", keep.clone()))],
            code::RESERVED_NAME,
            "spec.fields[6].path",
        ),
        (
            vec![("/fields/-", field("/subject_ref/x", "system.operations", keep.clone()))],
            code::RESERVED_NAME,
            "spec.fields[6].path",
        ),
        (
            vec![("/fields/-", field("/_id", "system.operations", keep.clone()))],
            code::RESERVED_NAME,
            "spec.fields[6].path",
        ),
        (
            vec![("/fields/-", field("/_version/x", "system.operations", keep.clone()))],
            code::RESERVED_NAME,
            "spec.fields[6].path",
        ),
        (
            vec![("/fields/-", field("/$set", "system.operations", keep.clone()))],
            code::RESERVED_NAME,
            "spec.fields[6].path",
        ),
        (vec![("/fields/1/category", json!("customer.email"))], code::CATEGORY_ROOT, "spec.fields[1].category"),
        (vec![("/fields/1/category", json!("user.acount.plan"))], code::CATEGORY_UNKNOWN, "spec.fields[1].category"),
        (
            vec![("/fields/1", cleaned("/plan", json!(["Number", "Email"]), keep.clone()))],
            code::CLEAN_IMPOSSIBLE,
            "spec.fields[1].clean[1]",
        ),
        (
            vec![("/fields/1", cleaned("/plan", json!(["Time", "Lowercase"]), keep.clone()))],
            code::CLEAN_IMPOSSIBLE,
            "spec.fields[1].clean[1]",
        ),
        (
            vec![("/fields/1", cleaned("/plan", json!(["Email", "Phone"]), keep.clone()))],
            code::CLEAN_IMPOSSIBLE,
            "spec.fields[1].clean[1]",
        ),
        (
            vec![("/fields/1", cleaned("/age", json!(["Email"]), keep.clone()))],
            code::CLEAN_IMPOSSIBLE,
            "spec.fields[1].clean",
        ),
        (
            vec![("/fields/-", cleaned("/address", json!(["Trim"]), keep))],
            code::CLEAN_IMPOSSIBLE,
            "spec.fields[6].clean",
        ),
        (
            vec![("/fields/1", cleaned("/plan", json!(["Number"]), json!({"generalize": {"date": "Year"}})))],
            code::PROTECT_IMPOSSIBLE,
            "spec.fields[1].protect",
        ),
        (
            vec![("/fields/1", cleaned("/plan", json!(["Phone"]), json!({"generalize": {"ip": {}}})))],
            code::PROTECT_IMPOSSIBLE,
            "spec.fields[1].protect",
        ),
        (
            vec![("/fields/5/path", json!("/tags")), ("/fields/5/protect", json!({"mask": {}}))],
            code::PROTECT_IMPOSSIBLE,
            "spec.fields[5].protect",
        ),
        (
            vec![("/fields/2/protect", json!({"generalize": {"ip": {}}}))],
            code::PROTECT_IMPOSSIBLE,
            "spec.fields[2].protect",
        ),
        (
            vec![("/fields/0/protect", json!({"encrypt": {"class": "dead-letter"}}))],
            code::KEY_CLASS_RESERVED,
            "spec.fields[0].protect.encrypt.class",
        ),
        (
            vec![("/fields/0/protect", json!({"mask": {"keepLast": -1}}))],
            code::OUT_OF_RANGE,
            "spec.fields[0].protect.mask.keepLast",
        ),
        (
            vec![("/fields/2/protect", json!({"generalize": {"buckets": [30, 18]}}))],
            code::OUT_OF_RANGE,
            "spec.fields[2].protect.generalize.buckets",
        ),
        (
            vec![("/fields/1/protect", json!({"generalize": {"ip": {"v4": 33}}}))],
            code::OUT_OF_RANGE,
            "spec.fields[1].protect.generalize.ip.v4",
        ),
        (
            vec![("/fields/1/protect", json!({"generalize": {"map": {"values": [], "default": "x"}}}))],
            code::LIST_EMPTY,
            "spec.fields[1].protect.generalize.map.values",
        ),
        (
            vec![(
                "/fields/1/protect",
                json!({"generalize": {"map": {"values": [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}], "default": "x"}}}),
            )],
            code::DUPLICATE_NAME,
            "spec.fields[1].protect.generalize.map.values[1].from",
        ),
        (
            vec![("/fields/3/protect", json!({"redactDetected": {"kinds": []}}))],
            code::LIST_EMPTY,
            "spec.fields[3].protect.redactDetected.kinds",
        ),
    ]
}

fn events() -> Vec<Case> {
    vec![
        (vec![("/event/id", json!("/user_id"))], code::ID_IS_SUBJECT, "spec.event.id"),
        (vec![("/event/delete", json!({}))], code::NEVER_TRUE, "spec.event.delete"),
        (
            vec![("/consent", json!({"purpose": "ads", "from": {"field": "/ok", "granted": []}}))],
            code::NEVER_TRUE,
            "spec.consent.from.granted",
        ),
        (
            vec![("/consent", json!({"purpose": "ads", "from": {"field": "/ok/*"}}))],
            code::PATH_NEEDS_ONE_VALUE,
            "spec.consent.from.field",
        ),
        (
            vec![("/event/subject/aliases/-", json!({"name": "email", "path": "/mail"}))],
            code::DUPLICATE_NAME,
            "spec.event.subject.aliases[1].name",
        ),
        (vec![("/defaultRegion", json!("ch"))], code::UNKNOWN_REGION, "spec.defaultRegion"),
        (
            vec![("/defaultRegion", Value::Null), ("/event/subject/canonical", json!("Phone"))],
            code::NO_REGION,
            "spec.event.subject.canonical",
        ),
        (
            vec![("/defaultRegion", Value::Null), ("/fields/0/clean", json!(["Phone"]))],
            code::NO_REGION,
            "spec.fields[0].clean",
        ),
        (vec![("/revision", json!(10))], code::OUT_OF_RANGE, "spec.revision"),
        (vec![("/dedupe/window", json!("0s"))], code::OUT_OF_RANGE, "spec.dedupe.window"),
        (vec![("/dedupe/maxIds", json!(0))], code::OUT_OF_RANGE, "spec.dedupe.maxIds"),
        (vec![("/event/id", Value::Null)], code::SETTING_IDLE, "spec.dedupe"),
        (
            vec![("/source", json!({"file": {"path": "in.ndjson", "format": "Ndjson"}}))],
            code::SETTING_IDLE,
            "spec.event.delete.tombstone",
        ),
        (
            vec![("/source", json!({"file": {"path": "in.csv", "format": "Csv", "csv": {"delimiter": ";;"}}}))],
            code::OUT_OF_RANGE,
            "spec.source.file.csv.delimiter",
        ),
        (
            vec![(
                "/source",
                json!({"file": {"path": "in.csv", "format": "Csv", "csv": {"columns": [{"header": "a"}, {"header": "b", "key": "a"}]}}}),
            )],
            code::DUPLICATE_NAME,
            "spec.source.file.csv.columns[1].key",
        ),
        (
            vec![(INLINE, schema_with(json!({"timestamp": {"type": "string", "format": "date"}})))],
            code::COARSE_TIME,
            "spec.event.time",
        ),
        (
            vec![
                (INLINE, schema_with(json!({"timestamp": {"type": "integer"}}))),
                ("/event/timeUnit", json!("Seconds")),
            ],
            code::COARSE_TIME,
            "spec.event.time",
        ),
    ]
}

fn schemas() -> Vec<Case> {
    let inline = "spec.event.schema.inline";
    let deep = format!("{}{}", r#"{"not":"#.repeat(70), "{}".to_owned() + &"}".repeat(70));
    let mut closed = schema();
    closed["additionalProperties"] = json!(false);
    vec![
        (vec![(INLINE, json!("{"))], code::SCHEMA_NOT_JSON, inline),
        (vec![(INLINE, json!(r#"{"type": "object", "type": "object"}"#))], code::SCHEMA_NOT_JSON, inline),
        (vec![(INLINE, json!(" ".repeat(300_000)))], code::SCHEMA_TOO_LARGE, inline),
        (vec![(INLINE, json!(deep))], code::SCHEMA_TOO_LARGE, inline),
        (
            vec![(INLINE, json!(r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#))],
            code::SCHEMA_DRAFT,
            inline,
        ),
        (vec![(INLINE, json!(r#"{"type": "strin"}"#))], code::SCHEMA_INVALID, inline),
        (vec![(INLINE, json!(r#"{"properties": {"plan": {"pattern": "("}}}"#))], code::SCHEMA_INVALID, inline),
        (vec![(INLINE, json!(r##"{"$ref": "#/$defs/nothing"}"##))], code::SCHEMA_INVALID, inline),
        (
            vec![(INLINE, json!(r#"{"properties": {"plan": {"$ref": "https://example.com/plan.json"}}}"#))],
            code::SCHEMA_REMOTE_REF,
            inline,
        ),
        (vec![(INLINE, json!(r##"{"allOf": [{"$ref": "#"}]}"##))], code::SCHEMA_ENDLESS, inline),
        (
            vec![
                (INLINE, json!(closed.to_string())),
                ("/fields/-", field("/extra", "user.account", json!({"keep": {}}))),
            ],
            code::SCHEMA_FORBIDS,
            "spec.fields[6].path",
        ),
        (
            vec![(INLINE, schema_with(json!({"email": {"type": "string", "format": "email"}})))],
            code::FORMAT_NOT_ASSERTED,
            inline,
        ),
        (
            vec![(INLINE, schema_with(json!({"email": {"type": "string", "maxLenght": 9}})))],
            code::SCHEMA_KEYWORD,
            inline,
        ),
        (
            vec![(INLINE, schema_with(json!({"pair": {"prefixItems": [true], "additionalItems": false}})))],
            code::SCHEMA_KEYWORD,
            inline,
        ),
    ]
}

fn separations() -> Vec<Case> {
    let keep = json!({"keep": {}});
    vec![
        (vec![("/fields/0/protect", keep.clone())], code::CLEAR_IDENTIFIER, "spec.fields[0].protect"),
        (vec![("/fields/0/protect", json!({"redactDetected": {}}))], code::CLEAR_IDENTIFIER, "spec.fields[0].protect"),
        (
            vec![("/fields/-", field("/address", "user.contact.address", keep.clone()))],
            code::CLEAR_IDENTIFIER,
            "spec.fields[6].protect",
        ),
        (
            vec![("/fields/-", field("/user_id", "system.operations", keep.clone()))],
            code::CLEAR_IDENTIFIER,
            "spec.fields[6].protect",
        ),
        (
            vec![
                ("/event/subject/aliases/0/path", json!("/address/city")),
                ("/fields/4", field("/address", "user.account", keep.clone())),
            ],
            code::CLEAR_IDENTIFIER,
            "spec.fields[4].protect",
        ),
        (
            vec![(
                "/fields/-",
                field("/referrer", "user.device.ip_address", json!({"generalize": {"ip": {"v4": 32}}})),
            )],
            code::CLEAR_IDENTIFIER,
            "spec.fields[6].protect",
        ),
        (
            vec![("/fields/-", field("/referrer", "user", keep.clone()))],
            code::CLEAR_IDENTIFIER,
            "spec.fields[6].protect",
        ),
        (vec![("/fields/3/protect", keep.clone())], code::CLEAR_TEXT, "spec.fields[3].protect"),
        (
            vec![("/fields/3/protect", json!({"redactDetected": {}}))],
            code::DETECTION_NO_GUARANTEE,
            "spec.fields[3].protect",
        ),
        (
            vec![("/fields/0/protect", json!({"redactDetected": {}}))],
            code::DETECTION_OF_VALUES,
            "spec.fields[0].protect",
        ),
        (vec![("/fields/0/protect", json!({"hash": {}}))], code::HASH_JOINS, "spec.fields[0].protect"),
        (vec![("/sinks/2/timePrecision", json!("Exact"))], code::TIME_JOINS, "spec.sinks[2].timePrecision"),
        (
            vec![("/fields/-", field("/timestamp", "user.behavior", keep.clone()))],
            code::TIME_JOINS,
            "spec.sinks[1].timePrecision",
        ),
        (
            vec![("/fields/0/protect", json!({"mask": {"keepFirst": 4, "keepLast": 4}}))],
            code::WEAK_PROTECTION,
            "spec.fields[0].protect",
        ),
        (vec![("/fields/1/category", json!("user.health"))], code::SENSITIVE_CLEAR, "spec.fields[1].protect"),
        (vec![("/fields/4", field("/address", "user.account", keep))], code::OPEN_SUBTREE, "spec.fields[4].protect"),
        (vec![("/event/undeclared", json!("Keep"))], code::UNDECLARED_KEPT, "spec.event.undeclared"),
        (vec![("/event/undeclared", json!("Detect"))], code::UNDECLARED_DETECTED, "spec.event.undeclared"),
    ]
}

fn sinks() -> Vec<Case> {
    vec![
        (vec![("/sinks", json!([]))], code::LIST_EMPTY, "spec.sinks"),
        (vec![("/sinks/1/name", json!("profiles"))], code::DUPLICATE_NAME, "spec.sinks[1].name"),
        (
            vec![("/sinks/1/maxAge", json!("23h")), ("/sinks/1/timePrecision", json!("Day"))],
            code::OUT_OF_RANGE,
            "spec.sinks[1].maxAge",
        ),
        (vec![("/sinks/2/fields/0", json!("/plam"))], code::UNKNOWN_FIELD, "spec.sinks[2].fields[0]"),
        (vec![("/sinks/2/fields/0", json!("/age"))], code::DUPLICATE_PATH, "spec.sinks[2].fields[1]"),
        (vec![("/sinks/2/kafka/topic", json!("user_profiles"))], code::OWN_SOURCE, "spec.sinks[2].kafka.topic"),
        (
            vec![("/deadLetter/kafka/topic", json!("user_profiles_clean"))],
            code::SAME_PLACE,
            "spec.deadLetter.kafka.topic",
        ),
        (vec![("/deadLetter/kafka/topic", json!("user_profiles"))], code::OWN_SOURCE, "spec.deadLetter.kafka.topic"),
        (
            vec![
                ("/sinks/-", embedded_sink("Identity", "Rows")),
                ("/sinks/1", {
                    let mut sink = embedded_sink("Identity", "rows");
                    sink["name"] = json!("other");
                    sink
                }),
            ],
            code::SAME_PLACE,
            "spec.sinks[3].embedded.table",
        ),
        (
            vec![("/sinks/-", embedded_sink("Identity", "lethe_rows"))],
            code::RESERVED_TABLE,
            "spec.sinks[3].embedded.table",
        ),
        (vec![("/sinks/-", file_sink("out.ndjson", "Latest"))], code::LATEST_IN_FILE, "spec.sinks[3].records"),
        (
            vec![
                ("/source", json!({"file": {"path": "data/*.ndjson", "format": "Ndjson"}})),
                ("/sinks/-", file_sink("./data/out.ndjson", "Append")),
            ],
            code::OWN_SOURCE,
            "spec.sinks[3].file.path",
        ),
        (vec![("/sinks/0/maxAge", json!("0d"))], code::OUT_OF_RANGE, "spec.sinks[0].maxAge"),
        (vec![("/sinks/0/maxAge", json!("7301d"))], code::AGE_NOT_KEPT, "spec.sinks[0].maxAge"),
        (vec![("/sinks/2/maxAge", json!("7d"))], code::AGE_NOT_KEPT, "spec.sinks[2].maxAge"),
        (vec![("/sinks/2/kafka/partitions", json!(0))], code::OUT_OF_RANGE, "spec.sinks[2].kafka.partitions"),
        (vec![("/sinks/2/kafka/manage", json!("Check"))], code::SETTING_IDLE, "spec.sinks[2].kafka.partitions"),
        (vec![("/sinks/1/fields", json!(["/plan"]))], code::FIELD_UNUSED, "spec.fields[3]"),
        (vec![("/sinks/0/fields", json!(["/email", "/plan", "/note"]))], code::FIELD_UNUSED, "spec.sinks[0].fields"),
        (vec![("/sinks/0/fields", json!(["/email"]))], code::UNKNOWN_FIELD, "spec.sinks[0].cassandra.columns[4].path"),
        (vec![("/deadLetter", Value::Null)], code::DEAD_LETTER_MISSING, "spec.deadLetter"),
        (vec![("/deadLetter/keepFor", json!("22d"))], code::OUT_OF_RANGE, "spec.deadLetter.keepFor"),
        (vec![("/deadLetter/keepFor", json!("36h"))], code::OUT_OF_RANGE, "spec.deadLetter.keepFor"),
        (
            vec![("/sinks/0/cassandra/columns/0", json!({"name": "subject_ref", "type": "text", "path": "/note"}))],
            code::NO_SUBJECT_COLUMN,
            "spec.sinks[0].cassandra.columns",
        ),
        (
            vec![("/sinks/0/cassandra/partitionKey", json!(["plan"]))],
            code::KEY_NOT_SUBJECT,
            "spec.sinks[0].cassandra.partitionKey",
        ),
        (
            vec![("/sinks/0/cassandra/partitionKey", json!(["subject_ref", "plan"]))],
            code::KEY_NOT_SUBJECT,
            "spec.sinks[0].cassandra.partitionKey",
        ),
        (
            vec![("/sinks/0/cassandra/clusteringKey", json!(["seen"]))],
            code::KEY_NOT_SUBJECT,
            "spec.sinks[0].cassandra.clusteringKey",
        ),
        (
            vec![("/sinks/0/records", json!("Append"))],
            code::KEY_LACKS_EVENT_ID,
            "spec.sinks[0].cassandra.clusteringKey",
        ),
        (
            vec![
                ("/sinks/0/records", json!("Append")),
                ("/sinks/0/cassandra/columns", append_columns()),
                ("/sinks/0/cassandra/clusteringKey", json!(["id", "plan"])),
            ],
            code::KEY_COLUMN,
            "spec.sinks[0].cassandra.clusteringKey[1]",
        ),
        (
            vec![
                ("/sinks/0/records", json!("Append")),
                ("/sinks/0/cassandra/columns", append_columns()),
                ("/sinks/0/cassandra/clusteringKey", json!(["id", "version"])),
            ],
            code::KEY_COLUMN,
            "spec.sinks[0].cassandra.clusteringKey[1]",
        ),
        (
            vec![("/sinks/0/cassandra/clusteringKey", json!(["nothing"]))],
            code::KEY_COLUMN,
            "spec.sinks[0].cassandra.clusteringKey[0]",
        ),
        (
            vec![("/sinks/0/cassandra/columns/1/name", json!("plan"))],
            code::DUPLICATE_NAME,
            "spec.sinks[0].cassandra.columns[4].name",
        ),
        (vec![(COLUMNS, column("text", "/unknown"))], code::UNKNOWN_FIELD, "spec.sinks[0].cassandra.columns[5].path"),
        (
            vec![(COLUMNS, column("text", "/tags/*"))],
            code::PATH_NEEDS_ONE_VALUE,
            "spec.sinks[0].cassandra.columns[5].path",
        ),
        (
            vec![("/sinks/0/cassandra/columns/1/type", json!("text"))],
            code::COLUMN_TYPE,
            "spec.sinks[0].cassandra.columns[1].type",
        ),
        (vec![(COLUMNS, column("int", "/age"))], code::COLUMN_TYPE, "spec.sinks[0].cassandra.columns[5].type"),
        (
            vec![("/sinks/0/cassandra/columns/3/type", json!("inet"))],
            code::COLUMN_TYPE,
            "spec.sinks[0].cassandra.columns[3].type",
        ),
        (
            vec![("/sinks/0/cassandra/columns/4/type", json!("int"))],
            code::COLUMN_TYPE,
            "spec.sinks[0].cassandra.columns[4].type",
        ),
        (
            vec![("/fields/1/protect", json!({"drop": {}}))],
            code::COLUMN_TYPE,
            "spec.sinks[0].cassandra.columns[4].path",
        ),
        (
            vec![("/sinks/0/cassandra/storeRef/name", json!("docs"))],
            code::WRONG_STORE_KIND,
            "spec.sinks[0].cassandra.storeRef.name",
        ),
    ]
}

fn cases() -> Vec<Case> {
    [references(), paths_and_fields(), events(), schemas(), separations(), sinks()].concat()
}

#[test]
fn the_base_manifest_has_neither_errors_nor_warnings() {
    assert_eq!(check(base()).unwrap().warnings, []);
}

#[test]
fn every_broken_rule_is_reported_at_its_place_with_a_fix() {
    for (edits, code, path) in cases() {
        let mistakes = check(with(&edits)).map_or_else(|mistakes| mistakes, |checked| checked.warnings);
        let found = mistakes.iter().find(|mistake| mistake.code == code && mistake.path == path);
        assert!(found.is_some(), "{edits:?}: wanted {code} at {path}, found {mistakes:#?}");
        assert!(found.unwrap().fix.is_some());
    }
}

#[test]
fn an_error_refuses_the_pipeline_and_a_warning_does_not() {
    for (edits, ..) in cases() {
        match check(with(&edits)) {
            Ok(checked) => assert!(checked.warnings.iter().all(|mistake| mistake.severity == Severity::Warning)),
            Err(mistakes) => {
                assert!(mistakes[0].severity == Severity::Error, "{edits:?}: refused without an error: {mistakes:#?}");
            }
        }
    }
}

#[test]
fn every_code_has_a_case() {
    let seen: BTreeSet<&str> = cases().into_iter().map(|(_, code, _)| code).chain([code::NAME_MISSING]).collect();
    let all: BTreeSet<&str> = code::ALL.iter().copied().collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(all.len(), code::ALL.len(), "a code is listed twice");
}

#[test]
fn all_mistakes_are_reported_not_the_first() {
    let edits = [
        ("/keys/storeRef/name", json!("profile")),
        ("/revision", json!(11)),
        ("/fields/0/protect", json!({})),
        ("/fields/5/path", json!("tags")),
        ("/deadLetter", Value::Null),
        ("/sinks/2/kafka/topic", json!("user_profiles")),
    ];
    let mistakes = check(with(&edits)).unwrap_err();
    for code in [
        code::UNKNOWN_STORE,
        code::OUT_OF_RANGE,
        code::UNION_EMPTY,
        code::PATH_INVALID,
        code::DEAD_LETTER_MISSING,
        code::OWN_SOURCE,
    ] {
        assert!(mistakes.iter().any(|mistake| mistake.code == code), "{code} is missing in {mistakes:#?}");
    }
}

#[test]
fn a_field_with_a_mistake_of_its_own_is_not_reported_as_unknown_by_its_sinks() {
    let mistakes = check(with(&[("/fields/1/protect", json!({}))])).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
}

#[test]
fn a_pipeline_without_a_name_is_refused() {
    let mut manifest = base();
    manifest["metadata"] = json!({});
    assert_eq!(check(manifest).unwrap_err()[0].code, code::NAME_MISSING);
}

#[test]
fn near_misses_are_accepted() {
    let keep = json!({"keep": {}});
    let accepted: Vec<Vec<(&str, Value)>> = vec![
        // The inner fields override an outer kept field; no separate sink takes the outer one.
        vec![
            ("/fields/-", field("/address", "user.contact.address", keep.clone())),
            ("/sinks/1/audience", json!("Identity")),
        ],
        // Exact times join two audiences, and there is one.
        vec![
            ("/sinks/0/audience", json!("Analytics")),
            ("/sinks/1/timePrecision", json!("Exact")),
            ("/sinks/2/timePrecision", json!("Exact")),
        ],
        // Nor do they if the other audience gets hours.
        vec![
            ("/sinks/0/timePrecision", json!("Hour")),
            ("/sinks/0/cassandra/columns/2", json!({"name": "id", "type": "text", "meta": "EventId"})),
            ("/sinks/1/timePrecision", json!("Exact")),
        ],
        // All events of a file without times have the same one.
        vec![
            ("/source", json!({"file": {"path": "a.ndjson", "format": "Ndjson"}})),
            ("/event/time", Value::Null),
            ("/event/delete", Value::Null),
            ("/sinks/1/timePrecision", json!("Exact")),
        ],
        // A column takes the kept object as JSON.
        vec![
            ("/fields/-", field("/address", "user.contact.address", keep.clone())),
            ("/sinks/1/audience", json!("Identity")),
            (COLUMNS, column("text", "/address")),
        ],
        vec![("/fields/4", field("/address", "user.contact.address", json!({"encrypt": {}})))],
        // State and country do not identify a person by themselves.
        vec![("/fields/-", field("/referrer", "user.contact.address.country", keep.clone()))],
        vec![("/fields/-", field("/user_id", "user.unique_id", json!({"pseudonymize": {}})))],
        // A number in a path, where the schema requires an object.
        vec![
            (INLINE, schema_with(json!({"slots": {"type": "object"}}))),
            ("/fields/-", field("/slots/0", "user.account", keep.clone())),
        ],
        vec![
            ("/event/undeclared", json!("Keep")),
            ("/sinks/1/audience", json!("Identity")),
            ("/sinks/2/audience", json!("Operational")),
        ],
        vec![("/event/schema", json!({"configMapKeyRef": {"name": "schemas", "key": "event.json"}}))],
        vec![(INLINE, schema_with(json!({"child": {"$ref": "#"}})))],
        vec![(
            "/sinks/0",
            json!({"name": "log", "audience": "Identity", "records": "Append", "cassandra": {
                "storeRef": {"name": "profiles"}, "keyspace": "shop", "table": "log", "columns": append_columns(),
                "partitionKey": ["subject_ref"], "clusteringKey": ["time", "id"]
            }}),
        )],
        vec![("/sinks/-", file_sink("out/users.ndjson", "Append"))],
        vec![("/deadLetter", json!({"keepFor": "3w", "embedded": {"storeRef": {"name": "local"}}}))],
        vec![("/event/delete", json!({"when": {"path": "/plan", "equals": "none"}}))],
        vec![("/fields/1", cleaned("/plan", json!(["Trim", "Nfc", "Lowercase"]), keep.clone()))],
        // Inside another member the reserved names of a document have no meaning.
        vec![
            (INLINE, schema_with(json!({"meta": {"type": "object"}}))),
            ("/fields/-", field("/meta/_id", "user.account", keep)),
        ],
    ];
    for edits in accepted {
        let checked = check(with(&edits));
        assert!(checked.as_ref().is_ok_and(|checked| checked.warnings.is_empty()), "{edits:?}: {checked:#?}");
    }
}

#[test]
fn an_omitted_setting_gets_its_documented_default() {
    let pipeline = check(base()).unwrap().pipeline;
    assert!(
        matches!(&pipeline.source, SourceRules::Kafka { group, from_earliest: true, .. } if group == "lethe.shop.users")
    );
    assert_eq!(pipeline.event.max_ahead, 600_000);
    assert_eq!(pipeline.dedupe.unwrap().max_ids, 1_000_000);
    assert_eq!(pipeline.fields[0].protect, ProtectRules::Encrypt { class: "profile".to_owned() });
    assert_eq!(pipeline.sinks[0].fields, [0, 1], "a table takes what its columns take");
    assert_eq!(pipeline.sinks[1].fields, [0, 1, 2, 3, 4, 5]);
    assert_eq!(pipeline.sinks[2].fields, [1, 2]);
}

#[test]
fn a_mistake_is_shown_with_its_place_its_reason_and_its_fix() {
    let mistakes = check(with(&[("/source/kafka/storeRef/name", json!("event"))])).unwrap_err();
    assert_eq!(
        mistakes[0].to_string(),
        "error[UnknownStore] spec.source.kafka.storeRef.name: there is no DataStore event in this namespace; did you mean events?; name a DataStore that is there, or make this one"
    );
}
