//! Tests of the survey.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{path_tree::MAX_NODES, *};

fn survey(events: &[Value]) -> Report {
    let mut survey = Survey::default();
    for event in events {
        survey.read(event.to_string().as_bytes());
    }
    survey.report()
}

fn rows(report: &Report) -> Vec<(String, &'static str, u64, u64)> {
    let name = |location: &Location| match location {
        Location::Line => "line".to_owned(),
        Location::Path(path) => path.clone(),
        Location::Keys(path) => format!("keys of {path}"),
        Location::Other => "elsewhere".to_owned(),
    };
    report.found.iter().map(|found| (name(&found.location), found.kind, found.events, found.events_with_text)).collect()
}

fn row(location: &str, kind: &'static str, events: u64, of: u64) -> (String, &'static str, u64, u64) {
    (location.to_owned(), kind, events, of)
}

#[test]
fn an_event_counts_once_per_path_and_kind() {
    let report = survey(&[
        json!({"to": ["ann@example.com", "bob@example.com"], "note": "eve@example.com or joe@example.com"}),
        json!({"to": ["none"], "note": "call +44 20 7946 0042", "a": {"b": [{"c": "ann@example.com"}]}}),
        json!({"to": [], "note": null}),
    ]);
    assert_eq!(
        rows(&report),
        [
            row("/a/b/*/c", "email", 1, 1),
            row("/note", "email", 1, 2),
            row("/note", "phone", 1, 2),
            row("/to/*", "email", 1, 2)
        ]
    );
}

#[test]
fn text_that_is_not_a_json_object_is_searched_as_a_whole() {
    let mut survey = Survey::default();
    for line in [
        "mail ann@example.com",
        "{\"a\": \"ann@example.com\"",
        "\"ann@example.com\"",
        "{\"a\": 1} {",
        "12",
        "{\"a\": \"\\ud800\"}",
    ] {
        survey.read(line.as_bytes());
    }
    survey.read(b"\xff\xfe");
    survey.skip();
    let report = survey.report();
    assert_eq!(rows(&report), [row("line", "email", 3, 6)]);
    assert_eq!(report.counts, Counts { events: 8, json: 0, text: 6, unreadable: 2, crowded: 0 });
    assert!(report.fields.is_empty());
}

#[test]
fn keys_that_are_data_are_shown_as_a_star_and_counted() {
    let report = survey(&[
        json!({"contacts": {"ann@example.com": {"phone": "+44 20 7946 0042"}, "bob": {"phone": "none"}}}),
        json!({"contacts": {"eve@example.com": {"phone": "+44 20 7946 0043"}}, "orders": {"4711": "ann@example.com"}}),
    ]);
    assert_eq!(
        rows(&report),
        [
            row("/contacts/*/phone", "phone", 2, 2),
            row("/orders/*", "email", 1, 1),
            row("keys of /contacts", "email", 2, 2),
        ]
    );
    let fields: Vec<(&str, &str)> =
        report.fields.iter().map(|field| (field.path.as_str(), field.protect.to_yaml())).collect();
    assert_eq!(fields, [("/contacts", "{encrypt: {}}"), ("/orders", "{encrypt: {}}")]);
}

#[test]
fn an_object_with_very_many_keys_is_a_map() {
    let events: Vec<Value> = (0..1_000)
        .map(|number| {
            let name =
                |number: u64| -> String { number.to_string().bytes().map(|digit| (digit + 49) as char).collect() };
            json!({"people": {name(number): {"mail": ["ann@example.com"], "phones": {name(number): "+442079460042"}}}})
        })
        .collect();
    let report = survey(&events);
    assert_eq!(
        rows(&report),
        [row("/people/*/mail/*", "email", 1_000, 1_000), row("/people/*/phones/*", "phone", 1_000, 1_000)]
    );
    assert_eq!(report.fields.len(), 1);
}

#[test]
fn memory_is_bounded_and_findings_beyond_the_capacity_have_no_path() {
    let mut survey = Survey::default();
    let name = |number: u32| -> String { number.to_string().bytes().map(|digit| (digit + 49) as char).collect() };
    for first in 0..200 {
        for second in 0..200 {
            survey.read(json!({name(first): {name(second): {"x": "ann@example.com"}}}).to_string().as_bytes());
        }
    }
    let report = survey.report();
    assert!(survey.tree.all().count() <= MAX_NODES);
    assert!(report.counts.crowded > 0);
    assert_eq!(report.found.iter().map(|found| found.events).sum::<u64>(), 40_000);
    let other = report.found.iter().find(|found| found.location == Location::Other).unwrap();
    assert!(other.events >= report.counts.crowded.min(1) && other.suggestion.is_none());
}

#[test]
fn free_text_is_redacted_and_a_pure_value_is_encrypted() {
    let report = survey(
        &(0..10)
            .map(|number| {
                json!({
                    "email": " Ann@Example.com ",
                    "reach": if number < 6 { "ann@example.com" } else { "+442079460042" },
                    "ip": if number < 9 { "192.0.2.7" } else { "2001:db8::1" },
                    "seen_from": if number < 9 { "192.0.2.7" } else { "unknown" },
                    "card": "4111 1111 1111 1111",
                    "note": format!("mail ann@example.com, {number}"),
                    "rare": if number == 0 { "ann@example.com" } else { "nothing" },
                })
            })
            .collect::<Vec<_>>(),
    );
    let fields: Vec<(&str, &str, &str)> =
        report.fields.iter().map(|field| (field.path.as_str(), field.category, field.protect.to_yaml())).collect();
    assert_eq!(
        fields,
        [
            ("/card", "user.financial.credit_card", "{encrypt: {}}"),
            ("/email", "user.contact.email", "{encrypt: {}}"),
            ("/ip", "user.device.ip_address", "{generalize: {ip: {v4: 24, v6: 48}}}"),
            ("/note", "user.content", "{redactDetected: {}}"),
            ("/rare", "user.content", "{redactDetected: {}}"),
            ("/reach", "user.contact.email", "{encrypt: {}}"),
            ("/seen_from", "user.device.ip_address", "{encrypt: {}}"),
        ]
    );
    let clean = |path: &str| report.fields.iter().find(|field| field.path == path).unwrap().clean;
    assert_eq!((clean("/email"), clean("/reach")), (&["Trim", "Lowercase"][..], &["Trim"][..]));
}

#[test]
fn no_suggestion_is_inside_another() {
    let report = survey(&[
        json!({"a": "ann@example.com", "a-b": "ann@example.com"}),
        json!({"a": {"b": "ann@example.com"}}),
        json!({"a": ["ann@example.com"]}),
    ]);
    let paths: Vec<&str> = report.fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["/a", "/a-b"]);
}

/// Generates JSON with keys from a small set, in which some strings contain personal data.
fn any_event() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z ]{0,8}".prop_map(Value::from),
        "SECRET[a-z]{1,6}@example\\.com".prop_map(Value::from),
        "SECRET \\+4420794600[0-9]{2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(
                (prop_oneof![4 => "[a-c~/]{1,2}", 1 => "SECRET[a-z]@example\\.com", 1 => "[0-9]{1,3}"], inner),
                0..5
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_is_ever_shown(events in proptest::collection::vec(any_event(), 1..12)) {
        let report = survey(&events);
        let shown = format!("{}{report:?}", serde_json::to_string(&report).unwrap());
        prop_assert!(!shown.contains("SECRET") && !shown.contains("example.com") && !shown.contains("4420"), "{shown}");
    }

    #[test]
    fn no_path_occurs_twice_and_every_suggestion_can_be_declared(
        events in proptest::collection::vec(any_event(), 1..12),
    ) {
        let report = survey(&events);
        let all: BTreeSet<_> = report.found.iter().map(|found| (&found.location, found.kind)).collect();
        prop_assert_eq!(all.len(), report.found.len());
        prop_assert_eq!(report.counts.json + report.counts.text, events.len() as u64);
        for field in &report.fields {
            prop_assert!(field.path.parse::<lethe_core::pipeline::Pointer>().is_ok(), "{}", field.path);
        }
    }
}
