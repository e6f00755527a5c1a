//! The walk and the `jsonschema` crate agree on every schema and event.

#![allow(clippy::unwrap_used)]

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{Tape, walk};
use crate::{
    pipeline::{endless, tests::sample},
    plan::Plan,
    reason::{Reason, Rejection},
};

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..6).prop_map(Value::from),
        select(vec![json!(1.0), json!(1.5), json!(-0.0), json!(1e20), json!(u64::MAX), json!(i64::MIN), json!(2.0)]),
        "[ab1é\\n]{0,4}".prop_map(Value::from),
    ]
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "d~/", "é"]).prop_map(str::to_owned)
}

fn event() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    vec((name(), value), 0..5).prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn assertion(inner: BoxedStrategy<Value>) -> impl Strategy<Value = (String, Value)> {
    let types = || select(vec!["null", "boolean", "integer", "number", "string", "array", "object"]);
    let size = || (0u64..4).prop_map(Value::from);
    let bound = || prop_oneof![(-2i64..4).prop_map(Value::from), Just(json!(1.5)), Just(json!(1e20))];
    let of =
        |keyword: &'static str, value: BoxedStrategy<Value>| value.prop_map(move |v| (keyword.to_owned(), v)).boxed();
    let members = |inner: BoxedStrategy<Value>| {
        vec((name(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())).boxed()
    };
    prop_oneof![
        4 => of("type", types().prop_map(Value::from).boxed()),
        2 => of("type", vec(types(), 1..4).prop_map(|mut all| { all.sort_unstable(); all.dedup(); json!(all) }).boxed()),
        1 => of("enum", vec(scalar(), 1..4).prop_map(Value::from).boxed()),
        1 => of("const", event()
            .boxed()),
        1 => of("const", scalar().boxed()),
        1 => of("minimum", bound().boxed()),
        1 => of("maximum", bound().boxed()),
        1 => of("exclusiveMinimum", bound().boxed()),
        1 => of("exclusiveMaximum", bound().boxed()),
        1 => of("multipleOf", select(vec![json!(2), json!(0.5)]).boxed()),
        1 => of("minLength", size().boxed()),
        1 => of("maxLength", size().boxed()),
        1 => of("pattern", select(vec!["^a", "[^a]b", "^\\d$", "é+", "^(?=a)", "a|b$", "."]).prop_map(Value::from).boxed()),
        4 => of("properties", members(inner.clone())),
        2 => of("required", vec(name(), 0..3).prop_map(|mut all| { all.sort(); all.dedup(); json!(all) }).boxed()),
        2 => of("additionalProperties", inner.clone()),
        1 => of("patternProperties", inner.clone().prop_map(|schema| json!({"^a": schema})).boxed()),
        1 => of("minProperties", size().boxed()),
        1 => of("maxProperties", size().boxed()),
        2 => of("items", inner.clone()),
        1 => of("prefixItems", vec(inner.clone(), 1..3).prop_map(Value::from).boxed()),
        1 => of("minItems", size().boxed()),
        1 => of("maxItems", size().boxed()),
        1 => of("uniqueItems", any::<bool>().prop_map(Value::from).boxed()),
        1 => of("anyOf", vec(inner.clone(), 1..3).prop_map(Value::from).boxed()),
        1 => of("allOf", vec(inner.clone(), 1..3).prop_map(Value::from).boxed()),
        1 => of("not", inner),
        2 => of("$ref", select(vec!["#/$defs/one", "#/$defs/two", "#/$defs/o%6Ee", "#", "#/properties"]).prop_map(Value::from).boxed()),
        1 => of("format", Just(json!("email")).boxed()),
        1 => of("x-unknown", scalar().boxed()),
        1 => of("examples", Just(json!([{"$id": "urn:data", "$ref": "#/$defs/two"}])).boxed()),
    ]
}

fn subschema() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![2 => Just(json!({})), 1 => Just(json!(true)), 1 => Just(json!(false))].boxed();
    leaf.prop_recursive(4, 32, 4, |inner| {
        vec(assertion(inner.boxed()), 1..3).prop_map(|members| Value::Object(members.into_iter().collect()))
    })
    .boxed()
}

/// Most of a schema is about members that events have; otherwise few checks would be reached.
fn schema() -> impl Strategy<Value = Value> {
    let members = vec((name(), subschema()), 1..5);
    let more = option::weighted(0.5, assertion(subschema()));
    let base = option::weighted(0.3, Just("https://example.org/profile.json"));
    (members, more, subschema(), subschema(), base).prop_map(|(members, more, one, two, base)| {
        let mut map: Map<String, Value> = more.into_iter().collect();
        map.extend(base.map(|base| ("$id".to_owned(), base.into())));
        map.insert("properties".to_owned(), Value::Object(members.into_iter().collect()));
        map.insert("$defs".to_owned(), json!({"one": one, "two": two}));
        Value::Object(map)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_and_the_jsonschema_crate_agree(schema in schema(), events in vec(event(), 4..12)) {
        // A schema that cannot be compiled (a reference to nothing) is refused before.
        let Ok(validator) = jsonschema::draft202012::new(&schema) else { return Ok(()) };
        // A schema whose references never step into the event is refused by `lint`.
        if endless(&schema).is_some() {
            return Ok(());
        }
        let mut pipeline = sample::pipeline();
        pipeline.event.schema = Some(schema.clone());
        let plan = Plan::new(&pipeline).unwrap();
        let mut tape = Tape::default();
        for event in events {
            walk(&plan, &event.to_string(), &mut tape).unwrap();
            prop_assert_eq!(tape.broken.is_none(), validator.is_valid(&event), "{} by {}: {:?}", event, schema, tape.broken);
        }
    }
}

fn verdict(text: &str) -> Result<Option<Rejection>, Rejection> {
    let plan = Plan::new(&sample::pipeline()).unwrap();
    let mut tape = Tape::default();
    walk(&plan, text, &mut tape)?;
    Ok(tape.broken)
}

proptest! {
    #[test]
    fn the_walk_reads_as_json_what_serde_reads(text in r#"[\[\]{}:,"a\\0-9.eE+\-tfn rulsx]{0,12}"#) {
        let event = format!("{{\"a\":{text}}}");
        // serde accepts repeated keys and refuses numbers out of range; both are read to the end
        // here.
        let ours = verdict(&event).is_ok();
        let range = matches!(verdict(&event), Ok(Some(Rejection { reason: Reason::NumberOutOfRange, .. })));
        prop_assert_eq!(ours, serde_json::from_str::<Value>(&event).is_ok() || range, "{}", event);
    }
}

#[test]
fn a_repeated_key_is_found_in_every_spelling() {
    let many = (0..60).map(|n| format!("\"k{n}\":1,")).collect::<Vec<_>>().concat();
    for text in [
        r#"{"user_id":1,"user_id":2}"#.to_owned(),
        r#"{"x":1,"x":2}"#.to_owned(),
        r#"{"x":1,"\u0078":2}"#.to_owned(),
        r#"{"\u0078":1,"x":2}"#.to_owned(),
        r#"{"user_id":1,"user\u005fid":2}"#.to_owned(),
        format!("{{{many}\"k3\":2}}"),
        format!("{{{many}\"k57\":2}}"),
        r#"{"deep":{"x":1,"x":2}}"#.to_owned(),
    ] {
        assert_eq!(verdict(&text).unwrap().unwrap().reason, Reason::DuplicateKey, "{text}");
    }
    assert_eq!(verdict(&format!("{{{many}\"other\":{{\"k3\":1}}}}")), Ok(None));
}

#[test]
fn each_kind_of_input_that_is_not_an_event_has_its_reason() {
    let reason = |text: &str| verdict(text).unwrap_err().reason;
    assert_eq!(reason(""), Reason::NotJson);
    assert_eq!(reason("[1]"), Reason::NotAnObject);
    assert_eq!(reason("NaN"), Reason::NotJson);
    assert_eq!(reason("{\"a\":NaN}"), Reason::NotJson);
    assert_eq!(reason("{} x"), Reason::NotJson);
    assert_eq!(reason("{\"a\":\"\\ud800\"}"), Reason::NotJson);
    assert_eq!(reason(&format!("{{\"a\":{}", "[".repeat(10_000))), Reason::TooDeep);
    assert_eq!(verdict("{\"a\":1e400}").unwrap().unwrap().reason, Reason::NumberOutOfRange);
    assert_eq!(verdict(&format!("{{\"a\":{}}}", "9".repeat(400))).unwrap().unwrap().reason, Reason::NumberOutOfRange);
}

#[test]
fn lengths_are_counted_in_characters() {
    let broken = |schema: Value, text: &str| {
        let mut pipeline = sample::pipeline();
        pipeline.event.schema = Some(json!({"properties": {"a": schema}}));
        let mut tape = Tape::default();
        walk(&Plan::new(&pipeline).unwrap(), &json!({"a": text}).to_string(), &mut tape).unwrap();
        tape.broken.and_then(|rejection| rejection.rule)
    };
    assert_eq!(broken(json!({"minLength": 2}), "é"), Some("minLength"));
    assert_eq!(broken(json!({"minLength": 2}), "éé"), None);
    assert_eq!(broken(json!({"maxLength": 2}), "éé"), None);
    assert_eq!(broken(json!({"maxLength": 2}), "aéé"), Some("maxLength"));
}
