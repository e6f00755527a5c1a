//! Examples of what the engine writes.

#![allow(clippy::unwrap_used)]

mod model;

use std::sync::Arc;

use lethe_crds::profile_pipeline::{Clean, DatePrecision, TimePrecision, TimeUnit, Undeclared, ZeroTime};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    keys::{DataKey, ring::tests::ring},
    pipeline::{ConsentRules, EventRules, GeneralizeRules, ProtectRules, TombstoneKey, tests::sample},
    reason::Reason,
    record::{Body, OutgoingBatch},
    seal::{SealContext, SubjectCipher},
    subject::Subject,
};

/// A pipeline with every protection, written to an operational and an analytics sink.
fn pipeline() -> Pipeline {
    let mut pipeline = sample::pipeline();
    pipeline.event.id = Some("/event_id".parse().unwrap());
    pipeline.event.time = Some("/timestamp".parse().unwrap());
    pipeline.event.schema = Some(json!({
        "type": "object",
        "required": ["event_id", "user_id"],
        "properties": {"email": {"type": "string", "maxLength": 40}}
    }));
    let mut email = sample::field("/email", ProtectRules::Encrypt { class: "profile".to_owned() });
    email.clean = vec![Clean::Trim, Clean::Lowercase];
    let year = GeneralizeRules::Date(DatePrecision::Year);
    pipeline.fields = vec![
        email,
        sample::field("/phone", ProtectRules::Mask { keep_first: 0, keep_last: 2 }),
        sample::field("/tier", ProtectRules::Keep),
        sample::field("/visitor", ProtectRules::Pseudonymize { space: "visitors".to_owned() }),
        sample::field("/card", ProtectRules::Hash),
        sample::field("/born", ProtectRules::Generalize(year)),
        sample::field("/note", ProtectRules::RedactDetected(Vec::new())),
        sample::field("/secret", ProtectRules::Drop),
        sample::field("/name", ProtectRules::Redact("[name]".to_owned())),
        sample::field("/items/*/sku", ProtectRules::Keep),
        sample::field("/box", ProtectRules::Encrypt { class: "profile".to_owned() }),
        sample::field("/kept", ProtectRules::Keep),
        sample::field("/kept/inner", ProtectRules::Drop),
    ];
    pipeline.sinks[0].fields = (0..pipeline.fields.len()).collect();
    let mut analytics = pipeline.sinks[0].clone();
    analytics.name = "count".to_owned();
    analytics.audience = Audience::Analytics;
    analytics.fields = vec![2, 3, 12];
    analytics.max_age = Some(86_400_000);
    pipeline.sinks.push(analytics);
    pipeline
}

fn event() -> Value {
    json!({
        "event_id": "e-1", "timestamp": "2026-11-02T09:00:00.250Z", "user_id": 42,
        "email": " Ann@Example.org ", "phone": "+41791234567", "tier": "gold", "visitor": "v7", "card": 4111,
        "born": "1984-07-01", "note": "write to ann@example.org", "secret": "x", "name": "Ann",
        "items": [{"sku": "a", "price": 1}, {"price": 2}, {"sku": "b"}],
        "box": {"any": ["thing"]}, "kept": {"a": 1, "inner": "no", "b": [2]}, "unknown": "u"
    })
}

const NOW: i64 = 1_793_610_000_000;

fn record(value: &[u8]) -> Record<'_> {
    Record { stream: "file", offset: 0, timestamp: Some(NOW), key: None, value: Some(value) }
}

struct EngineFixture {
    engine: Engine,
    subject: Subject,
    scratch: Scratch,
}

impl EngineFixture {
    fn new(pipeline: &Pipeline) -> Self {
        let engine = Engine::new(pipeline, Arc::new(ring(1))).unwrap();
        let mut scratch = Scratch::default();
        let text = event().to_string();
        let record = record(text.as_bytes());
        let _ = engine.read(&record, NOW, &mut scratch);
        let identity = engine.identify(&record, &mut scratch).unwrap();
        let ciphers = engine.classes().iter().map(|class| SubjectCipher::new(&DataKey::new([7; 32]), class).ok());
        let subject =
            Subject::new(engine.ring(), identity.token, engine.audiences().iter().copied(), ciphers.collect()).unwrap();
        Self { engine, subject, scratch }
    }

    fn run(&mut self, text: &str) -> Result<Vec<OutgoingBatch>, Rejection> {
        let record = record(text.as_bytes());
        let facts = match self.engine.read(&record, NOW, &mut self.scratch) {
            Reading::Process(facts) => facts,
            Reading::Denied => panic!("denied"),
            Reading::Rejected(rejection) => return Err(rejection),
        };
        let mut out = vec![OutgoingBatch::default(), OutgoingBatch::default()];
        self.engine.write(&record, facts, &self.subject, 1_793_610_000_001, &mut self.scratch, &mut out)?;
        Ok(out)
    }

    fn document(&mut self, text: &str, sink: usize) -> Value {
        let out = self.run(text).unwrap_or_else(|rejection| panic!("{rejection}"));
        let Body::Document(range) = out[sink].records[0].body.clone() else { panic!("a deletion") };
        serde_json::from_slice(&out[sink].bytes[range]).unwrap()
    }

    fn rejection(&mut self, event: &Value) -> String {
        self.run(&event.to_string()).err().map(|rejection| rejection.to_string()).unwrap_or_default()
    }
}

#[test]
fn every_field_is_protected_as_declared_and_nothing_else_is_written() {
    let mut fixture = EngineFixture::new(&pipeline());
    let document = fixture.document(&event().to_string(), 0);
    let sealed = document["email"].as_str().unwrap().to_owned();
    let token = *fixture.subject.token();
    let context = SealContext { space: "customers", token: &token, audience: Audience::Operational, path: "/email" };
    let cipher = fixture.subject.cipher(0).unwrap();
    assert_eq!(cipher.open(&context, &sealed).unwrap().expose(), b"\"ann@example.org\"");
    let context = SealContext { path: "/box", ..context };
    assert_eq!(cipher.open(&context, document["box"].as_str().unwrap()).unwrap().expose(), br#"{"any":["thing"]}"#);
    let reference = fixture.subject.reference(Audience::Operational).unwrap().to_string();
    assert_eq!(document["subject_ref"], reference);
    let mut rest = document.as_object().unwrap().clone();
    for key in ["email", "box", "subject_ref", "visitor", "card"] {
        assert!(rest.remove(key).unwrap().as_str().unwrap().len() >= 64, "{key}");
    }
    assert_eq!(
        Value::Object(rest),
        json!({
            "event_id": "e-1", "event_time": "2026-11-02T09:00:00.250Z", "phone": "**********67", "tier": "gold",
            "born": "1984", "note": "write to [email]", "name": "[name]", "items": [{"sku": "a"}, {"sku": "b"}],
            "kept": {"a": 1, "b": [2]}
        })
    );
}

#[test]
fn another_audience_sees_its_own_fields_references_and_pseudonyms() {
    let mut fixture = EngineFixture::new(&pipeline());
    let operational = fixture.document(&event().to_string(), 0);
    let analytics = fixture.document(&event().to_string(), 1);
    let mut keys: Vec<&String> = analytics.as_object().unwrap().keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["event_id", "event_time", "subject_ref", "tier", "visitor"]);
    for key in ["event_id", "subject_ref", "visitor"] {
        assert_ne!(operational[key], analytics[key], "{key}");
        assert_eq!(analytics[key].as_str().unwrap().len(), 64, "{key}");
    }
}

#[test]
fn a_sealed_value_is_another_in_each_audience_and_one_hmac_is_computed_for_each() {
    let mut pipeline = pipeline();
    pipeline.fields.push(sample::field("/tags/*", ProtectRules::Encrypt { class: "other".to_owned() }));
    let tags = pipeline.fields.len() - 1;
    pipeline.sinks[0].fields.push(tags);
    pipeline.sinks[1].fields.push(tags);
    let mut fixture = EngineFixture::new(&pipeline);
    let mut event = event();
    event["tags"] = json!(["a", "a", "b"]);
    let operational = fixture.document(&event.to_string(), 0);
    // Two fields for one audience by one class, three values for two audiences by another.
    let nonces = fixture.scratch.nonces.iter().map(|class| class.iter().flatten().count());
    assert_eq!(nonces.collect::<Vec<_>>(), [1, 2]);
    let analytics = fixture.document(&event.to_string(), 1);
    let token = *fixture.subject.token();
    let cipher = fixture.subject.cipher(1).unwrap();
    for (audience, document) in [(Audience::Operational, &operational), (Audience::Analytics, &analytics)] {
        let context = SealContext { space: "customers", token: &token, audience, path: "/tags/*" };
        let open = |at: usize| cipher.open(&context, document["tags"][at].as_str().unwrap()).unwrap();
        assert_eq!([0, 1, 2].map(|at| open(at).expose().clone()), [b"\"a\"", b"\"a\"", b"\"b\""]);
        assert_eq!(document["tags"][0], document["tags"][1]);
    }
    for at in 0..3 {
        assert_ne!(operational["tags"][at], analytics["tags"][at]);
    }
    // Nothing is left of the event before.
    event["event_id"] = json!("e-2");
    assert_ne!(fixture.document(&event.to_string(), 0)["tags"][0], operational["tags"][0]);
}

#[test]
fn a_field_that_no_sink_gets_is_neither_sealed_nor_shown() {
    let mut pipeline = pipeline();
    for sink in &mut pipeline.sinks {
        sink.fields.retain(|field| ![0, 3, 10].contains(field));
    }
    let mut fixture = EngineFixture::new(&pipeline);
    let document = fixture.document(&event().to_string(), 0);
    for key in ["email", "visitor", "box"] {
        assert_eq!(document.get(key), None, "{key}");
    }
    assert!(fixture.scratch.nonces.iter().flatten().all(Option::is_none));
}

#[test]
fn a_sink_shows_times_as_precisely_as_it_declares_and_orders_events_exactly() {
    let mut pipeline = pipeline();
    let mut run = |precision| {
        pipeline.sinks[1].time_precision = precision;
        let mut fixture = EngineFixture::new(&pipeline);
        let shown = [0, 1].map(|sink| fixture.document(&event().to_string(), sink)["event_time"].clone());
        let out = fixture.run(&event().to_string()).unwrap();
        let [one, two] = [&out[0].records[0], &out[1].records[0]];
        assert_eq!((shown[0].clone(), one.version), (json!("2026-11-02T09:00:00.250Z"), two.version));
        (shown[1].clone(), two.time, two.expires)
    };
    for (precision, shown, time) in [
        (TimePrecision::Exact, "2026-11-02T09:00:00.250Z", 1_793_610_000_250),
        (TimePrecision::Minute, "2026-11-02T09:00:00Z", 1_793_610_000_000),
        (TimePrecision::Hour, "2026-11-02T09:00:00Z", 1_793_610_000_000),
        (TimePrecision::Day, "2026-11-02T00:00:00Z", 1_793_577_600_000),
    ] {
        // It also expires by the time that is shown: the end of its age would reveal the exact one.
        assert_eq!(run(precision), (json!(shown), time, Some(time + 86_400_000)));
    }
}

#[test]
fn a_rejection_names_only_the_rule_and_a_declared_path() {
    let mut fixture = EngineFixture::new(&pipeline());
    let with = |path: &str, value: Value| {
        let mut event = event();
        event[path] = value;
        event
    };
    for (event, expected) in [
        (with("email", json!("a".repeat(41))), "SchemaViolation (maxLength) at /email"),
        (with("event_id", json!(1.5)), "IdInvalid at /event_id"),
        (with("event_id", json!("")), "IdInvalid at /event_id"),
        (with("timestamp", json!("yesterday")), "TimeInvalid at /timestamp"),
        (with("timestamp", json!("2026-11-02T19:00:00Z")), "TimeAhead at /timestamp"),
        (with("user_id", json!(null)), "SubjectInvalid at /user_id"),
        (with("user_id", json!({"a": 1})), "SubjectInvalid at /user_id"),
        (with("born", json!("hello")), "ProtectFailed (date) at /born"),
        (with("phone", json!(["+41791234567"])), "ProtectFailed (mask) at /phone"),
        (with("email", json!(null)), "SchemaViolation (type) at /email"),
    ] {
        assert_eq!(fixture.rejection(&event), expected);
    }
    assert_eq!(fixture.rejection(&event()), "");
}

#[test]
fn null_passes_as_null_under_every_protection() {
    let mut pipeline = pipeline();
    pipeline.event.schema = None;
    let mut fixture = EngineFixture::new(&pipeline);
    let mut event = event();
    for key in ["email", "phone", "visitor", "card", "born", "note", "name", "box", "tier"] {
        event[key] = Value::Null;
    }
    let document = fixture.document(&event.to_string(), 0);
    for key in ["email", "phone", "visitor", "card", "born", "note", "name", "box", "tier"] {
        assert!(document[key].is_null() && document.get(key).is_some(), "{key}");
    }
}

#[test]
fn undeclared_data_is_handled_as_the_pipeline_declares() {
    let deep = json!({
        "event_id": "e", "timestamp": "2026-11-02T09:00:00Z", "user_id": "u",
        "more": {"mail": "to ann@example.org", "ann@example.org": 1, "list": [4_111_111_111_111_111_u64, true, null]},
        "ann@example.org": "x", "items": [{"sku": "a", "price": 1}]
    })
    .to_string();
    let run = |undeclared: Undeclared| {
        let mut pipeline = pipeline();
        pipeline.event.undeclared = undeclared;
        pipeline.sinks[0].undeclared = undeclared;
        EngineFixture::new(&pipeline).run(&deep).map(|out| {
            let Body::Document(range) = out[0].records[0].body.clone() else { panic!("a deletion") };
            serde_json::from_slice::<Value>(&out[0].bytes[range]).unwrap()
        })
    };
    let dropped = run(Undeclared::Drop).unwrap();
    assert!(dropped.get("more").is_none());
    assert_eq!(dropped["items"], json!([{"sku": "a"}]));
    assert_eq!(run(Undeclared::Reject).unwrap_err().to_string(), "UndeclaredField at /*");
    let kept = run(Undeclared::Keep).unwrap();
    assert_eq!(kept["more"]["mail"], "to ann@example.org");
    assert_eq!(kept["items"], json!([{"sku": "a", "price": 1}]));
    let detected = run(Undeclared::Detect).unwrap();
    assert_eq!(detected["more"], json!({"mail": "to [email]", "list": ["[card]", true, null]}));
    assert!(!detected.to_string().contains("ann@"));
}

#[test]
fn undeclared_data_cannot_use_the_names_that_lethe_writes() {
    let mut pipeline = pipeline();
    pipeline.event.undeclared = Undeclared::Keep;
    pipeline.sinks[0].undeclared = Undeclared::Keep;
    let mut fixture = EngineFixture::new(&pipeline);
    let mut event = event();
    event["subject_ref"] = json!("another person");
    assert_eq!(fixture.rejection(&event), "ReservedName at /*");
}

#[test]
fn consent_decides_and_a_deletion_needs_none() {
    let mut pipeline = pipeline();
    pipeline.event.delete_when = Some(("/op".parse().unwrap(), "delete".to_owned()));
    pipeline.consent = Some(ConsentRules {
        purpose: "marketing".to_owned(),
        path: "/consent/marketing".parse().unwrap(),
        granted: None,
    });
    let engine = Engine::new(&pipeline, Arc::new(ring(1))).unwrap();
    let read = |consent: Value, op: &str| {
        let mut event = event();
        event["consent"] = json!({"marketing": consent});
        event["op"] = json!(op);
        let text = event.to_string();
        match engine.read(&record(text.as_bytes()), NOW, &mut Scratch::default()) {
            Reading::Process(facts) => format!("{:?}", facts.intent),
            Reading::Denied => "Denied".to_owned(),
            Reading::Rejected(rejection) => rejection.to_string(),
        }
    };
    assert_eq!(read(json!(true), ""), "Write");
    assert_eq!(read(json!(false), ""), "Denied");
    assert_eq!(read(json!("true"), ""), "Denied");
    assert_eq!(read(Value::Null, ""), "Denied");
    assert_eq!(read(json!(false), "delete"), "Delete");
}

#[test]
fn without_consent_an_event_is_denied_whatever_rule_it_breaks() {
    let mut pipeline = pipeline();
    pipeline.consent = Some(ConsentRules {
        purpose: "marketing".to_owned(),
        path: "/consent/marketing".parse().unwrap(),
        granted: None,
    });
    let engine = Engine::new(&pipeline, Arc::new(ring(1))).unwrap();
    let mut scratch = Scratch::default();
    let mut read = |text: &str| match engine.read(&record(text.as_bytes()), NOW, &mut scratch) {
        Reading::Process(_) => "Process".to_owned(),
        Reading::Denied => "Denied".to_owned(),
        Reading::Rejected(rejection) => format!("{rejection}, {}", scratch.who().is_some()),
    };
    let rules: [(&str, Value); 4] = [
        ("/event_id", json!("")),
        ("/timestamp", json!("yesterday")),
        ("/user_id", json!({"no": "scalar"})),
        ("/email", json!("x".repeat(41))),
    ];
    let mut broken = 0;
    for (path, value) in rules {
        for (consent, denied) in [(json!(true), false), (json!(false), true), (Value::Null, true)] {
            let mut event = event();
            event["consent"] = json!({"marketing": consent});
            event[&path[1..]] = value.clone();
            let verdict = read(&event.to_string());
            assert_eq!(verdict == "Denied", denied, "{path}: {verdict}");
            broken += u32::from(!denied && verdict != "Process");
        }
    }
    assert_eq!(broken, 4);
    // Consent that is declared twice is granted only if both are.
    assert_eq!(read(r#"{"consent":{"marketing":true},"consent":{"marketing":false}}"#), "Denied");
    assert_eq!(read(r#"{"consent":{"marketing":false},"consent":{"marketing":true}}"#), "Denied");
    assert!(read(r#"{"consent":{"marketing":true},"consent":{"marketing":true}}"#).starts_with("DuplicateKey"));
    // Where consent can't be read, no subject is named: the letter is sealed with the key of a day.
    assert_eq!(read(r#"{"user_id":"42","consent":{"marketing":false}"#), "NotJson, false");
    assert_eq!(read(r#"[{"user_id":"42","consent":{"marketing":true}}]"#), "NotAnObject, false");
}

#[test]
fn a_tombstone_deletes_only_where_it_was_declared() {
    let mut pipeline = pipeline();
    let tombstone = Record { stream: "t|0", offset: 7, timestamp: Some(1), key: Some(b"42"), value: None };
    let mut scratch = Scratch::default();
    let engine = Engine::new(&pipeline, Arc::new(ring(1))).unwrap();
    assert!(matches!(engine.read(&tombstone, NOW, &mut scratch), Reading::Rejected(_)));
    pipeline.event.delete_tombstone = true;
    let engine = Engine::new(&pipeline, Arc::new(ring(1))).unwrap();
    let Reading::Process(facts) = engine.read(&tombstone, NOW, &mut scratch) else { panic!("not read") };
    assert_eq!((facts.intent, facts.time, scratch.event_id()), (Intent::Delete, 1, "t|0|7"));
    // The same person as in events with the id 42.
    let by_key = engine.identify(&tombstone, &mut scratch).unwrap();
    let text = event().to_string();
    let event = record(text.as_bytes());
    let _ = engine.read(&event, NOW, &mut scratch);
    assert!(by_key.token == engine.identify(&event, &mut scratch).unwrap().token);
}

#[test]
fn an_event_older_than_a_sinks_maximum_age_is_not_written_to_it() {
    let mut fixture = EngineFixture::new(&pipeline());
    let mut event = event();
    event["timestamp"] = json!("2026-10-02T09:00:00Z");
    let out = fixture.run(&event.to_string()).unwrap();
    assert_eq!((out[0].records.len(), out[1].records.len()), (1, 0));
    assert!(out[1].bytes.is_empty());
}

#[test]
fn a_protected_field_in_a_value_of_another_shape_is_not_missed() {
    let mut pipeline = pipeline();
    pipeline.fields.push(sample::field("/kept/mails/*", ProtectRules::Redact("[mail]".to_owned())));
    let mut fixture = EngineFixture::new(&pipeline);
    let mut with = |kept: Value| {
        let mut event = event();
        event["kept"] = kept;
        fixture.rejection(&event)
    };
    assert_eq!(with(json!([{"inner": "personal"}])), "ProtectFailed (shape) at /kept");
    assert_eq!(with(json!("personal")), "ProtectFailed (shape) at /kept");
    assert_eq!(with(json!({"mails": "ann@example.org"})), "ProtectFailed (shape) at /kept/mails");
    assert_eq!(with(json!({"mails": {"first": "ann@example.org"}})), "ProtectFailed (shape) at /kept/mails");
    assert_eq!(with(json!({"mails": null})), "");
    assert_eq!(with(Value::Null), "");
}

#[test]
fn a_dropped_value_may_have_any_shape() {
    let mut pipeline = pipeline();
    pipeline.fields.push(sample::field("/address/city", ProtectRules::Hash));
    let mut event = event();
    event["address"] = json!("a single line");
    assert_eq!(EngineFixture::new(&pipeline).rejection(&event), "");
    pipeline.event.undeclared = Undeclared::Keep;
    assert_eq!(EngineFixture::new(&pipeline).rejection(&event), "ProtectFailed (shape) at /address");
}

#[test]
fn a_kept_object_without_remaining_members_stays_an_empty_object() {
    let mut fixture = EngineFixture::new(&pipeline());
    let mut event = event();
    for kept in [json!({}), json!({"inner": "dropped"})] {
        event["kept"] = kept;
        assert_eq!(fixture.document(&event.to_string(), 0)["kept"], json!({}));
        assert!(fixture.document(&event.to_string(), 1).get("kept").is_none());
    }
}

#[test]
fn a_record_whose_time_has_no_four_digit_year_is_rejected() {
    let mut pipeline = pipeline();
    pipeline.event.time = None;
    pipeline.event.delete_tombstone = true;
    let engine = Engine::new(&pipeline, Arc::new(ring(1))).unwrap();
    let text = event().to_string();
    // Microseconds in place of milliseconds; and times before the year 0.
    for timestamp in [1_793_610_000_000_000, 253_402_300_800_000, -62_167_219_200_001, i64::MIN, i64::MAX] {
        for value in [Some(text.as_bytes()), None] {
            let record = Record { stream: "t|0", offset: 7, timestamp: Some(timestamp), key: Some(b"42"), value };
            let Reading::Rejected(rejection) = engine.read(&record, NOW, &mut Scratch::default()) else {
                panic!("taken")
            };
            assert_eq!(rejection.to_string(), "TimeInvalid");
        }
    }
}

#[test]
fn an_event_that_grows_past_the_limit_is_rejected() {
    let mut pipeline = pipeline();
    pipeline.event.schema = None;
    pipeline.fields = vec![sample::field("/ids/*", ProtectRules::Pseudonymize { space: "visitors".to_owned() })];
    for sink in &mut pipeline.sinks {
        sink.fields = vec![0];
    }
    let mut fixture = EngineFixture::new(&pipeline);
    let mut run = |count: usize| {
        let mut event = event();
        event["ids"] = vec![1; count].into();
        fixture.rejection(&event)
    };
    assert_eq!(run(100), "");
    assert_eq!(run(600_000), "TooLarge");
}

proptest! {
    #[test]
    fn the_same_event_always_gives_the_same_bytes(note in any::<String>(), offset in any::<u32>()) {
        let mut fixture = EngineFixture::new(&pipeline());
        let mut other = EngineFixture::new(&pipeline());
        let mut event = event();
        event["note"] = json!(note);
        let text = event.to_string();
        // An earlier event does not change the output.
        let _ = other.run(&format!("{{\"event_id\":{offset}"));
        let _ = other.run(&json!({"event_id": offset, "user_id": 1}).to_string());
        let (one, two) = (fixture.run(&text).unwrap(), other.run(&text).unwrap());
        prop_assert_eq!(&one[0].bytes, &two[0].bytes);
        prop_assert_eq!(&one[1].bytes, &two[1].bytes);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..400, put in any::<u8>()) {
        let mut fixture = EngineFixture::new(&pipeline());
        let mut scratch = Scratch::default();
        let _ = fixture.engine.read(&record(&bytes), NOW, &mut scratch);
        let mut text = event().to_string().into_bytes();
        let at = cut % text.len();
        text[at] = put;
        if let Ok(text) = std::str::from_utf8(&text) {
            let _ = fixture.run(text).map(|_| ()).map_err(|rejection| rejection.reason == Reason::NotJson);
        }
    }
}

#[test]
fn an_event_is_held_against_the_clock_and_not_against_its_record() {
    let fixture = EngineFixture::new(&pipeline());
    let text = event().to_string();
    let read = |timestamp, now| {
        let record = Record { timestamp, ..record(text.as_bytes()) };
        match fixture.engine.read(&record, now, &mut Scratch::default()) {
            Reading::Process(facts) => Ok((facts.time, facts.version)),
            Reading::Denied => panic!("denied"),
            Reading::Rejected(rejection) => Err(rejection.reason),
        }
    };
    let taken = read(Some(NOW), NOW);
    assert!(taken.is_ok());
    // A file of an archive, a record without a timestamp, a clock that is ahead.
    for timestamp in [None, Some(0), Some(315_532_800_000), Some(i64::MAX)] {
        assert_eq!(read(timestamp, NOW), taken, "{timestamp:?}");
        assert_eq!(read(timestamp, NOW - 86_400_000), Err(Reason::TimeAhead), "{timestamp:?}");
        // A replay gives what the event itself says.
        assert_eq!(read(timestamp, i64::MAX), taken, "{timestamp:?}");
    }
}

#[test]
fn without_a_timestamp_and_a_path_an_event_has_no_time() {
    let mut pipeline = pipeline();
    pipeline.event.time = None;
    pipeline.event.delete_tombstone = true;
    let engine = Engine::new(&pipeline, Arc::new(ring(1))).unwrap();
    let text = event().to_string();
    for (key, value) in [(None, Some(text.as_bytes())), (Some(&b"42"[..]), None)] {
        let record = Record { stream: "t|0", offset: 7, timestamp: None, key, value };
        let Reading::Rejected(rejection) = engine.read(&record, NOW, &mut Scratch::default()) else { panic!("taken") };
        assert_eq!(rejection.to_string(), "TimeInvalid");
    }
}

/// Returns what an engine answers to a value in place of one of the usual event.
fn reading(pipeline: &Pipeline, record: &Record<'_>) -> Result<Facts, String> {
    match Engine::new(pipeline, Arc::new(ring(1))).unwrap().read(record, NOW, &mut Scratch::default()) {
        Reading::Process(facts) => Ok(facts),
        Reading::Denied => Err("denied".to_owned()),
        Reading::Rejected(rejection) => Err(rejection.to_string()),
    }
}

#[test]
fn a_time_that_was_never_set_is_no_time_unless_the_manifest_says_so() {
    let mut pipeline = pipeline();
    let mut event = event();
    let mut read = |pipeline: &Pipeline, time: Value| {
        event["timestamp"] = time;
        reading(pipeline, &record(event.to_string().as_bytes())).map(|facts| facts.time)
    };
    let zero = [json!("0001-01-01T00:00:00Z"), json!("1970-01-01T00:00:00Z"), json!(0), json!("0")];
    for time in &zero {
        assert_eq!(read(&pipeline, time.clone()), Err("TimeInvalid at /timestamp".to_owned()), "{time}");
    }
    assert_eq!(read(&pipeline, json!(86_400_000)), Err("TimeInvalid at /timestamp".to_owned()), "in which unit?");
    pipeline.event.zero_time = ZeroTime::Accept;
    pipeline.event.time_unit = Some(TimeUnit::Millis);
    for (time, millis) in zero.iter().zip([-62_135_596_800_000, 0, 0, 0]) {
        assert_eq!(read(&pipeline, time.clone()), Ok(millis), "{time}");
    }
    assert_eq!(read(&pipeline, json!(86_400_000)), Ok(86_400_000));
    pipeline.event.time = None;
    let own = Record { timestamp: Some(0), ..record(b"{\"event_id\":\"e\",\"user_id\":1}") };
    assert_eq!(reading(&pipeline, &own).map(|facts| facts.time), Ok(0));
    pipeline.event.zero_time = ZeroTime::Reject;
    assert_eq!(reading(&pipeline, &own).err().as_deref(), Some("TimeInvalid"));
    let ahead = Record { timestamp: Some(NOW + 600_001), ..own };
    assert_eq!(reading(&pipeline, &ahead).err().as_deref(), Some("TimeAhead"));
}

#[test]
fn an_identifier_that_was_rounded_is_refused() {
    let pipeline = pipeline();
    let with = |name: &str, raw: &str| {
        let text = event().to_string();
        let was = format!("\"{name}\":{}", event()[name]);
        assert!(text.contains(&was));
        let text = text.replace(&was, &format!("\"{name}\":{raw}"));
        reading(&pipeline, &record(text.as_bytes())).err()
    };
    for raw in ["5.12345E+17", "\"5.12345E+17\"", "4.2e1", "12.5", "9007199254740994.0"] {
        assert_eq!(with("user_id", raw).as_deref(), Some("SubjectInvalid at /user_id"), "{raw}");
        assert_eq!(with("event_id", raw).as_deref(), Some("IdInvalid at /event_id"), "{raw}");
    }
    for raw in ["1627668684594000001", "42.0", "\"12e4\"", "\"4.2\""] {
        assert_eq!(with("user_id", raw), None, "{raw}");
    }
    // An event's id is a string or an integer as it is written.
    assert_eq!(with("event_id", "42.0").as_deref(), Some("IdInvalid at /event_id"));
    for raw in ["1627668684594000001", "\"12e4\"", "\"4.2\""] {
        assert_eq!(with("event_id", raw), None, "{raw}");
    }
}

#[test]
fn a_frame_and_a_byte_order_mark_in_front_of_an_event_change_nothing() {
    let text = event().to_string();
    let mut fixture = EngineFixture::new(&pipeline());
    let wanted = fixture.document(&text, 0);
    for front in [&b"\0\0\0\0\x2a"[..], b"\xef\xbb\xbf", b"\0\0\0\0\x2a\xef\xbb\xbf"] {
        let value = [front, text.as_bytes()].concat();
        let record = record(&value);
        let Reading::Process(facts) = fixture.engine.read(&record, NOW, &mut fixture.scratch) else {
            panic!("refused")
        };
        let identity = fixture.engine.identify(&record, &mut fixture.scratch).unwrap();
        assert!(identity.token == *fixture.subject.token());
        let mut out = vec![OutgoingBatch::default(), OutgoingBatch::default()];
        fixture.engine.write(&record, facts, &fixture.subject, NOW, &mut fixture.scratch, &mut out).unwrap();
        let Body::Document(range) = out[0].records[0].body.clone() else { panic!("a deletion") };
        assert_eq!(serde_json::from_slice::<Value>(&out[0].bytes[range]).unwrap(), wanted);
    }
    let avro = reading(&pipeline(), &record(b"\0\0\0\0\x2a\x06u-1"));
    assert_eq!(avro.err().as_deref(), Some("NotJson"));
}

#[test]
fn a_tombstone_with_a_key_of_another_form_than_declared_is_refused() {
    let mut pipeline = pipeline();
    pipeline.event.delete_tombstone = true;
    let token = |pipeline: &Pipeline, key: &[u8]| {
        let engine = Engine::new(pipeline, Arc::new(ring(1))).unwrap();
        let mut scratch = Scratch::default();
        let record = Record { key: Some(key), value: None, ..record(b"") };
        match engine.read(&record, NOW, &mut scratch) {
            Reading::Process(facts) => {
                assert!(facts.intent == Intent::Delete);
                Ok(engine.identify(&record, &mut scratch).unwrap().token)
            }
            Reading::Denied => panic!("denied"),
            Reading::Rejected(rejection) => Err((rejection.reason, scratch.who().is_some())),
        }
    };
    let u_1 = token(&pipeline, b"u-1").unwrap();
    for key in [&b"\"u-1\""[..], b"{\"id\":\"u-1\"}", b"\0\0\0\x01", b"\xff"] {
        assert!(token(&pipeline, key) == Err((Reason::SubjectInvalid, false)), "{key:?}");
    }
    pipeline.event.tombstone_key = TombstoneKey::Json(None);
    assert!(token(&pipeline, b"\"u-1\"") == Ok(u_1));
    pipeline.event.tombstone_key = TombstoneKey::Json(Some("/id".parse().unwrap()));
    assert!(token(&pipeline, b"{\"id\":\"u-1\"}") == Ok(u_1));
    assert!(token(&pipeline, b"u-1") == Err((Reason::SubjectInvalid, false)));
}

/// Debezium: `before` and `after` hold the row, and a deletion has no row after it.
#[test]
fn a_deletion_has_its_subject_where_the_manifest_says() {
    let mut pipeline = pipeline();
    pipeline.event = EventRules {
        subject: "/after/id".parse().unwrap(),
        delete_when: Some(("/op".parse().unwrap(), "d".to_owned())),
        ..sample::pipeline().event
    };
    let created = r#"{"before":null,"after":{"id":"u-5"},"op":"c"}"#;
    let updated = r#"{"before":{"id":"u-4"},"after":{"id":"u-5"},"op":"u"}"#;
    let deleted = r#"{"before":{"id":"u-5"},"after":null,"op":"d"}"#;
    let nobody = r#"{"before":null,"after":{"id":"u-5"},"op":"d"}"#;
    assert_eq!(reading(&pipeline, &record(deleted.as_bytes())).err().as_deref(), Some("SubjectInvalid at /after/id"));
    pipeline.event.deleted_subject = Some("/before/id".parse().unwrap());
    let engine = Engine::new(&pipeline, Arc::new(ring(1))).unwrap();
    let mut scratch = Scratch::default();
    let mut read = |text: &str| {
        let record = record(text.as_bytes());
        match engine.read(&record, NOW, &mut scratch) {
            Reading::Process(facts) => {
                let token = engine.identify(&record, &mut scratch).unwrap().token;
                Ok((facts.intent, token, scratch.who().unwrap().to_vec()))
            }
            Reading::Denied => panic!("denied"),
            Reading::Rejected(rejection) => Err(rejection.to_string()),
        }
    };
    let (intent, token, who) = read(created).unwrap();
    assert!(intent == Intent::Write && read(updated).unwrap() == (Intent::Write, token, who.clone()));
    assert!(read(deleted).unwrap() == (Intent::Delete, token, who));
    assert_eq!(read(nobody).err().as_deref(), Some("SubjectInvalid at /before/id"));
    assert!(read(created).is_ok(), "the place of a deletion is not kept");
}
