//! Values that real data holds and that are easily misread: times without a unit or never set,
//! identifiers that were rounded or are spelled in several ways. Each is read right or rejected.

use std::collections::BTreeSet;

use rusqlite::params;
use serde_json::Value;

use crate::dump;
use lethe_tests::{
    folder::Folder,
    process::{Counts, finish},
};

const PIPELINE: &str = r"apiVersion: lethe.dev/v1alpha1
kind: ProfilePipeline
metadata: {name: people}
spec:
  source:
    file: {path: events.ndjson, format: Ndjson}
  event:
    id: /id
    time: /at
    subject: {space: people, id: /user}
  keys: {secretRef: {name: lethe-keys}, storeRef: {name: store}}
  fields:
    - {path: /v, category: user.account, protect: {keep: {}}}
  sinks:
    - {name: people, audience: Operational, records: Latest, embedded: {storeRef: {name: store}, table: people}}
    - {name: all, audience: Operational, records: Append, file: {path: out.ndjson}}
  deadLetter: {keepFor: 7d, embedded: {storeRef: {name: store}}}
";
const KEEP: &str = "{path: /v, category: user.account, protect: {keep: {}}}";
const SUBJECT: &str = "{space: people, id: /user}";
const EMAIL: &str = "{space: people, id: /user, canonical: Email}";

/// Runs the pipeline over these lines. Returns the counts and the documents that were written.
#[track_caller]
fn run(folder: &Folder, lines: &[&str]) -> (Counts, Vec<Value>) {
    folder.write("events.ndjson", lines.join("\n") + "\n");
    let counts = folder.counts(&[]);
    let out = String::from_utf8(folder.read("out.ndjson")).unwrap();
    (counts, out.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn folder(edits: &[(&str, &str)]) -> Folder {
    Folder::of_pipeline(&edits.iter().fold(PIPELINE.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    }))
}

/// Returns an event whose field `v` has this value, as JSON.
fn event(number: usize, v: &str) -> String {
    format!(r#"{{"id":"e-{number}","at":"2026-03-01T10:00:0{number}Z","user":{number},"v":{v}}}"#)
}

fn events(values: &[&str]) -> Vec<String> {
    values.iter().enumerate().map(|(at, value)| event(at + 1, value)).collect()
}

fn values(documents: &[Value]) -> Vec<&Value> {
    documents.iter().map(|document| &document["v"]).collect()
}

fn subjects(documents: &[Value]) -> usize {
    documents.iter().map(|document| document["subject_ref"].as_str().unwrap()).collect::<BTreeSet<_>>().len()
}

fn borrowed(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

#[test]
fn an_id_that_a_spreadsheet_rounded_is_rejected_and_no_two_people_become_one() {
    let folder = folder(&[
        ("{path: events.ndjson, format: Ndjson}", "{path: people.csv, format: Csv}"),
        (KEEP, "{path: /city, category: user.contact.address.city, protect: {keep: {}}}"),
    ]);
    folder.write(
        "people.csv",
        "id,at,user,city\ne-1,2026-03-01T10:00:00Z,5.12345E+17,Leeds\ne-2,2026-03-01T10:00:01Z,5.12345E+17,York\n\
         e-3,2026-03-01T10:00:01Z,512345000000000001,Hull\n",
    );
    let counts = folder.counts(&[]);
    assert_eq!((counts.reasons(), counts.of("all", "delivered")), ("SubjectInvalid 2".to_owned(), 1));
    folder.edit("pipeline.yaml", "format: Csv}", "format: Csv, csv: {columns: [{header: user, type: Number}]}}");
    let counts = folder.counts(&["--from-start"]);
    assert_eq!((counts.reasons(), counts.of("all", "delivered")), ("SubjectInvalid 2".to_owned(), 1));
}

#[test]
fn a_time_that_was_never_set_is_rejected_and_not_expired() {
    let folder = folder(&[("records: Latest, ", "records: Latest, maxAge: 3650d, ")]);
    let lines = [
        r#"{"id": "e-1", "at": "2026-11-01T10:00:00Z", "user": 1, "v": "Leeds"}"#,
        r#"{"id": "e-2", "at": "0001-01-01T00:00:00Z", "user": 1, "v": "York"}"#,
        r#"{"id": "e-3", "at": 0, "user": 2, "v": "Bath"}"#,
        r#"{"id": "e-4", "at": "1970-01-01T00:00:00Z", "user": 3, "v": "Hull"}"#,
    ];
    let (counts, documents) = run(&folder, &lines);
    assert_eq!((counts.reasons(), counts.seen("people")), ("TimeInvalid 3".into(), "delivered 1, rejected 3".into()));
    assert_eq!(documents.len(), 1);
    folder.edit("pipeline.yaml", "time: /at", "time: /at\n    timeUnit: Millis\n    zeroTime: Accept");
    let counts = folder.counts(&["--from-start"]);
    assert_eq!(
        (counts.reasons(), counts.of("people", "expired"), counts.of("all", "delivered")),
        (String::new(), 3, 4)
    );
}

#[test]
fn a_number_is_a_date_of_birth_only_in_a_unit_that_is_declared() {
    let born = ["-94694400000", "-14182980000", "86400000", "94694400000", "631152000000"];
    let lines = events(&born);
    let year = "{path: /v, category: user.demographic.date_of_birth, protect: {generalize: {date: Year}}}";
    let folder = folder(&[(KEEP, year)]);
    let (counts, documents) = run(&folder, &borrowed(&lines));
    assert_eq!((counts.reasons(), documents.len()), ("ProtectFailed 5".to_owned(), 0));
    folder.edit("pipeline.yaml", "date_of_birth,", "date_of_birth, clean: [TimeFromMillis],");
    assert_eq!(folder.counts(&["--from-start"]).of("all", "delivered"), 5);
    let out = String::from_utf8(folder.read("out.ndjson")).unwrap();
    let years: Vec<Value> = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["v"].clone()).collect();
    assert_eq!(years, ["1967", "1969", "1970", "1973", "1990"]);
}

#[test]
fn the_month_of_a_date_is_that_of_the_day_as_it_is_written() {
    let born = [r#""1990-05-01T00:00:00+02:00""#, r#""1990-05-01""#, r#""1990-04-30T22:00:00Z""#];
    let month = "{path: /v, category: user.demographic.date_of_birth, protect: {generalize: {date: Month}}}";
    let (counts, documents) = run(&folder(&[(KEEP, month)]), &borrowed(&events(&born)));
    assert_eq!(counts.seen("all"), "delivered 3");
    assert_eq!(values(&documents), ["1990-05", "1990-05", "1990-04"]);
}

/// In a space that began with the newest version of the canonical forms.
#[test]
fn every_spelling_of_an_address_is_one_person_with_one_hash() {
    let addresses = [
        "ada@example.com",
        "\u{200f}ada@example.com",
        "ada@example.com\u{200b}",
        "\u{feff}ada@example.com",
        "Ada@Exam\u{ad}ple.COM.",
    ];
    let line = |at: usize, address: &str| {
        event(at + 1, &format!("\"{address}\""))
            .replace(&format!("\"user\":{}", at + 1), &format!("\"user\":\"{address}\""))
    };
    let hash = "{path: /v, category: user.contact.email, clean: [Email, Lowercase], protect: {hash: {}}}";
    let emails: Vec<String> = addresses.iter().enumerate().map(|(at, address)| line(at, address)).collect();
    let (counts, documents) = run(&folder(&[(SUBJECT, EMAIL), (KEEP, hash)]), &borrowed(&emails));
    assert_eq!((counts.of("all", "delivered"), subjects(&documents)), (5, 1));
    assert_eq!(values(&documents).into_iter().map(Value::to_string).collect::<BTreeSet<_>>().len(), 1);
    let domains =
        ["Jo@B\u{fc}cher.example", "jo@xn--bcher-kva.example", "JO@B\u{dc}CHER.EXAMPLE", "jo@b\u{fc}cher.example."];
    let domains: Vec<String> = domains.iter().enumerate().map(|(at, address)| line(at, address)).collect();
    let (counts, documents) = run(&folder(&[(SUBJECT, EMAIL)]), &borrowed(&domains));
    assert_eq!((counts.of("all", "delivered"), subjects(&documents)), (4, 1));
}

/// Another form makes other people of the same addresses, so it would lose those that are stored.
#[test]
fn a_space_keeps_the_version_of_canonical_forms_that_it_began_with() {
    let folder = folder(&[(SUBJECT, EMAIL)]);
    let line = |at: usize, address: &str| {
        event(at, "1").replace(&format!("\"user\":{at}"), &format!("\"user\":\"{address}\""))
    };
    run(&folder, &[&line(1, "ada@example.com")]);
    let connection = dump::open(&folder.database());
    let version = || -> i64 {
        let sql = "SELECT value FROM lethe_progress WHERE pipeline = 'space/people' AND name = 'canonical'";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(version(), 2);
    // As an earlier Lethe left it: places of the space, and no version.
    let writer = rusqlite::Connection::open(folder.database()).unwrap();
    writer.execute("DELETE FROM lethe_progress WHERE pipeline = ?1", params!["space/people"]).unwrap();
    drop(writer);
    let lines = [line(1, "ada@example.com"), line(2, "ada@example.com\u{200b}"), line(3, "ADA@example.com")];
    let (_, documents) = run(&folder, &borrowed(&lines));
    assert_eq!((documents.len(), subjects(&documents), version()), (3, 2, 1));
}

#[test]
fn numbers_at_the_edges_keep_every_digit_or_are_rejected() {
    let list = "[1627668684594000000,9007199254740993,18446744073709551615,9007199254740991.0,117.63331139400017,\
                1.50,1e22,-0.0,0.1234567890123456789]";
    let lines = [event(1, list), event(2, "[NaN,Infinity]"), event(3, "[1e400]")];
    let folder = folder(&[]);
    let (counts, _) = run(&folder, &borrowed(&lines));
    assert_eq!(counts.reasons(), "NotJson 1, NumberOutOfRange 1");
    assert!(String::from_utf8(folder.read("out.ndjson")).unwrap().contains(list));
    let document: String =
        dump::open(&folder.database()).query_row("SELECT document FROM people", [], |row| row.get(0)).unwrap();
    assert!(document.contains(list), "{document}");
}

#[test]
fn cents_are_multiples_and_a_number_equals_itself_in_every_part_of_a_schema() {
    let schema = r#"
    schema:
      inline: |
        {"type": "object", "properties": {"v": {"multipleOf": 0.01},
         "plain": {"enum": [117.63331139400017, 9007199254740991.0]},
         "nested": {"allOf": [{"enum": [117.63331139400017, 9007199254740991.0]}]}}}"#;
    let folder = folder(&[("    subject: {", &format!("{}\n    subject: {{", &schema[1..]))]);
    let lines = [
        r#"{"id":"e-1","at":"2026-03-01T10:00:01Z","user":1,"v":1070468.14,"plain":117.63331139400017,"nested":117.63331139400017}"#,
        r#"{"id":"e-2","at":"2026-03-01T10:00:02Z","user":2,"v":19.99,"plain":9007199254740991.0,"nested":9007199254740991.0}"#,
        r#"{"id":"e-3","at":"2026-03-01T10:00:03Z","user":3,"v":4.02}"#,
        r#"{"id":"e-4","at":"2026-03-01T10:00:04Z","user":4,"v":4.025}"#,
    ];
    let (counts, documents) = run(&folder, &lines);
    assert_eq!((counts.reasons(), documents.len()), ("SchemaViolation 1".to_owned(), 3));
}

#[test]
fn a_pattern_that_tries_every_way_rejects_within_its_bound() {
    let schema = r#"    schema:
      inline: |
        {"type": "object", "properties": {"v": {"pattern": "^(?=.*[a-zA-Z0-9])(([\\w\\-\\.]+)+)$"}}}
    subject: {"#;
    let folder = folder(&[("    subject: {", schema)]);
    let hostile = format!("\"{}!\"", "a".repeat(40));
    let mut lines = events(&[r#""CC-BY-4.0""#, &hostile, r#""ok1""#]);
    lines.extend((0..200).map(|number| event(4, &hostile).replace("e-4", &format!("x-{number}"))));
    let start = std::time::Instant::now();
    let (counts, documents) = run(&folder, &borrowed(&lines));
    assert_eq!((counts.rejected_for("SchemaViolation"), documents.len()), (201, 2));
    println!("201 hostile values: {:?}", start.elapsed());
}

#[test]
fn lint_warns_of_keywords_that_the_draft_does_not_know() {
    let schema = r#"    schema:
      inline: |
        {"type": "object", "requried": ["id"], "dependencies": {"card": ["billing_city"]},
         "properties": {"pair": {"prefixItems": [true, true], "additionalItems": false}}}
    subject: {"#;
    let folder = folder(&[("    subject: {", schema)]);
    let linted = finish(&mut folder.worker(&["lint", "-f", "."])).success();
    let text = linted.out() + &linted.err();
    for part in [
        "requried at #",
        "did you mean required?",
        "dependencies at #",
        "additionalItems at #/properties/pair",
        "write items beside prefixItems",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}
