//! No personal value is stored or logged except where the manifest allows it. Keys, headers and
//! values of valid and invalid records contain canaries; the output of runs and the contents of
//! three servers are searched for them.
//!
//! `zxqvbyjkkept` and `zxqvbyjkid` are allowed in the Operational table and collection, as in
//! `tests/promises/canary.rs`.

use crate::{pipeline_fixture::PipelineFixture, topics::Sent};
use lethe_tests::{
    canaries::{PIPELINE, assert_no_canary, event, events, sightings},
    process::{Counts, finish},
};

/// The store of subjects' keys.
const KEYS: &str = "  keys:
    secretRef: {name: lethe-keys}
    storeRef: {name: STORE}
    database: x
";

/// Sinks on servers.
const SINKS: &str = "  sinks:
    - name: people
      audience: Operational
      records: Latest
      cassandra:
        storeRef: {name: profiles}
        keyspace: x
        table: people
        manage: Create
        partitionKey: [subject_ref]
        columns:
          - {name: subject_ref, type: text, meta: SubjectRef}
          - {name: event_id, type: text, meta: EventId}
          - {name: name, type: text, path: /name}
          - {name: phone, type: text, path: /phone}
          - {name: note, type: text, path: /note}
          - {name: plan, type: text, path: /plan}
          - {name: extra, type: text, path: /extra}
          - {name: mark, type: uuid, path: /mark}
    - name: persons
      audience: Operational
      records: Latest
      mongodb: {storeRef: {name: documents}, database: x, collection: persons, manage: Create}
    - name: history
      audience: Analytics
      records: Append
      fields: [/who, /postcode, /score, /born, /ip, /segment, /partner, /tier]
      mongodb: {storeRef: {name: documents}, database: x, collection: history, manage: Create}
    - name: clean
      audience: Public
      records: Append
      fields: [/born, /segment, /tier]
      kafka: {storeRef: {name: events}, topic: x, manage: Create}
  deadLetter:
    keepFor: 7d
    kafka: {storeRef: {name: events}, topic: x, manage: Create, partitions: 2}
";

/// Returns the pipeline of canaries, from a topic to servers, with its keys in this store.
fn pipeline(keys: &str) -> String {
    let source = "    file: {path: events.ndjson, format: Ndjson}\n";
    let topic = "    kafka: {storeRef: {name: events}, topic: x}\n";
    let (head, rest) = PIPELINE.split_once("  keys:\n").unwrap();
    let (_, rest) = rest.split_once("  fields:\n").unwrap();
    let (fields, _) = rest.split_once("  sinks:\n").unwrap();
    assert!(head.contains(source));
    let keys = KEYS.replace("STORE", keys);
    let mark = "    - {path: /mark, category: user.account, protect: {keep: {}}}\n";
    format!("{}{keys}  fields:\n{fields}{mark}{SINKS}", head.replace(source, topic))
}

/// Returns records with canaries in every part that a broker accepts.
fn records() -> Vec<Sent> {
    let of = |key: Option<&str>, value: Option<&[u8]>| Sent {
        key: key.map(|key| key.as_bytes().to_vec()),
        value: value.map(<[u8]>::to_vec),
        headers: vec![
            ("zxqvbyjkheader".to_owned(), b"zxqvbyjkheadervalue".to_vec()),
            ("id".to_owned(), b"zxqvbyjkid".to_vec()),
        ],
        ..Sent::default()
    };
    let lines = events();
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line.len() < 900_000);
    let mut records: Vec<Sent> = lines.map(|line| of(Some("zxqvbyjkkey"), Some(line))).collect();
    // A column of Cassandra can't hold its mark.
    records.push(of(Some("zxqvbyjkkey"), Some(event("refused", r#""mark":"zxqvbyjkkept","#).as_bytes())));
    records.extend([of(None, None), of(None, Some(b"zxqvbyjkprose")), of(Some("zxqvbyjkwho-nobody"), None)]);
    records.push(Sent { key: Some(b"zxqvbyjk\xff\xfe".to_vec()), ..of(None, None) });
    records
}

const LOUD: &str = "trace,librdkafka=trace,scylla=trace,mongodb=trace,hyper=trace,rustls=trace";

/// Runs the pipeline to the end of its topic and searches its output. Returns its counts.
#[track_caller]
fn run(fixture: &PipelineFixture, format: &str, more: &[&str]) -> Counts {
    let mut command = fixture.run_command(&["--log", LOUD, "--log-format", format]);
    assert_no_canary(finish(command.args(more).env("RUST_BACKTRACE", "1")).success()).counts()
}

/// Searches every place of the pipeline on every server.
#[track_caller]
fn assert_no_canary_is_stored(fixture: &PipelineFixture) {
    let places = fixture.dump();
    let source = fixture.source();
    assert!(places.len() > 12, "{:?}", places.keys());
    for (place, bytes) in &places {
        assert_eq!(sightings(place.as_bytes()), Vec::new());
        if *place == source {
            continue;
        }
        let shown = place.ends_with(".people") || place.ends_with(".persons");
        let mut found = sightings(bytes);
        found.retain(|canary| !(shown && canary.is_any(&["zxqvbyjkkept", "zxqvbyjkid"])));
        assert_eq!(found, Vec::new(), "{place}");
    }
    // The allowed canaries are there: on empty servers this test would find nothing.
    for table in [".people", ".persons"] {
        let (_, bytes) = places.iter().find(|(place, _)| place.ends_with(table)).unwrap();
        let text = String::from_utf8_lossy(bytes);
        assert!(text.contains("zxqvbyjkkept") && text.contains("zxqvbyjkid-good"), "{table}: {text}");
    }
}

fn check_canaries(keys: &str) {
    let fixture =
        PipelineFixture::with_manifest(&pipeline(keys), |spec| spec["event"]["delete"]["tombstone"] = true.into());
    // Records have the times of their events, which the default retention of seven days would
    // remove.
    fixture.topics.create(&fixture.clean(), 1);
    fixture.produce(records());
    let counts = run(&fixture, "text", &[]);
    assert_eq!(counts.events(), records().len() as u64);
    assert!(counts.of("people", "delivered") > 0 && counts.of("people", "deleted") > 0, "{}", counts.seen("people"));
    let rejected = ["SchemaViolation", "NotJson", "InvalidUtf8", "SubjectInvalid", "TimeInvalid", "SinkRefused"];
    for reason in rejected {
        assert!(counts.rejected_for(reason) > 0, "{reason}: {}", counts.reasons());
    }
    assert_no_canary_is_stored(&fixture);
    run(&fixture, "json", &["--from-start"]);
    assert_no_canary_is_stored(&fixture);
    for command in [&["redrive", "-f", ".", "--dry-run"][..], &["redrive", "-f", "."], &["lint", "--live", "-f", "."]] {
        for (format, output) in [("text", "text"), ("json", "json")] {
            let mut command = fixture.folder.worker(command);
            command.args(["--log", LOUD, "--log-format", format, "--output", output]);
            assert_no_canary(finish(command.env("RUST_BACKTRACE", "1")).success());
        }
    }
    assert_no_canary_is_stored(&fixture);
    // Drivers log errors of connections.
    fixture.folder.edit("store.yaml", fixture.kafka(), "127.0.0.1:1");
    for format in ["text", "json"] {
        let mut command = fixture.run_command(&["--log", LOUD, "--log-format", format]);
        let ended = assert_no_canary(finish(command.env("RUST_BACKTRACE", "1")));
        assert_eq!(ended.code, Some(4), "{}", ended.err());
        assert!(ended.err().contains("librdkafka"), "{}", ended.err());
    }
}

#[test]
fn no_canary_of_a_record_is_stored_or_logged_with_keys_in_cassandra() {
    check_canaries("profiles");
}

#[test]
fn no_canary_of_a_record_is_stored_or_logged_with_keys_in_mongodb() {
    check_canaries("documents");
}
