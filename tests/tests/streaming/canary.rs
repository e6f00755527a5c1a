//! No personal value is anywhere but where the manifest lets it through: a person made of canaries stands
//! in keys, headers and values of records, good and bad, and all that a run says and leaves on three
//! servers is searched for them, byte by byte.
//!
//! `zxqvbyjkkept` and `zxqvbyjkid` may be found in the Operational table and collection, as in
//! `tests/promises/canary.rs`.

use crate::{
    planted::{PIPELINE, event, events, says_nothing, sightings},
    stage::Stage,
    topics::Sent,
    worker::{Counts, finish},
};

/// Where subjects' keys lie.
const KEYS: &str = "  keys:
    secretRef: {name: lethe-keys}
    storeRef: {name: STORE}
    database: x
";

/// Sinks in place of those on a disk.
const PLACES: &str = "  sinks:
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

/// The pipeline of canaries, from a topic to servers, with its keys in this store.
fn pipeline(keys: &str) -> String {
    let source = "    file: {path: events.ndjson, format: Ndjson}\n";
    let topic = "    kafka: {storeRef: {name: events}, topic: x}\n";
    let (head, rest) = PIPELINE.split_once("  keys:\n").unwrap();
    let (_, rest) = rest.split_once("  fields:\n").unwrap();
    let (fields, _) = rest.split_once("  sinks:\n").unwrap();
    assert!(head.contains(source));
    let keys = KEYS.replace("STORE", keys);
    let mark = "    - {path: /mark, category: user.account, protect: {keep: {}}}\n";
    format!("{}{keys}  fields:\n{fields}{mark}{PLACES}", head.replace(source, topic))
}

/// Records with canaries in every part: those that a broker takes.
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

/// Everything that a run says is searched; its counts are answered.
#[track_caller]
fn run(stage: &Stage, format: &str, more: &[&str]) -> Counts {
    let mut command = stage.runs(&["--log", LOUD, "--log-format", format]);
    says_nothing(finish(command.args(more).env("RUST_BACKTRACE", "1")).well()).counts()
}

/// Looks through every place of the pipeline on every server.
#[track_caller]
fn leaves_nothing(stage: &Stage) {
    let places = stage.everything();
    let source = stage.source();
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
    // What the manifest lets through is there, or this test would find nothing on empty servers.
    for table in [".people", ".persons"] {
        let (_, bytes) = places.iter().find(|(place, _)| place.ends_with(table)).unwrap();
        let text = String::from_utf8_lossy(bytes);
        assert!(text.contains("zxqvbyjkkept") && text.contains("zxqvbyjkid-good"), "{table}: {text}");
    }
}

fn a_canary_is_found_nowhere(keys: &str) {
    let stage = Stage::of(&pipeline(keys), |spec| spec["event"]["delete"]["tombstone"] = true.into());
    // Its records have the times of their events: a topic of seven days would have lost them by now.
    stage.topics.create(&stage.clean(), 1);
    stage.produce(records());
    let counts = run(&stage, "text", &[]);
    assert_eq!(counts.events(), records().len() as u64);
    assert!(counts.of("people", "delivered") > 0 && counts.of("people", "deleted") > 0, "{}", counts.seen("people"));
    let rejected = ["SchemaViolation", "NotJson", "InvalidUtf8", "SubjectInvalid", "TimeInvalid", "SinkRefused"];
    for reason in rejected {
        assert!(counts.rejected_for(reason) > 0, "{reason}: {}", counts.reasons());
    }
    leaves_nothing(&stage);
    run(&stage, "json", &["--from-start"]);
    leaves_nothing(&stage);
    for command in [&["redrive", "-f", ".", "--dry-run"][..], &["redrive", "-f", "."], &["lint", "--live", "-f", "."]] {
        for (format, output) in [("text", "text"), ("json", "json")] {
            let mut command = stage.folder.worker(command);
            command.args(["--log", LOUD, "--log-format", format, "--output", output]);
            says_nothing(finish(command.env("RUST_BACKTRACE", "1")).well());
        }
    }
    leaves_nothing(&stage);
    // Drivers speak, too, where something is wrong.
    stage.folder.edit("store.yaml", stage.kafka(), "127.0.0.1:1");
    for format in ["text", "json"] {
        let mut command = stage.runs(&["--log", LOUD, "--log-format", format]);
        let ended = says_nothing(finish(command.env("RUST_BACKTRACE", "1")));
        assert_eq!(ended.code, Some(4), "{}", ended.err());
        assert!(ended.err().contains("librdkafka"), "{}", ended.err());
    }
}

#[test]
fn a_canary_in_key_header_and_value_is_found_nowhere_with_keys_in_cassandra() {
    a_canary_is_found_nowhere("profiles");
}

#[test]
fn a_canary_in_key_header_and_value_is_found_nowhere_with_keys_in_mongodb() {
    a_canary_is_found_nowhere("documents");
}
