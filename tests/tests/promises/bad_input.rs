//! Every kind of invalid input has a defined result: a reason for an event, an exit code and a
//! message for a manifest. None causes a panic or a stall.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

use crate::dump;
use lethe_tests::{
    folder::Folder,
    process::{Counts, Ended, finish_within},
};

/// The longest time of a run: they take a second or two.
const BOUND: Duration = Duration::from_secs(60);

const PIPELINE: &str = r#"apiVersion: lethe.dev/v1alpha1
kind: ProfilePipeline
metadata:
  name: inputs
spec:
  source:
    file: {path: events.ndjson, format: Ndjson}
  event:
    id: /id
    time: /time
    subject: {space: people, id: /who}
    schema:
      inline: |
        {"type": "object", "properties": {"score": {"type": "number"}, "tags": {"type": "array", "maxItems": 3}}}
  keys:
    secretRef: {name: lethe-keys}
    storeRef: {name: store}
  fields:
    - {path: /name, category: user.name, protect: {encrypt: {}}}
    - {path: /email, category: user.contact.email, clean: [Email], protect: {hash: {}}}
    - {path: /phone, category: user.contact.phone_number, protect: {mask: {keepLast: 2}}}
    - {path: /score, category: user.behavior, protect: {generalize: {buckets: [10, 100]}}}
    - {path: /note, category: user.content, protect: {redactDetected: {}}}
  sinks:
    - name: events
      audience: Operational
      records: Append
      embedded: {storeRef: {name: store}, table: events}
  deadLetter:
    keepFor: 7d
    embedded: {storeRef: {name: store}}
"#;

/// The result of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Delivered,
    Rejected(&'static str),
    /// It is not an event.
    Nothing,
}
use Answer::{Delivered, Nothing, Rejected};

/// Runs the pipeline; fails the test on a panic or a stall.
#[track_caller]
fn run(folder: &Folder) -> Ended {
    let ended = finish_within(folder.run_command(&[]).env("RUST_BACKTRACE", "1"), BOUND);
    assert!(!ended.err().contains("panicked"), "{}", ended.err());
    ended
}

/// Returns the contents of the store: reasons by the offset of their records, and the number of
/// rows.
fn stored(folder: &Folder) -> (BTreeMap<i64, String>, i64) {
    let connection = dump::open(&folder.database());
    let mut statement = connection.prepare("SELECT position, reason FROM lethe_dead_letter").unwrap();
    let letters = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let letters = letters.collect::<Result<_, _>>().unwrap();
    (letters, connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap())
}

/// Runs a file of lines and checks the result of each.
#[track_caller]
fn answers(folder: &Folder, file: &str, head: &[u8], lines: &[(&str, Vec<u8>, Answer)]) -> Counts {
    let mut bytes = head.to_vec();
    let mut wanted = BTreeMap::new();
    let mut names = BTreeMap::new();
    for (name, line, answer) in lines {
        let offset = i64::try_from(bytes.len()).unwrap();
        names.insert(offset, *name);
        if let Rejected(reason) = answer {
            wanted.insert(offset, (*reason).to_owned());
        }
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    folder.write(file, bytes);
    let counts = run(folder).counts();
    let (letters, rows) = stored(folder);
    for (offset, name) in &names {
        assert_eq!(letters.get(offset), wanted.get(offset), "{name}");
    }
    assert_eq!(letters, wanted, "a letter of no line");
    let of = |answer| lines.iter().filter(|line| line.2 == answer).count() as u64;
    assert_eq!(counts.of("events", "delivered"), of(Delivered));
    assert_eq!(u64::try_from(rows).unwrap(), of(Delivered));
    assert_eq!(counts.of("events", "rejected"), wanted.len() as u64);
    assert_eq!(counts.events(), lines.len() as u64 - of(Nothing));
    counts
}

/// Returns an event whose id is its number, with more members.
fn event(number: usize, more: &str) -> String {
    format!(r#"{{"id":"e-{number}","time":"2026-11-01T00:00:00Z","who":"p-{number}"{more}}}"#)
}

#[test]
fn every_bad_event_has_its_reason() {
    let mut lines: Vec<(&str, Vec<u8>, Answer)> = Vec::new();
    let mut number = 0;
    // Members beside id, time and subject.
    let deep = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    let members = [
        ("an event that is good", r#","name":"Anna""#.to_owned(), Delivered),
        ("a string of a megabyte", format!(r#","name":"{}""#, "x".repeat(1_000_000)), Delivered),
        ("a megabyte of digits to be searched", format!(r#","note":"{}""#, "1".repeat(1_000_000)), Delivered),
        ("a megabyte of digits and blanks", format!(r#","note":"{}""#, "49 ".repeat(333_000)), Delivered),
        ("a megabyte of at signs", format!(r#","note":"{}""#, "a@".repeat(500_000)), Delivered),
        ("a megabyte of dots", format!(r#","note":"{}""#, "a.b-".repeat(250_000)), Delivered),
        ("a megabyte of colons", format!(r#","note":"{}""#, "1:".repeat(500_000)), Delivered),
        ("a megabyte of escapes", format!(r#","name":"{}""#, r"\u00e9".repeat(160_000)), Delivered),
        ("a key of a megabyte", format!(r#","{}":1"#, "k".repeat(1_000_000)), Delivered),
        ("a hundred thousand keys", (0..80_000).map(|key| format!(r#","{key}":0"#)).collect(), Delivered),
        (
            "a megabyte of combining marks",
            format!(r#","email":"a{}@b.ch""#, "\u{301}".repeat(400_000)),
            Rejected("CleanFailed"),
        ),
        ("more than a mebibyte", format!(r#","name":"{}""#, "x".repeat(1_048_576)), Delivered),
        ("lists 10,000 deep", format!(r#","x":{}"#, deep("[", "]", 10_000)), Rejected("TooDeep")),
        ("objects 10,000 deep", format!(r#","x":{}"#, deep(r#"{"a":"#, "}", 10_000)), Rejected("TooDeep")),
        ("lists 10,000 deep that never end", format!(r#","x":{}"#, "[".repeat(10_000)), Rejected("TooDeep")),
        ("lists 99 deep inside of the event", format!(r#","x":{}"#, deep("[", "]", 99)), Delivered),
        ("lists 100 deep inside of the event", format!(r#","x":{}"#, deep("[", "]", 100)), Rejected("TooDeep")),
        ("a declared key twice", r#","name":"A","name":"B""#.to_owned(), Rejected("DuplicateKey")),
        ("an undeclared key twice", r#","x":1,"x":1"#.to_owned(), Rejected("DuplicateKey")),
        (
            "a key twice, deep inside of what is dropped",
            r#","x":[{"y":{"z":1,"z":2}}]"#.to_owned(),
            Rejected("DuplicateKey"),
        ),
        ("the id twice", r#","id":"other""#.to_owned(), Rejected("DuplicateKey")),
        ("the id twice, once with an escape", r#","\u0069d":"other""#.to_owned(), Rejected("DuplicateKey")),
        ("NaN", r#","score":NaN"#.to_owned(), Rejected("NotJson")),
        ("infinity", r#","score":Infinity"#.to_owned(), Rejected("NotJson")),
        ("minus infinity", r#","score":-Infinity"#.to_owned(), Rejected("NotJson")),
        ("a number that no float holds", r#","score":1e400"#.to_owned(), Rejected("NumberOutOfRange")),
        ("an undeclared number that no float holds", r#","x":-1e400"#.to_owned(), Rejected("NumberOutOfRange")),
        ("an integer of 400 digits", format!(r#","score":1{}"#, "0".repeat(400)), Rejected("NumberOutOfRange")),
        ("an integer of 30 digits", r#","score":123456789012345678901234567890"#.to_owned(), Delivered),
        ("a number next to nothing", r#","score":1e-400"#.to_owned(), Delivered),
        ("an exponent of a megabyte", format!(r#","score":1e{}"#, "9".repeat(1_000_000)), Rejected("NumberOutOfRange")),
        ("a number with a leading zero", r#","score":01"#.to_owned(), Rejected("NotJson")),
        ("a number with a plus", r#","score":+1"#.to_owned(), Rejected("NotJson")),
        ("a number without digits before its point", r#","score":.5"#.to_owned(), Rejected("NotJson")),
        ("a number without digits after its point", r#","score":1."#.to_owned(), Rejected("NotJson")),
        ("a hexadecimal number", r#","score":0x10"#.to_owned(), Rejected("NotJson")),
        ("a string for a number", r#","score":"10""#.to_owned(), Rejected("SchemaViolation")),
        ("a list longer than allowed", r#","tags":[1,2,3,4]"#.to_owned(), Rejected("SchemaViolation")),
        ("a line feed in a string, escaped", r#","name":"a\nb""#.to_owned(), Delivered),
        ("a control character in a string", ",\"name\":\"a\u{1}b\"".to_owned(), Rejected("NotJson")),
        ("a null character", ",\"name\":\"a\0b\"".to_owned(), Rejected("NotJson")),
        ("an escaped null character", r#","name":"a\u0000b""#.to_owned(), Delivered),
        ("an escape that there isn't", r#","name":"\x41""#.to_owned(), Rejected("NotJson")),
        ("a trailing comma", ",".to_owned(), Rejected("NotJson")),
        ("a comment", r#"/* ,"name":"A" */"#.to_owned(), Rejected("NotJson")),
        ("a key without quotes", r#",name:"A""#.to_owned(), Rejected("NotJson")),
        ("no e-mail address", r#","email":"unknown""#.to_owned(), Rejected("CleanFailed")),
        ("an object to be masked", r#","phone":{"a":"0041"}"#.to_owned(), Rejected("ProtectFailed")),
        ("an object to be searched", r#","note":{"a":"0041"}"#.to_owned(), Rejected("ProtectFailed")),
        ("nulls everywhere", r#","name":null,"email":null,"phone":null,"note":null"#.to_owned(), Delivered),
        ("empty strings everywhere", r#","name":"","phone":"","note":"""#.to_owned(), Delivered),
    ];
    for (name, more, answer) in members {
        lines.push((name, event(number, &more).into_bytes(), answer));
        number += 1;
    }
    let whole: [(&str, &[u8], Answer); 37] = [
        ("null", b"null", Rejected("NotAnObject")),
        ("an empty object", b"{}", Rejected("SubjectInvalid")),
        ("an empty list", b"[]", Rejected("NotAnObject")),
        ("a string", br#""text""#, Rejected("NotAnObject")),
        ("a number", b"42", Rejected("NotAnObject")),
        ("a brace", b"{", Rejected("NotJson")),
        ("prose", b"ERROR: upstream timed out", Rejected("NotJson")),
        ("two objects", br#"{"id":"a"}{"id":"b"}"#, Rejected("NotJson")),
        ("an open string", br#"{"id":"a"#, Rejected("NotJson")),
        ("only a byte that no character has", b"\xff", Rejected("InvalidUtf8")),
        ("half a character", b"{\"id\":\"\xc3\"}", Rejected("InvalidUtf8")),
        ("a surrogate in UTF-8", b"{\"id\":\"\xed\xa0\x80\"}", Rejected("InvalidUtf8")),
        ("an overlong slash", b"{\"id\":\"\xc0\xaf\"}", Rejected("InvalidUtf8")),
        ("UTF-16", b"\xff\xfe{\0\"\0i\0", Rejected("InvalidUtf8")),
        (
            "a byte order mark inside of the file",
            b"\xef\xbb\xbf{\"id\":\"bom\",\"time\":1760000000,\"who\":1}",
            Delivered,
        ),
        ("nothing", b"", Nothing),
        ("blanks", b" \t ", Nothing),
        ("a carriage return", b"\r", Nothing),
        ("a carriage return at the end", br#"{"id":"cr","time":1760000000,"who":1}"#, Delivered),
        ("no id", br#"{"time":1760000000,"who":1}"#, Rejected("IdInvalid")),
        ("an id that is null", br#"{"id":null,"time":1760000000,"who":1}"#, Rejected("IdInvalid")),
        ("an id that is an object", br#"{"id":{},"time":1760000000,"who":1}"#, Rejected("IdInvalid")),
        ("an empty id", br#"{"id":"","time":1760000000,"who":1}"#, Rejected("IdInvalid")),
        ("an id that is a fraction", br#"{"id":1.5,"time":1760000000,"who":1}"#, Rejected("IdInvalid")),
        ("no time", br#"{"id":"a","who":1}"#, Rejected("TimeInvalid")),
        ("a time that is a word", br#"{"id":"a","time":"yesterday","who":1}"#, Rejected("TimeInvalid")),
        ("a time that is a list", br#"{"id":"a","time":[],"who":1}"#, Rejected("TimeInvalid")),
        (
            "a time that no calendar has",
            br#"{"id":"a","time":"2026-02-30T00:00:00Z","who":1}"#,
            Rejected("TimeInvalid"),
        ),
        ("a time of 20 digits", br#"{"id":"a","time":99999999999999999999,"who":1}"#, Rejected("TimeInvalid")),
        ("a time of 1e300", br#"{"id":"a","time":1e300,"who":1}"#, Rejected("TimeInvalid")),
        ("a time ahead", br#"{"id":"a","time":"2999-01-01T00:00:00Z","who":1}"#, Rejected("TimeAhead")),
        ("no subject", br#"{"id":"a","time":1760000000}"#, Rejected("SubjectInvalid")),
        ("a subject that is null", br#"{"id":"a","time":1760000000,"who":null}"#, Rejected("SubjectInvalid")),
        ("a subject that is true", br#"{"id":"a","time":1760000000,"who":true}"#, Rejected("SubjectInvalid")),
        ("a subject that is a list", br#"{"id":"a","time":1760000000,"who":[1]}"#, Rejected("SubjectInvalid")),
        ("an empty subject", br#"{"id":"a","time":1760000000,"who":""}"#, Rejected("SubjectInvalid")),
        (
            "a subject of 1e999999999 digits",
            br#"{"id":"a","time":1760000000,"who":1e999999999}"#,
            Rejected("NumberOutOfRange"),
        ),
    ];
    lines.extend(whole.map(|(name, line, answer)| (name, line.to_vec(), answer)));
    lines.push((
        "an id of a megabyte",
        format!(r#"{{"id":"{}","time":1760000000,"who":1}}"#, "x".repeat(1_000_000)).into(),
        Rejected("IdInvalid"),
    ));
    lines.push((
        "a subject of a megabyte",
        format!(r#"{{"id":"a","time":1760000000,"who":"{}"}}"#, "x".repeat(1_000_000)).into(),
        Rejected("SubjectInvalid"),
    ));
    lines.push(("a good event at the end", event(number, "").into_bytes(), Delivered));

    let folder = Folder::of_pipeline(PIPELINE);
    let counts = answers(&folder, "events.ndjson", b"", &lines);
    println!("bad input: {} events; {}", counts.events(), counts.reasons());
}

#[test]
fn a_byte_order_mark_and_any_line_end_or_none_are_accepted() {
    let folder = Folder::of_pipeline(PIPELINE);
    let mut bytes = b"\xef\xbb\xbf".to_vec();
    bytes.extend_from_slice(format!("{}\r\n\r\n{}\r\n{}", event(1, ""), event(2, ""), event(3, "")).as_bytes());
    folder.write("events.ndjson", bytes);
    assert_eq!(run(&folder).counts().seen("events"), "delivered 3");
    assert_eq!(stored(&folder), (BTreeMap::new(), 3));
}

#[test]
fn a_file_without_events_is_accepted() {
    for content in ["", "\n", "\n\n\r\n  \n", "\u{feff}", "\u{feff}\n"] {
        let folder = Folder::of_pipeline(PIPELINE);
        folder.write("events.ndjson", content);
        assert_eq!(run(&folder).counts().events(), 0, "{content:?}");
    }
}

#[test]
fn a_line_of_fifty_megabytes_is_one_rejected_event() {
    let folder = Folder::of_pipeline(PIPELINE);
    let mut file = File::create(folder.file("events.ndjson")).unwrap();
    let piece = vec![b'x'; 1_000_000];
    write!(file, "{}\n{{\"id\":\"", event(1, "")).unwrap();
    for _ in 0..50 {
        file.write_all(&piece).unwrap();
    }
    write!(file, "\"}}\n{}\n", event(2, "")).unwrap();
    let counts = run(&folder).counts();
    assert_eq!((counts.seen("events"), counts.reasons()), ("delivered 2, rejected 1".into(), "TooLarge 1".into()));
    // The start of the line is kept, which is no event.
    assert!(fs::metadata(folder.database()).unwrap().len() < 2_000_000);
    let redriven = finish_within(&mut folder.worker(&["redrive", "-f", ".", "--quiet"]), BOUND).success().out();
    assert!(redriven.contains("1 kept: only the start of a record"), "{redriven}");
    assert_eq!(stored(&folder).0.len(), 1);
}

#[test]
fn a_byte_order_mark_before_every_line_is_ignored() {
    let folder = Folder::of_pipeline(PIPELINE);
    let lines: String = (1..=3).map(|number| format!("\u{feff}{}\r\n", event(number, ""))).collect();
    folder.write("events.ndjson", lines);
    assert_eq!(run(&folder).counts().seen("events"), "delivered 3");
    let folder = csv_folder();
    let row = |number: usize| format!("\u{feff}{number},2026-11-01T00:00:00Z,p-{number},Anna,1\n");
    folder.write("people.csv", format!("\u{feff}Number,When,Who,Full name,Score\n{}{}", row(1), row(2)));
    assert_eq!(run(&folder).counts().seen("events"), "delivered 2");
    assert_eq!(stored(&folder).0, BTreeMap::new());
}

#[test]
fn a_file_in_utf_16_or_with_lone_carriage_returns_is_refused_at_once() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let lines = format!("{}\n{}\n", event(1, ""), event(2, ""));
    let folder = Folder::of_pipeline(PIPELINE);
    for (bytes, fix) in [
        (utf16(&format!("\u{feff}{lines}")), "iconv -f UTF-16 -t UTF-8"),
        (utf16(&lines), "iconv -f UTF-16LE -t UTF-8"),
        (lines.replace('\n', "\r").into_bytes(), r"tr '\\r' '\\n'"), // as in a text of JSON
    ] {
        folder.write("events.ndjson", bytes);
        let ended = run(&folder);
        assert_eq!(ended.code, Some(3), "{}", ended.err());
        assert!(ended.err().contains("events.ndjson") && ended.err().contains(fix), "{}", ended.err());
    }
    let rows = "Number,When,Who,Full name,Score\n1,2026-11-01T00:00:00Z,p-1,Anna,1\n";
    let folder = csv_folder();
    for (bytes, fix) in [
        (utf16(&format!("\u{feff}{rows}")), "iconv -f UTF-16 -t UTF-8"),
        (rows.replace('\n', "\r").into_bytes(), r"tr '\\r' '\\n'"),
        (rows.replace("Anna", "\"Anna\"").replace('\n', "\r").into_bytes(), r"tr '\\r' '\\n'"),
    ] {
        folder.write("people.csv", bytes);
        let ended = run(&folder);
        assert_eq!(ended.code, Some(3), "{}", ended.err());
        assert!(ended.err().contains("people.csv") && ended.err().contains(fix), "{}", ended.err());
    }
}

#[test]
fn blanks_around_the_names_of_columns_are_ignored() {
    let folder = csv_folder();
    folder.write("people.csv", "Number , When,\tWho,Full name ,\"Score\"\n1,2026-11-01T00:00:00Z,p-1,Anna,1.5\n");
    assert_eq!(run(&folder).counts().seen("events"), "delivered 1");
    let document: String =
        dump::open(&folder.database()).query_row("SELECT document FROM events", [], |row| row.get(0)).unwrap();
    assert!(document.contains("\"name\":\"lethe:") && document.contains("\"score\":"), "{document}");
}

/// Half of a surrogate pair is no text in any encoding.
#[test]
fn half_an_emoji_waits_in_the_dead_letter_and_numbers_keep_their_digits() {
    let folder = Folder::of_pipeline(&PIPELINE.replace(
        "    - {path: /note,",
        "    - {path: /number, category: user.behavior, protect: {keep: {}}}\n    - {path: /note,",
    ));
    let digits = [r#","number":1234567890123456789"#, r#","number":9007199254740991.0"#, r#","number":0.10"#];
    let mut lines: Vec<(&str, Vec<u8>, Answer)> = vec![
        ("half an emoji", event(1, r#","name":"Ada \ud83d""#).into_bytes(), Rejected("NotJson")),
        ("the other half", event(2, r#","name":"\ude00""#).into_bytes(), Rejected("NotJson")),
        ("a whole one", event(3, r#","name":"\ud83d\ude00""#).into_bytes(), Delivered),
        ("NaN", event(4, r#","number":NaN"#).into_bytes(), Rejected("NotJson")),
        ("a number beyond floats", event(5, r#","number":1e400"#).into_bytes(), Rejected("NumberOutOfRange")),
    ];
    lines.extend(digits.iter().enumerate().map(|(at, more)| ("digits", event(6 + at, more).into_bytes(), Delivered)));
    answers(&folder, "events.ndjson", b"", &lines);
    let connection = dump::open(&folder.database());
    let mut statement = connection.prepare("SELECT document FROM events").unwrap();
    let documents: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for more in digits {
        assert!(documents.iter().any(|document| document.contains(&more[1..])), "{more}: {documents:?}");
    }
}

#[test]
fn a_truncated_gzip_is_read_to_its_end_and_continued_when_it_is_complete() {
    let folder = Folder::of_pipeline(&PIPELINE.replace("events.ndjson", "events.ndjson.gz"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    let events = 20_000;
    for number in 0..events {
        writeln!(encoder, "{}", event(number, "")).unwrap();
    }
    let whole = encoder.finish().unwrap();
    folder.write("events.ndjson.gz", &whole[..whole.len() * 3 / 5]);
    refused(&folder, 4, "events.ndjson.gz", "ends too early; fetch the file again");
    let (letters, rows) = stored(&folder);
    assert!(letters.is_empty() && rows > 0 && rows < events as i64, "{rows} rows");

    folder.write("events.ndjson.gz", &whole);
    let counts = run(&folder).counts();
    assert_eq!(counts.of("events", "delivered") + rows.unsigned_abs(), events as u64);
    assert_eq!(stored(&folder), (BTreeMap::new(), events as i64));
}

#[test]
fn damaged_gzip_and_zstd_are_refused() {
    let garbage: Vec<u8> = (0..1000_u32).map(|at| (at * 7 % 251) as u8).collect();
    for (name, magic) in
        [("events.ndjson.gz", &[0x1f, 0x8b, 8, 0][..]), ("events.ndjson.zst", &[0x28, 0xb5, 0x2f, 0xfd])]
    {
        let folder = Folder::of_pipeline(&PIPELINE.replace("events.ndjson", name));
        folder.write(name, [magic, &garbage].concat());
        refused(&folder, 4, name, "fetch the file again");
    }
}

const CSV: &str = "    file:
      path: people.csv
      format: Csv
      csv:
        columns:
          - {header: Number, key: id}
          - {header: When, key: time}
          - {header: Who, key: who}
          - {header: Full name, key: name}
          - {header: Score, key: score, type: Number}
";

fn csv_folder() -> Folder {
    Folder::of_pipeline(&PIPELINE.replace("    file: {path: events.ndjson, format: Ndjson}\n", CSV))
}

#[test]
fn every_bad_row_has_its_reason() {
    let row = |text: &str| text.as_bytes().to_vec();
    let lines = [
        ("a good row", row("1,2026-11-01T00:00:00Z,p-1,Anna,1.5"), Delivered),
        ("a short row", row("2,2026-11-01T00:00:00Z,p-2"), Rejected("RowLength")),
        ("a long row", row("3,2026-11-01T00:00:00Z,p-3,Anna,1.5,6"), Rejected("RowLength")),
        ("one cell", row("4"), Rejected("RowLength")),
        ("a blank line", row(""), Nothing),
        ("a cell that is no number", row("5,2026-11-01T00:00:00Z,p-5,Anna,much"), Rejected("SchemaViolation")),
        ("a cell that is NaN", row("6,2026-11-01T00:00:00Z,p-6,Anna,NaN"), Rejected("SchemaViolation")),
        (
            "a cell that is no UTF-8",
            [b"7,2026-11-01T00:00:00Z,p-7,".to_vec(), vec![0xff], b",1".to_vec()].concat(),
            Rejected("InvalidUtf8"),
        ),
        ("quotes and commas", row("8,2026-11-01T00:00:00Z,p-8,\"Miss \"\"A\"\", B\",1"), Delivered),
        ("a line feed inside of quotes", row("9,2026-11-01T00:00:00Z,p-9,\"A\nB\",1"), Delivered),
        ("a carriage return at the end", row("10,2026-11-01T00:00:00Z,p-10,Anna,1\r"), Delivered),
        ("empty cells", row("11,2026-11-01T00:00:00Z,p-11,,"), Delivered),
        ("only commas", row(",,,,"), Rejected("SubjectInvalid")),
        ("a cell of a megabyte", row(&format!("12,2026-11-01T00:00:00Z,p-12,{},1", "x".repeat(1_000_000))), Delivered),
        (
            "a cell of two megabytes",
            row(&format!("13,2026-11-01T00:00:00Z,p-13,{},1", "x".repeat(2_000_000))),
            Delivered,
        ),
        ("a formula", row("14,2026-11-01T00:00:00Z,p-14,=1+1,1"), Delivered),
        ("text after a closing quote", row("15,2026-11-01T00:00:00Z,p-15,\"Anna\"x,1"), Rejected("NotCsv")),
        ("a good row again", row("16,2026-11-01T00:00:00Z,p-16,Anna,1"), Delivered),
        ("a quote that is never closed", row("17,2026-11-01T00:00:00Z,p-17,\"Anna,1"), Rejected("NotCsv")),
    ];
    let counts = answers(&csv_folder(), "people.csv", b"\xef\xbb\xbfNumber,When,Who,Full name,Score\r\n", &lines);
    println!("bad rows: {} rows; {}", counts.events(), counts.reasons());
}

#[test]
fn a_last_row_without_a_line_end_is_a_row() {
    let folder = csv_folder();
    folder.write("people.csv", "Number,When,Who,Full name,Score\n1,2026-11-01T00:00:00Z,p,Anna,1");
    assert_eq!(run(&folder).counts().seen("events"), "delivered 1");
}

#[test]
fn a_bad_header_is_refused_and_not_quoted() {
    let headers = [
        ("Number,When,Who,Full name\n", "Score"),
        ("Number,When,Who,Full name,Score,Score\n", "the header of people.csv"),
        ("Number,When,Who,Full name,Score,\n", "the header of people.csv"),
        ("\"Number,When\n", "the header of people.csv"),
        ("Number,When,Who,Full name,Score,\u{fffd}Meier\n", ""),
    ];
    for (header, text) in headers {
        let folder = csv_folder();
        folder.write("people.csv", header);
        if text.is_empty() {
            assert_eq!(run(&folder).counts().events(), 0);
        } else {
            refused(&folder, 4, text, "");
        }
    }
    for empty in ["", "\n", "Number,When,Who,Full name,Score", "Number,When,Who,Full name,Score\n"] {
        let folder = csv_folder();
        folder.write("people.csv", empty);
        assert_eq!(run(&folder).counts().events(), 0, "{empty:?}");
    }
}

/// Runs a pipeline and checks that it is refused: with this exit code, and a message with this
/// place and this text. No table exists afterwards.
#[track_caller]
fn refused(folder: &Folder, code: i32, place: &str, text: &str) {
    assert_eq!(complaint(folder, code, place, text), None);
}

/// Returns how a refusal differs from the expected one.
#[track_caller]
fn complaint(folder: &Folder, code: i32, place: &str, text: &str) -> Option<String> {
    let ended = run(folder);
    let err = ended.err();
    let good = ended.code == Some(code) && err.contains(place) && err.contains(text) && ended.out.is_empty();
    (!good).then(|| format!("code {:?} and not {code}, or no {place:?} and {text:?} in: {err}", ended.code))
}

#[test]
fn every_bad_manifest_is_refused_with_its_place() {
    let edits = [
        ("keepFor: 7d", "keepFor: [7d", "pipeline.yaml:", "not YAML"),
        ("    keepFor", "\tkeepFor", "pipeline.yaml:", "not YAML"),
        ("  name: inputs", "  name: inputs\n  name: again", "pipeline.yaml:5", "name"),
        ("    id: /id", "    id: /id\n    id: /id", "pipeline.yaml:10", "id"),
        ("    time: /time", "    tiem: /time", "spec.event.tiem", "is an unknown field; did you mean `time`?"),
        ("id: /who", "id: who", "spec.event.subject.id", "who"),
        ("id: /id", "id: \"\"", "spec.event.id", ""),
        ("path: /name,", "path: \"/na~me\",", "spec.fields[0].path", "~"),
        ("path: /name,", "path: /email,", "spec.fields[1]", "has the same path as item 0"),
        ("path: /name,", "path: /subject_ref,", "spec.fields[0].path", "subject_ref"),
        ("category: user.name", "category: person.name", "spec.fields[0].category", ""),
        ("{keepLast: 2}", "{keepLast: -2}", "spec.fields[2].protect.mask.keepLast", ""),
        ("{keepLast: 2}", "{keepLast: .nan}", "spec.fields[2].protect.mask.keepLast", ""),
        ("{keepLast: 2}", "{keepLast: 99999999999999999999}", "spec.fields[2].protect.mask.keepLast", ""),
        ("{keepLast: 2}", "{keepLast: 1e400}", "spec.fields[2].protect.mask.keepLast", ""),
        ("{encrypt: {}}", "{}", "spec.fields[0].protect", "exactly one of"),
        ("{encrypt: {}}", "{encrypt: {}, keep: {}}", "spec.fields[0].protect", "exactly one of"),
        ("{encrypt: {}}", "null", "spec.fields[0].protect", ""),
        ("\"maxItems\": 3", "\"maxItems\": -3", "spec.event.schema", ""),
        ("{\"type\": \"object\",", "{\"type\": \"object\"", "spec.event.schema", ""),
        ("{\"type\": \"object\",", "{\"type\": \"objekt\",", "spec.event.schema", ""),
        ("audience: Operational", "audience: Everybody", "spec.sinks[0].audience", ""),
        ("records: Append", "records: Prepend", "spec.sinks[0].records", ""),
        ("table: events", "table: lethe_keys", "spec.sinks[0]", ""),
        ("keepFor: 7d", "keepFor: 2y", "spec.deadLetter.keepFor", ""),
        ("secretRef: {name: lethe-keys}", "secretRef: lethe-keys", "spec.keys.secretRef", ""),
        ("kind: ProfilePipeline", "kind: ProfilPipeline", "pipeline.yaml:", "ProfilePipeline"),
        ("lethe.dev/v1alpha1", "lethe.dev/v9", "pipeline.yaml:", ""),
    ];
    let mut complaints = Vec::new();
    for (from, to, place, text) in edits {
        let folder = Folder::of_pipeline(PIPELINE);
        folder.write("events.ndjson", event(1, ""));
        folder.edit("pipeline.yaml", from, to);
        complaints.extend(complaint(&folder, 3, place, text).map(|complaint| format!("{to}: {complaint}")));
        assert!(!folder.database().exists(), "{to}: something was opened");
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_hostile_manifest_is_refused_quickly() {
    let bomb = {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let last = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [last.as_str(); 10].join(", ")));
        }
        text
    };
    let manifests = [
        ("a bomb of aliases", bomb.into_bytes()),
        ("10,000 lists deep", "[".repeat(10_000).into()),
        ("10,000 objects deep", "{a: ".repeat(10_000).into()),
        ("100,000 dashes deep", "- ".repeat(100_000).into()),
        ("40 MB", vec![b'#'; 40_000_000]),
        ("10 MB of one scalar", [b"a: ".to_vec(), vec![b'x'; 10_000_000]].concat()),
        ("no UTF-8", b"kind: \xff\xfe\n".to_vec()),
        ("a null byte", b"kind: \0\n".to_vec()),
        ("a list", b"- a\n- b\n".to_vec()),
        ("a number", b"42\n".to_vec()),
        ("JSON that ends too early", br#"{"apiVersion": "lethe.dev/v1alpha1", "kind""#.to_vec()),
    ];
    for (name, manifest) in manifests {
        let folder = Folder::of_pipeline(PIPELINE);
        folder.write("events.ndjson", event(1, ""));
        folder.write("more.yaml", manifest);
        let ended = run(&folder);
        assert_eq!(ended.code, Some(3), "{name}: {}", ended.err());
        assert!(ended.err().contains("more.yaml") && ended.err.len() < 4_000, "{name}: {}", ended.err());
    }
}

#[test]
fn a_missing_part_is_named() {
    let with = |prepare: &dyn Fn(&Folder)| {
        let folder = Folder::of_pipeline(PIPELINE);
        folder.write("events.ndjson", event(1, ""));
        prepare(&folder);
        folder
    };
    let remove = |name: &'static str| move |folder: &Folder| fs::remove_file(folder.file(name)).unwrap();

    refused(&with(&remove("keys.yaml")), 5, "lethe-keys", "lethe-worker keys create");
    refused(&with(&remove("store.yaml")), 3, "UnknownStore", "spec.keys.storeRef.name: there is no DataStore store");
    refused(&with(&remove("pipeline.yaml")), 2, "no ProfilePipeline", "");
    refused(&with(&remove("events.ndjson")), 4, "events.ndjson", "");
    let second = with(&|folder| folder.write("second.yaml", PIPELINE.replace("name: inputs", "name: others")));
    refused(&second, 2, "default/inputs, default/others", "");
    let twice = with(&|folder| folder.write("second.yaml", PIPELINE));
    refused(&twice, 3, "second.yaml", "pipeline.yaml");
    refused(
        &with(&|folder| folder.edit("keys.yaml", "type: \"lethe.dev/keys\"", "type: Opaque")),
        3,
        "lethe-keys",
        "lethe.dev/keys",
    );
    refused(&with(&|folder| without_key(folder, "root")), 5, "root", "");
    refused(&with(&|folder| without_key(folder, "master-1")), 5, "master-", "");
    refused(&with(&|folder| without_key(folder, "audience-operational")), 5, "audience-operational", "");
    let nowhere = with(&|folder| folder.edit("store.yaml", "path: lethe.sqlite", "path: no/such/folder/lethe.sqlite"));
    refused(&nowhere, 4, "no/such/folder", "");
    let folder = with(&|folder| folder.edit("store.yaml", "path: lethe.sqlite", "path: ."));
    refused(&folder, 4, "store", "");
    let other = with(&|folder| folder.write("lethe.sqlite", "this is a text, and no database ".repeat(100)));
    refused(&other, 4, "store", "");

    let empty = Folder::empty();
    for (arguments, code, text) in [
        (&["run", "-f", "."][..], 3, "no *.yaml"),
        (&["run", "-f", "nowhere.yaml"], 3, "nowhere.yaml"),
        (&["run"], 2, "--filename"),
        (&["run", "-f", ".", "--colour"], 2, "--colour"),
        (&["run", "-f", ".", "--log", "="], 2, "--log"),
        (&["walk"], 2, "walk"),
    ] {
        let ended = finish_within(&mut empty.worker(arguments), BOUND);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.err());
        assert!(ended.err().contains(text), "{arguments:?}: {}", ended.err());
    }
}

/// Removes a key from the keys Secret.
fn without_key(folder: &Folder, name: &str) {
    let text = fs::read_to_string(folder.file("keys.yaml")).unwrap();
    let less: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with(&format!("{name}:"))).collect();
    assert_eq!(less.len() + 1, text.lines().count(), "{name} is in keys.yaml");
    folder.write("keys.yaml", less.join("\n"));
}

#[test]
fn a_run_with_other_keys_than_before_writes_nothing() {
    let folder = Folder::of_pipeline(PIPELINE);
    folder.write("events.ndjson", event(1, "") + "\n");
    run(&folder).success();
    let before = dump::dump(&folder.database());
    let keys = folder.read("keys.yaml");

    folder.share(&Folder::of_pipeline(PIPELINE), &["keys.yaml"]);
    folder.write("events.ndjson", event(1, "") + "\n" + &event(2, "") + "\n");
    refused(&folder, 5, "another value", "restore");
    dump::assert_same(&before, &dump::dump(&folder.database()));

    fs::remove_file(folder.file("keys.yaml")).unwrap();
    folder.write("keys.yaml", keys);
    assert_eq!(run(&folder).counts().seen("events"), "delivered 1");
}
