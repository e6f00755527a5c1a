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
    survey.skip(Reason::RowLength);
    let report = survey.report();
    assert_eq!(rows(&report), [row("line", "email", 3, 6)]);
    assert_eq!(report.counts, Counts { events: 8, json: 0, text: 6, unreadable: 2, crowded: 0 });
    assert_eq!(report.unreadable, BTreeMap::from([("InvalidUtf8", 1), ("RowLength", 1)]));
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
    assert_eq!(suggested(&report), [("/contacts", "user.content", "encrypt"), ("/orders", "user.content", "encrypt")]);
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

/// Paths, categories and protections of the suggestions.
fn suggested(report: &Report) -> Vec<(&str, &str, &str)> {
    report.fields.iter().map(|field| (field.path.as_str(), field.category, field.protect.name())).collect()
}

#[test]
fn sentences_are_redacted_and_a_value_of_one_form_is_encrypted() {
    let report = survey(
        &(0..10)
            .map(|number| {
                json!({
                    "email": " Ann@Example.com ",
                    "reach": if number < 6 { "ann@example.com" } else { "+442079460042" },
                    "from": if number < 9 { "192.0.2.7" } else { "2001:db8::1" },
                    "seen_from": if number < 9 { "192.0.2.7" } else { "unknown" },
                    "paid": 4_111_111_111_111_111_u64,
                    "note": format!("Please write to me at ann@example.com, it is about order {number}."),
                    "short": format!("mail ann@example.com, {number}"),
                    "rare": if number == 0 { "ann@example.com" } else { "nothing" },
                })
            })
            .collect::<Vec<_>>(),
    );
    assert_eq!(
        suggested(&report),
        [
            ("/email", "user.contact.email", "encrypt"),
            ("/from", "user.device.ip_address", "encrypt"),
            ("/note", "user.content", "redactDetected"),
            ("/paid", "user.financial.credit_card", "encrypt"),
            ("/rare", "user", "encrypt"),
            ("/reach", "user.contact.email", "encrypt"),
            ("/seen_from", "user.device.ip_address", "encrypt"),
            ("/short", "user", "encrypt"),
        ]
    );
    let clean = |path: &str| report.fields.iter().find(|field| field.path == path).unwrap().clean;
    assert_eq!((clean("/email"), clean("/reach")), (&["Trim", "Lowercase"][..], &["Trim"][..]));
}

#[test]
fn numbers_of_the_state_with_the_shape_of_phone_numbers_are_encrypted() {
    let events: Vec<Value> = (0..1_500_u32)
        .map(|n| {
            let (a, b, c) = (n % 800 + 100, n % 90 + 10, n % 9000 + 1000);
            let odd = n % 10 == 0;
            let ssn = if odd { format!("212-555-{c}") } else { format!("{a}-{b}-{c}") };
            json!({"ssn": ssn, "number": ssn, "national_id": format!("{a}{b}{c}"), "papers": {"taxId": 123_456_789}})
        })
        .collect();
    let report = survey(&events);
    assert!(report.found.iter().any(|found| found.kind == "phone"), "{:?}", report.found);
    assert_eq!(
        suggested(&report),
        [
            ("/national_id", "user.government_id.national_identification_number", "encrypt"),
            ("/number", "user", "encrypt"),
            ("/papers/taxId", "user.government_id.national_identification_number", "encrypt"),
            ("/ssn", "user.government_id.national_identification_number", "encrypt"),
        ]
    );
}

#[test]
fn the_name_of_a_field_counts_although_its_values_have_no_form() {
    let report = survey(&[json!({
        "password": "correct horse battery staple is not a good one any more",
        "geburtsdatum": "1990-01-02", "prénom": "Ann", "name": {"first": "Ann", "title": "Dr"},
        "phones": ["call the office and ask for the one with the red hat"], "tier": "gold", "email_verified": true,
    })]);
    assert_eq!(
        suggested(&report),
        [
            ("/geburtsdatum", "user.demographic.date_of_birth", "encrypt"),
            ("/name/first", "user.name", "encrypt"),
            ("/password", "user.authorization.credentials", "drop"),
            ("/phones/*", "user.contact.phone_number", "encrypt"),
            ("/prénom", "user.name", "encrypt"),
        ]
    );
    assert!(report.found.iter().all(|found| found.kind == "byName" && found.events == 1 && found.suggestion.is_some()));
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
    fn only_sentences_are_suggested_to_be_redacted(
        values in proptest::collection::vec("[0-9A-Z ./-]{0,30}|[A-Z][a-z]{1,8}( [A-Z][a-z]{1,8}){0,3}|\\+4420794600[0-9]{2}", 1..20),
        name in "[a-z_]{1,12}|ssn|phone|note",
    ) {
        let events: Vec<Value> = values.iter().map(|value| json!({ name.as_str(): value })).collect();
        for field in survey(&events).fields {
            prop_assert!(field.protect != Protection::RedactDetected, "{field:?}");
        }
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
