//! Records of other producers: without a timestamp, with keys that are JSON, with frames in front
//! of JSON, with dates, decimals and names that stores read in their own way.

use jiff::Timestamp;
use mongodb::bson::{Bson, Document};
use serde_json::json;
use serde_yaml::Value;

use crate::{pipeline_fixture::PipelineFixture, topics::Sent};

/// Returns a time of a minute ago, milliseconds since 1970.
fn recent() -> i64 {
    Timestamp::now().as_millisecond() - 60_000
}

/// Returns an event of `examples/streaming`.
fn event(number: u32) -> Sent {
    let time = Timestamp::from_millisecond(recent()).unwrap().to_string();
    let value = json!({
        "event_id": format!("e-{number}"), "timestamp": time, "user_id": format!("u-{number}"),
        "consent": {"marketing": true},
    });
    Sent::event(&format!("u-{number}"), &value.to_string())
}

fn deletion(key: Option<&str>, value: Option<&str>) -> Sent {
    Sent { key: key.map(Into::into), value: value.map(Into::into), ..Sent::default() }
}

#[test]
fn a_record_without_a_timestamp_is_not_one_of_1970() {
    let fixture = PipelineFixture::new();
    let at = |sent: Sent, timestamp| Sent { timestamp: Some(timestamp), ..sent };
    fixture.produce([at(event(1), -1), at(event(2), -1)]);
    let counts = fixture.run(&[]).counts();
    assert_eq!((counts.reasons(), counts.of("profiles", "delivered")), (String::new(), 2));
    fixture.edit_spec(|spec| {
        spec["event"].as_mapping_mut().unwrap().remove("time");
    });
    let counts = fixture.run(&["--from-start"]).counts();
    assert_eq!((counts.reasons(), counts.of("profiles", "expired")), ("TimeInvalid 2".to_owned(), 0));
}

#[test]
fn a_tombstone_deletes_the_person_in_its_key_or_is_rejected() {
    let fixture = PipelineFixture::new();
    fixture.produce([1, 2, 3, 4].map(event));
    assert_eq!(fixture.run(&[]).counts().of("profiles", "delivered"), 4);
    fixture.produce([
        deletion(Some("\"u-1\""), None),
        deletion(Some("{\"id\":\"u-2\"}"), None),
        deletion(None, None),
        // No deletions.
        deletion(Some("u-3"), Some("")),
        deletion(Some("u-4"), Some("null")),
    ]);
    let counts = fixture.run(&[]).counts();
    assert_eq!(counts.reasons(), "NotAnObject 1, NotJson 1, SubjectInvalid 3");
    assert_eq!((counts.of("documents", "deleted"), fixture.documents("documents").len()), (0, 4));
    for (path, reasons, left) in [
        ("/id", "NotAnObject 1, NotJson 1, SubjectInvalid 2", 3),
        ("", "NotAnObject 1, NotJson 1, SubjectInvalid 2", 2),
    ] {
        fixture.edit_spec(|spec| spec["event"]["delete"]["keyPath"] = path.into());
        let counts = fixture.run(&["--from-start"]).counts();
        assert_eq!(counts.reasons(), reasons, "{path:?}");
        let kept = |document: &&Document| document.get("_deleted_at").is_none();
        assert_eq!(fixture.documents("documents").iter().filter(kept).count(), left, "{path:?}");
        assert_eq!(fixture.rows("profiles").len(), left, "{path:?}");
    }
}

#[test]
fn a_frame_or_a_byte_order_mark_in_front_of_json_is_skipped() {
    let fixture = PipelineFixture::new();
    let framed = |front: &[u8], number| {
        let sent = event(number);
        Sent { value: sent.value.map(|value| [front, &value].concat()), ..sent }
    };
    fixture.produce([framed(b"\0\0\0\0\x2a", 1), framed(b"\xef\xbb\xbf", 2), framed(b"", 3)]);
    let counts = fixture.run(&[]).counts();
    assert_eq!((counts.reasons(), counts.of("profiles", "delivered")), (String::new(), 3));
}

const PEOPLE: &str = r"apiVersion: lethe.dev/v1alpha1
kind: ProfilePipeline
metadata: {name: people}
spec:
  source:
    kafka: {storeRef: {name: events}, topic: people}
  event:
    time: /ts_ms
    timeUnit: Millis
    subject: {space: people, id: /after/id}
    delete: {tombstone: true, keyPath: /id, when: {path: /op, equals: d, subject: /before/id}}
  keys: {secretRef: {name: lethe-keys}, storeRef: {name: profiles}, database: lethe}
  fields:
    - {path: /after/born, category: user.demographic.date_of_birth, protect: {keep: {}}}
    - {path: /after/balance, category: user.financial, protect: {keep: {}}}
    - {path: /after/labels, category: user.account, protect: {keep: {}}}
  sinks:
    - name: profiles
      audience: Operational
      records: Latest
      cassandra:
        storeRef: {name: profiles}
        keyspace: shop
        table: people
        manage: Create
        partitionKey: [subject_ref]
        columns:
          - {name: subject_ref, type: text, meta: SubjectRef}
          - {name: born, type: date, path: /after/born}
          - {name: balance, type: decimal, path: /after/balance}
    - name: documents
      audience: Operational
      records: Latest
      mongodb: {storeRef: {name: documents}, database: shop, collection: people, manage: Create}
  deadLetter: {keepFor: 7d, kafka: {storeRef: {name: events}, topic: dead, manage: Create}}
";

fn row(number: i64, after: &str) -> Sent {
    let value = format!(r#"{{"before":null,"after":{{"id":"u-{number}",{after}}},"op":"c","ts_ms":{}}}"#, recent());
    Sent::event(&format!(r#"{{"id":"u-{number}"}}"#), &value)
}

/// Debezium's rows.
#[test]
fn dates_decimals_and_names_are_stored_as_they_are_written_and_a_deleted_row_is_deleted() {
    let fixture = PipelineFixture::with_manifest(PEOPLE, |_: &mut Value| {});
    fixture.produce([
        row(1, r#""born":"1990-05-01T00:00:00+02:00","balance":12.30"#),
        row(2, r#""born":"1990-05-01","balance":12.3"#),
        row(3, r#""born":"1990-04-30T22:00:00Z","balance":"12.30""#),
        row(4, r#""born":631152000000"#),
        row(5, r#""balance":1e-2000000000"#),
        row(6, r#""labels":{"kubernetes.io/config.source":"api","$ref":"x","$set":{"_version":1},"":1}"#),
        row(7, r#""labels":{"a\u0000b":2}"#),
        row(8, r#""labels":{"note":"$subject_ref","list":[{"$date":"2026-01-01"}],"n":[9007199254740993,18446744073709551615]}"#),
    ]);
    let counts = fixture.run(&[]).counts();
    assert_eq!(counts.seen("profiles"), "delivered 5, rejected 3", "a text, a number without a unit, a vast decimal");
    assert_eq!(counts.seen("documents"), "delivered 7, rejected 1", "a name with NUL");
    let cql = format!("SELECT CAST(born AS text), CAST(balance AS text) FROM {}.people", fixture.keyspace());
    let found = fixture.block_on(fixture.cassandra().query_unpaged(cql, ())).unwrap().into_rows_result().unwrap();
    let mut rows: Vec<(Option<String>, Option<String>)> =
        found.rows::<(Option<String>, Option<String>)>().unwrap().map(Result::unwrap).collect();
    rows.sort();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(rows[3..], [(some("1990-05-01"), some("12.3")), (some("1990-05-01"), some("12.30"))]);
    assert!(rows[..3].iter().all(|row| *row == (None, None)));
    let documents = fixture.documents("documents");
    let labels: Vec<Document> = documents
        .iter()
        .filter_map(|document| Some(document.get_document("after").ok()?.get_document("labels").ok()?.clone()))
        .collect();
    let labelled = |key: &str| labels.iter().find(|labels| labels.contains_key(key)).unwrap();
    assert_eq!(labelled("$ref").get_str("kubernetes.io/config.source").unwrap(), "api");
    assert_eq!(labelled("$ref").get("").and_then(Bson::as_i64), Some(1));
    assert!(labelled("$ref").get_document("$set").is_ok());
    assert_eq!(labelled("note").get_str("note").unwrap(), "$subject_ref");
    let list = labelled("note").get_array("list").unwrap();
    assert_eq!(list[0].as_document().unwrap().get_str("$date").unwrap(), "2026-01-01");
    let numbers: Vec<String> = labelled("note").get_array("n").unwrap().iter().map(Bson::to_string).collect();
    assert_eq!(numbers, ["9007199254740993", "18446744073709551615"]);
    // Debezium's deletion, and the tombstone after it.
    let deleted = format!(r#"{{"before":{{"id":"u-1"}},"after":null,"op":"d","ts_ms":{}}}"#, recent() + 30_000);
    fixture.produce([Sent::event(r#"{"id":"u-1"}"#, &deleted), Sent::tombstone(r#"{"id":"u-2"}"#)]);
    let counts = fixture.run(&[]).counts();
    assert_eq!((counts.events(), counts.reasons()), (2, String::new()));
    assert_eq!(fixture.documents("documents").iter().filter(|one| one.get("_deleted_at").is_some()).count(), 2);
}
