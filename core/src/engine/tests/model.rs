//! The engine gives the same result as a slow and obvious model, for every event and every set of
//! fields.
//!
//! The model does not use bytes, tapes and nodes: it visits a `serde_json::Value` and looks up for
//! each value which declared field is at its path.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use lethe_crds::profile_pipeline::{Audience, Canonical, Undeclared};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::engine::*;
use crate::{
    detect::Detector,
    identity::{CanonicalVersion, Token, canonical, hex},
    keys::{DataKey, KeyRing, ring::tests::ring},
    pipeline::{FieldRules, Pointer, ProtectRules, Segment, tests::sample},
    record::{Body, OutgoingBatch},
    scalar::Scalar,
    seal::{SealContext, SubjectCipher},
    subject::Subject,
    time::rfc3339,
};

const PATHS: [&str; 21] = [
    "/a",
    "/b",
    "/c",
    "/a/b",
    "/a/c",
    "/a/b/c",
    "/a/b/c/a",
    "/l",
    "/l/*",
    "/l/*/a",
    "/l/*/b",
    "/l/*/l/*",
    "/a/l/*",
    "/a/l/*/b",
    "/b/*/*",
    "/d~1e",
    "/",
    "/ann@example.org",
    "/who",
    "/who/b",
    "/user_id",
];
const KEYS: [&str; 9] = ["a", "b", "c", "l", "l", "d/e", "", "u\"é\n", "ann@example.org"];
const NOW: i64 = 1_793_610_000_000;

/// Marks a sealed value in the expected document: the path and the clear value follow.
const SEALED: &str = "\u{0}sealed";

/// The event is refused. The model does not give a reason.
struct Refused;

/// What a value is part of.
#[derive(Clone, Copy)]
enum Part {
    Undeclared,
    /// Of a kept field, by its index.
    Kept(usize),
}

/// The view of one sink.
struct Model<'m> {
    pipeline: &'m Pipeline,
    sink: usize,
    ring: &'m KeyRing,
}

impl Model<'_> {
    fn field(&self, at: &Pointer) -> Option<(usize, &FieldRules)> {
        self.pipeline.fields.iter().enumerate().find(|(_, field)| field.path == *at)
    }

    fn goes(&self, part: Part) -> bool {
        let sink = &self.pipeline.sinks[self.sink];
        match part {
            Part::Undeclared => matches!(sink.undeclared, Undeclared::Keep | Undeclared::Detect),
            Part::Kept(field) => sink.fields.contains(&field),
        }
    }

    /// Returns the declared fields inside, and the subject's path.
    fn inside(&self, at: &Pointer) -> Vec<(Segment, bool)> {
        let subject = (&self.pipeline.event.subject, &ProtectRules::Keep);
        let fields = self.pipeline.fields.iter().map(|field| (&field.path, &field.protect));
        let below = fields.chain([subject]).filter(|(path, _)| at.covers(path) && *path != at);
        below
            .map(|(path, protect)| (path.segments[at.segments.len()].clone(), *protect != ProtectRules::Keep))
            .collect()
    }

    /// Returns what the sink receives of a value, if anything.
    fn value(&self, value: &Value, at: &Pointer, part: Part) -> Result<Option<Value>, Refused> {
        let part = match self.field(at) {
            Some((index, field)) if field.protect != ProtectRules::Keep => return self.protect(value, index, field),
            Some((index, _)) => Part::Kept(index),
            None => part,
        };
        let inside = self.inside(at);
        let policy = self.pipeline.event.undeclared;
        let passes = matches!(part, Part::Kept(_)) || matches!(policy, Undeclared::Keep | Undeclared::Detect);
        let fits = match value {
            Value::Null => true,
            Value::Object(_) => inside.iter().any(|(step, _)| *step != Segment::Each),
            Value::Array(_) => inside.iter().any(|(step, _)| *step == Segment::Each),
            _ => false,
        };
        if passes && !fits && inside.iter().any(|(_, protected)| *protected) {
            return Err(Refused);
        }
        if !inside.is_empty() && (value.is_object() || value.is_array()) {
            return self.contents(value, at, part);
        }
        match part {
            Part::Kept(_) => Ok(self.goes(part).then(|| value.clone())),
            Part::Undeclared if *at == self.pipeline.event.subject => Ok(None),
            Part::Undeclared => match policy {
                Undeclared::Drop => Ok(None),
                Undeclared::Reject => Err(Refused),
                Undeclared::Keep => Ok(self.goes(part).then(|| value.clone())),
                Undeclared::Detect => {
                    let detector = Detector::new(&[]);
                    let key = match at.segments.last() {
                        Some(Segment::Key(key)) => key,
                        _ => "",
                    };
                    Ok((self.goes(part) && detector.is_clean(key)).then(|| detected(detector, value)))
                }
            },
        }
    }

    /// Returns what is shown of an object or an array that holds declared fields.
    fn contents(&self, value: &Value, at: &Pointer, part: Part) -> Result<Option<Value>, Refused> {
        let step = |segment: Segment| {
            let mut at = at.clone();
            at.segments.push(segment);
            at
        };
        let (shown, empty) = match value {
            Value::Object(members) => {
                let mut shown = Map::new();
                for (key, value) in members {
                    if let Some(value) = self.value(value, &step(Segment::Key(key.clone())), part)? {
                        shown.insert(key.clone(), value);
                    }
                }
                let empty = shown.is_empty();
                (Value::Object(shown), empty)
            }
            Value::Array(items) => {
                let mut shown = Vec::new();
                for value in items {
                    shown.extend(self.value(value, &step(Segment::Each), part)?);
                }
                let empty = shown.is_empty();
                (Value::Array(shown), empty)
            }
            _ => unreachable!("no container"),
        };
        Ok((!empty || self.goes(part)).then_some(shown))
    }

    fn protect(&self, value: &Value, index: usize, field: &FieldRules) -> Result<Option<Value>, Refused> {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => match &field.protect {
                ProtectRules::Drop | ProtectRules::Redact(_) | ProtectRules::Encrypt { .. } => Some(String::new()),
                _ => return Err(Refused),
            },
        };
        let shown = match (text, &field.protect) {
            (_, ProtectRules::Drop) => return Ok(None),
            (None, _) => Value::Null,
            (_, ProtectRules::Redact(with)) => json!(with),
            (Some(text), ProtectRules::Mask { keep_first, keep_last }) => {
                let length = text.chars().count();
                let whole = length <= keep_first + keep_last;
                let star = |(at, c)| if whole || (at >= *keep_first && at < length - keep_last) { '*' } else { c };
                json!(text.chars().enumerate().map(star).collect::<String>())
            }
            (Some(text), ProtectRules::Hash) => {
                json!(String::from_utf8_lossy(&hex(&self.ring.hash(&field.category, &text))))
            }
            (Some(_), ProtectRules::Encrypt { .. }) => json!({SEALED: field.path.to_string(), "value": value}),
            (Some(_), ProtectRules::Pseudonymize { space }) => {
                let mut text = String::new();
                canonical(&scalar(value), Canonical::Exact, CanonicalVersion::NEWEST, None, &mut text)
                    .map_err(|_| Refused)?;
                let token = self.ring.token(space, &text);
                json!(self.ring.reference(self.audience(), &token).unwrap().to_string())
            }
            (Some(text), ProtectRules::RedactDetected(kinds)) => json!(Detector::new(kinds).redact(&text)),
            (_, ProtectRules::Keep | ProtectRules::Generalize(_)) => unreachable!("not drawn"),
        };
        Ok(self.goes(Part::Kept(index)).then_some(shown))
    }

    fn audience(&self) -> Audience {
        self.pipeline.sinks[self.sink].audience
    }

    /// Returns the whole document.
    fn document(&self, event: &Value, token: &Token) -> Result<Value, Refused> {
        let mut document = Map::new();
        for (key, value) in event.as_object().unwrap() {
            let at = Pointer { segments: vec![Segment::Key(key.clone())] };
            if let Some(value) = self.value(value, &at, Part::Undeclared)? {
                document.insert(key.clone(), value);
            }
        }
        let mut id = Vec::new();
        self.ring.event_id_for(self.audience(), "file|7", &mut id).unwrap();
        let mut time = [0; 24];
        let length = rfc3339(NOW, &mut time);
        document.insert("event_id".to_owned(), json!(String::from_utf8_lossy(&id)));
        document.insert("event_time".to_owned(), json!(String::from_utf8_lossy(&time[..length])));
        document
            .insert("subject_ref".to_owned(), json!(self.ring.reference(self.audience(), token).unwrap().to_string()));
        Ok(Value::Object(document))
    }
}

fn scalar(value: &Value) -> Scalar<'_> {
    match value {
        Value::String(text) => Scalar::Text(text.as_str().into()),
        Value::Number(number) => Scalar::Number(number.to_string().into()),
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Null | Value::Array(_) | Value::Object(_) => Scalar::Null,
    }
}

/// Returns undeclared data with what is detected in it redacted.
fn detected(detector: Detector, value: &Value) -> Value {
    match value {
        Value::String(text) => json!(detector.redact(text)),
        Value::Number(number) => {
            let text = number.to_string();
            if detector.is_clean(&text) { value.clone() } else { json!(detector.redact(&text)) }
        }
        Value::Array(items) => items.iter().map(|item| detected(detector, item)).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| detector.is_clean(key))
            .map(|(key, value)| (key.clone(), detected(detector, value)))
            .collect(),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

/// Returns whether a document is the expected one; sealed values are opened.
fn same(expected: &Value, actual: &Value, open: &impl Fn(&str, &str) -> Value) -> bool {
    match (expected, actual) {
        (Value::Object(sealed), Value::String(text)) => match sealed.get(SEALED).and_then(Value::as_str) {
            Some(path) => open(path, text) == sealed["value"],
            None => false,
        },
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b, open)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, open)),
        (expected, actual) => expected == actual,
    }
}

fn a_rule() -> impl Strategy<Value = ProtectRules> {
    prop_oneof![
        4 => Just(ProtectRules::Keep),
        2 => Just(ProtectRules::Drop),
        1 => Just(ProtectRules::Redact("\"gone\"".to_owned())),
        1 => (0usize..3, 0usize..3).prop_map(|(keep_first, keep_last)| ProtectRules::Mask { keep_first, keep_last }),
        1 => Just(ProtectRules::Hash),
        2 => select(vec!["profile", "other"]).prop_map(|class| ProtectRules::Encrypt { class: class.to_owned() }),
        1 => Just(ProtectRules::Pseudonymize { space: "visitors".to_owned() }),
        1 => Just(ProtectRules::RedactDetected(Vec::new())),
    ]
}

/// Fields with different paths, none of which is inside one that is not kept.
fn fields() -> impl Strategy<Value = Vec<FieldRules>> {
    vec((select(PATHS.to_vec()), a_rule()), 0..8).prop_map(|drawn| {
        let mut fields: Vec<FieldRules> = Vec::new();
        for field in drawn.into_iter().map(|(path, rule)| sample::field(path, rule)) {
            let clash = |known: &FieldRules| {
                known.path == field.path
                    || (known.path.covers(&field.path) && known.protect != ProtectRules::Keep)
                    || (field.path.covers(&known.path) && field.protect != ProtectRules::Keep)
            };
            if !fields.iter().any(clash) {
                fields.push(field);
            }
        }
        fields
    })
}

fn pipelines() -> impl Strategy<Value = Pipeline> {
    let policy = select(vec![Undeclared::Drop, Undeclared::Keep, Undeclared::Detect, Undeclared::Reject]);
    let sink = (any::<[bool; 8]>(), any::<bool>(), select(vec![Audience::Operational, Audience::Analytics]));
    (fields(), policy, vec(sink, 2), select(vec!["/user_id", "/who/id"])).prop_map(
        |(fields, policy, sinks, subject)| {
            let mut pipeline = sample::pipeline();
            pipeline.event.subject = subject.parse().unwrap();
            pipeline.event.undeclared = policy;
            let template = pipeline.sinks.remove(0);
            for (listed, takes_undeclared, audience) in sinks {
                let mut sink = template.clone();
                sink.fields = (0..fields.len()).filter(|index| listed[*index]).collect();
                sink.undeclared = if takes_undeclared { policy } else { Undeclared::Drop };
                sink.audience = audience;
                pipeline.sinks.push(sink);
            }
            pipeline.fields = fields;
            pipeline
        },
    )
}

fn events() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        select(vec![json!(1.5), json!(4_111_111_111_111_111_u64), json!("ann@example.org"), json!("")]),
        "[ab\"\\\\é\n]{0,6}".prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(KEYS.to_vec()), inner), 0..5)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    });
    let who = vec((select(KEYS.to_vec()), value.clone()), 0..2);
    (vec((select(KEYS.to_vec()), value), 0..7), who).prop_map(|(members, who)| {
        let mut event: Map<String, Value> = members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut who: Map<String, Value> = who.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        who.insert("id".to_owned(), json!("u-1"));
        event.insert("who".to_owned(), Value::Object(who));
        event.insert("user_id".to_owned(), json!("u-1"));
        Value::Object(event)
    })
}

/// Returns the documents of each sink; `None` if the event is refused.
fn by_the_engine(pipeline: &Pipeline, text: &str) -> Option<(Engine, Subject, Vec<Value>)> {
    let engine = Engine::new(pipeline, Arc::new(ring(1))).unwrap();
    let record = Record { stream: "file", offset: 7, timestamp: Some(NOW), key: None, value: Some(text.as_bytes()) };
    let mut scratch = Scratch::default();
    let Reading::Process(facts) = engine.read(&record, NOW, &mut scratch) else { return None };
    let identity = engine.identify(&record, &mut scratch).unwrap();
    let ciphers = engine.classes().iter().map(|class| SubjectCipher::new(&DataKey::new([7; 32]), class).ok());
    let audiences = engine.audiences().iter().copied();
    let subject = Subject::new(engine.ring(), identity.token, audiences, ciphers.collect()).unwrap();
    let mut out = vec![OutgoingBatch::default(), OutgoingBatch::default()];
    engine.write(&record, facts, &subject, NOW, &mut scratch, &mut out).ok()?;
    let documents = out.iter().map(|batch| {
        let Body::Document(range) = batch.records[0].body.clone() else { panic!("a deletion") };
        serde_json::from_slice(&batch.bytes[range]).unwrap()
    });
    let documents = documents.collect();
    Some((engine, subject, documents))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_a_slow_and_obvious_model(
        pipeline in pipelines(), event in events(), pretty in any::<bool>(), spelled in option::of(select(vec!["a", "l", "b"])),
    ) {
        let mut text = if pretty { serde_json::to_string_pretty(&event).unwrap() } else { event.to_string() };
        if let Some(letter) = spelled {
            let code = format!("\"\\u{:04x}\"", u32::from(letter.as_bytes()[0]));
            text = text.replace(&format!("\"{letter}\""), &code);
        }
        let ring = ring(1);
        let token = ring.token("customers", "u-1");
        let by_the_engine = by_the_engine(&pipeline, &text);
        for sink in 0..2 {
            let expected = Model { pipeline: &pipeline, sink, ring: &ring }.document(&event, &token);
            let (Ok(expected), Some((engine, subject, documents))) = (&expected, &by_the_engine) else {
                prop_assert_eq!(expected.is_err(), by_the_engine.is_none(), "{}", text);
                continue;
            };
            let open = |path: &str, sealed: &str| {
                let classes = engine.classes().iter().zip(0..);
                let (_, class) = classes.into_iter().find(|(class, _)| seal::class_of(sealed) == Some(class)).unwrap();
                let audience = pipeline.sinks[sink].audience;
                let context = SealContext { space: "customers", token: &token, audience, path };
                let opened = subject.cipher(class).unwrap().open(&context, sealed).unwrap();
                serde_json::from_slice(opened.expose()).unwrap()
            };
            prop_assert!(same(expected, &documents[sink], &open), "{} became {} and not {}", text, documents[sink], expected);
        }
    }
}
