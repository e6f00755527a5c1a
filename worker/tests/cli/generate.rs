//! `generate`: made-up events.

use std::{fs, io::Read, process::Stdio};

use serde_json::Value;

use crate::{Folder, LAPTOP};

#[test]
fn generate_writes_the_same_bytes_for_a_seed_and_never_over_a_file() {
    let folder = Folder::new();
    let generate = ["generate", "account", "--count", "500", "--seed", "7", "--invalid", "0.1"];
    let first = folder.ok(&generate);
    assert_eq!(first.lines().count(), 500);
    assert_eq!(folder.ok(&generate), first);
    let to = [&generate[..], &["--to", "a.ndjson"]].concat();
    folder.ok(&to);
    assert_eq!(folder.read("a.ndjson"), first);
    let (code, said) = folder.fails(&to);
    assert_eq!(code, 2);
    assert!(said.contains("--force"), "{said}");
    folder.ok(&["generate", "account", "--count", "5", "--to", "a.ndjson", "--force"]);
    assert_eq!(folder.read("a.ndjson").lines().count(), 5);
}

#[test]
fn generate_counts_what_it_wrote_and_reports_a_wrong_share() {
    let folder = Folder::new();
    let output = folder.run(&["generate", "random-user", "--late", "0.5", "--summary", "--output", "json"]);
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(summary["counts"]["lines"], 1000);
    assert!(summary["counts"]["late"].as_u64().unwrap() > 300);
    let now = jiff::Timestamp::now().to_string();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].as_str().unwrap() < now.as_str(), "no event lies in the future");
    }
    assert_eq!(folder.fails(&["generate", "account", "--late", "1.5"]).0, 2);
}

#[test]
fn generate_ends_quietly_when_its_reader_has_seen_enough() {
    let folder = Folder::new();
    let mut command = folder.command(&["generate", "account", "--count", "1000000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn generate_keeps_to_a_rate() {
    let folder = Folder::new();
    let started = std::time::Instant::now();
    let events = folder.ok(&["generate", "clickstream", "--count", "31", "--rate", "100/s"]);
    assert!(started.elapsed().as_millis() >= 300 && events.lines().count() == 31);
    let (code, said) = folder.fails(&["generate", "clickstream", "--rate", "fast"]);
    assert!(code == 2 && said.contains("0.2/s"), "{said}");
}

#[test]
fn generate_says_what_it_needs_to_reach_a_topic() {
    let folder = Folder::new();
    let to_kafka = ["generate", "clickstream", "--count", "1", "--to", "kafka"];
    for (given, needed) in [
        (&["--bootstrap", "localhost:1"][..], "--topic"),
        (&["--topic", "t"], "--bootstrap"),
        (&["--topic", "t", "--bootstrap", "kafka.example.com:9092"], "DataStore"),
        (&["--topic", "t", "--store", "store"], "--filename"),
        (&["--topic", "t", "--store", "absent", "-f", LAPTOP], "absent"),
        (&["--topic", "t", "--store", "store", "-f", LAPTOP, "--bootstrap", "localhost:1"], "cannot be used with"),
    ] {
        let (code, said) = folder.fails(&[&to_kafka[..], given].concat());
        assert!(code == 2 && said.contains(needed), "{given:?}: {code} {said}");
    }
    let (_, said) = folder.fails(&[&to_kafka[..], &["--topic", "t", "--store", "store", "-f", LAPTOP]].concat());
    assert!(said.contains("embedded"), "{said}");
    let (code, said) = folder.fails(&["generate", "account", "--topic", "t"]);
    assert!(code == 2 && said.contains("--to kafka"), "{said}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "no file called kafka was made");
}
