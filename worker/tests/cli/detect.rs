//! `detect` finds fields that look personal.

use std::fs;

use crate::Folder;

/// Events in which every value and some keys begin with SECRET.
const OWN: &str = "\
{\"id\": \"SECRET-1\", \"mail\": \"SECRETann@example.com\", \"notes\": [\"SECRET please call me back on +44 20 7946 0042 after five\"]}
{\"id\": \"SECRET-2\", \"mail\": \"SECRETbob@example.com\", \"notes\": [\"SECRET\"], \"by\": {\"SECRETeve@example.com\": \"SECRET 192.0.2.7\"}}
{\"id\": \"SECRET-3\", \"mail\": \"SECRET\"
";

#[test]
fn detect_names_paths_and_kinds_and_shows_no_value() {
    let folder = Folder::new();
    fs::write(folder.path().join("own.ndjson"), OWN).unwrap();
    for form in [vec![], vec!["--suggest"], vec!["--output", "json"], vec!["--suggest", "--output", "json"]] {
        let from_file = folder.run(&[&["detect", "own.ndjson", "--log", "trace"][..], &form].concat());
        assert!(from_file.status.success());
        let output = [from_file.stdout.clone(), from_file.stderr].concat();
        let output = String::from_utf8(output).unwrap();
        assert!(!output.contains("SECRET") && !output.contains("7946") && !output.contains("192.0"), "{output}");
        assert!(output.contains("/mail") && output.contains("/notes/*") && !output.contains("/id"), "{output}");
        let piped = folder.ask(&[&["detect"][..], &form].concat(), OWN);
        assert_eq!(piped.stdout, from_file.stdout);
    }
    let text = folder.ok(&["detect", "own.ndjson"]);
    let line =
        |path: &str| text.lines().find(|line| line.starts_with(path)).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(line("/mail"), ["/mail", "email", "user.contact.email", "encrypt", "2", "100", "%"]);
    assert_eq!(line("/notes/*"), ["/notes/*", "phone", "user.content", "redactDetected", "1", "50", "%"]);
    assert_eq!(line("/by (keys)")[2..4], ["email", "user.content"]);
    assert!(text.starts_with("3 events, 1 no JSON object: searched as text\n"), "{text}");
    let answer = folder.json(&["detect", "own.ndjson"]);
    assert_eq!(answer["counts"]["events"], 3);
    let mail = answer["found"].as_array().unwrap().iter().find(|found| found["path"] == "/mail").unwrap();
    assert_eq!((&mail["events"], &mail["of"], &mail["share"]), (&2.into(), &2.into(), &1.0.into()));
    assert_eq!(mail["suggestion"]["clean"], serde_json::json!(["Trim", "Lowercase"]));
}

#[test]
fn detect_reads_several_files_and_rows_and_names_a_missing_file() {
    let folder = Folder::new();
    fs::write(folder.path().join("a.csv"), "who,reach\nAnn,ann@example.com\nBob,\n").unwrap();
    fs::write(folder.path().join("b.csv"), "who,reach\nEve,eve@example.com\n").unwrap();
    let answer = folder.json(&["detect", "--format", "csv", "a.csv", "b.csv"]);
    assert_eq!((&answer["counts"]["events"], &answer["found"][0]["events"]), (&3.into(), &2.into()));
    assert_eq!(folder.json(&["detect", "--format", "csv", "*.csv"]), answer);
    let nothing = folder.ask(&["detect", "-"], "{\"a\": 1}\n");
    assert!(String::from_utf8(nothing.stdout).unwrap().contains("Nothing with the form"));
    let (code, error) = folder.fails(&["detect", "a.csv", "absent.ndjson"]);
    assert!(code == 4 && error.contains("absent.ndjson does not exist"), "{error}");
}

#[test]
fn detect_says_what_it_could_not_read_and_does_not_call_it_clean() {
    let folder = Folder::new();
    fs::write(folder.path().join("a.csv"), "who,reach\nAnn,x,ann@example.com\nBob,x,bob@example.com\n").unwrap();
    let (code, error) = folder.fails(&["detect", "--format", "csv", "a.csv"]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("2 of 2 events could not be read") && error.contains("RowLength"), "{error}");
    assert!(error.contains("fewer or more cells than the header") && !error.contains("UTF-8"), "{error}");
    let text = String::from_utf8(folder.run(&["detect", "--format", "csv", "a.csv"]).stdout).unwrap();
    assert!(text.contains("2 not read and not searched") && text.contains("is not clean"), "{text}");
    let suggested = folder.run(&["detect", "--suggest", "--format", "csv", "a.csv"]);
    assert_eq!(suggested.status.code(), Some(3));
    assert!(String::from_utf8(suggested.stdout).unwrap().contains("# INCOMPLETE: 2 of 2 events"));
    let answer = folder.run(&["detect", "--output", "json", "--format", "csv", "a.csv"]);
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["unreadable"], serde_json::json!({"RowLength": 2}));
    let latin = folder.ask(&["detect", "-"], "{\"a\": 1}\n\u{fffd}");
    assert!(latin.status.success(), "what is UTF-8 is read");
}

#[test]
fn detect_suggests_nothing_weaker_than_encryption_for_numbers_of_the_state() {
    let folder = Folder::new();
    let line = |n: u32| format!("{{\"ssn\": \"{}-{}-{}\"}}\n", 100 + n, 10 + n % 90, 1000 + n);
    let lines: String =
        (0..150).map(|n| if n % 9 == 0 { "{\"ssn\": \"212-555-0142\"}\n".into() } else { line(n) }).collect();
    fs::write(folder.path().join("own.ndjson"), lines).unwrap();
    let text = folder.ok(&["detect", "--suggest", "own.ndjson"]);
    let category = "user.government_id.national_identification_number";
    assert!(text.contains(&format!("{{path: /ssn, category: {category}, protect: {{encrypt: {{}}}}}}")), "{text}");
    assert!(!text.contains("redactDetected"), "{text}");
}
