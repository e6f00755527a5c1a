//! The program as a person runs it, in a folder of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const LAPTOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/laptop");

/// An empty folder that the program runs in.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lethe-generate"));
        command.current_dir(self.path()).args(arguments).env_remove("LETHE_LOG").stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the program, which must succeed, and returns its standard output.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, which must fail, and returns its exit code and its standard error.
    fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn it_writes_the_same_bytes_for_a_seed_and_never_over_a_file() {
    let folder = Folder::new();
    let generate = ["account", "--count", "500", "--seed", "7", "--invalid", "0.1"];
    let first = folder.ok(&generate);
    assert_eq!(first.lines().count(), 500);
    assert_eq!(folder.ok(&generate), first);
    let to = [&generate[..], &["--to", "a.ndjson"]].concat();
    folder.ok(&to);
    assert_eq!(folder.read("a.ndjson"), first);
    let (code, error) = folder.fails(&to);
    assert_eq!(code, 2);
    assert!(error.contains("--force"), "{error}");
    folder.ok(&["account", "--count", "5", "--to", "a.ndjson", "--force"]);
    assert_eq!(folder.read("a.ndjson").lines().count(), 5);
}

#[test]
fn it_counts_what_it_wrote_and_reports_a_wrong_share() {
    let folder = Folder::new();
    let output = folder.run(&["random-user", "--late", "0.5", "--summary", "--output", "json"]);
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(summary["counts"]["lines"], 1000);
    assert!(summary["counts"]["late"].as_u64().unwrap() > 300);
    let now = jiff::Timestamp::now().to_string();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].as_str().unwrap() < now.as_str(), "no event is in the future");
    }
    assert_eq!(folder.fails(&["account", "--late", "1.5"]).0, 2);
}

#[test]
fn it_ends_quietly_when_its_reader_closes_the_pipe() {
    let folder = Folder::new();
    let mut command = folder.command(&["account", "--count", "1000000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn it_keeps_to_a_rate() {
    let folder = Folder::new();
    let started = std::time::Instant::now();
    let events = folder.ok(&["clickstream", "--count", "31", "--rate", "100/s"]);
    assert!(started.elapsed().as_millis() >= 300 && events.lines().count() == 31);
    let (code, error) = folder.fails(&["clickstream", "--rate", "fast"]);
    assert!(code == 2 && error.contains("0.2/s"), "{error}");
}

#[cfg(feature = "kafka")]
#[test]
fn it_reports_what_it_needs_to_reach_a_topic() {
    let folder = Folder::new();
    let to_kafka = ["clickstream", "--count", "1", "--to", "kafka"];
    for (given, needed) in [
        (&["--bootstrap", "localhost:1"][..], "--topic"),
        (&["--topic", "t"], "--bootstrap"),
        (&["--topic", "t", "--bootstrap", "kafka.example.com:9092"], "DataStore"),
        (&["--topic", "t", "--store", "store"], "--filename"),
        (&["--topic", "t", "--store", "absent", "-f", LAPTOP], "absent"),
        (&["--topic", "t", "--store", "store", "-f", LAPTOP, "--bootstrap", "localhost:1"], "cannot be used with"),
    ] {
        let (code, error) = folder.fails(&[&to_kafka[..], given].concat());
        assert!(code == 2 && error.contains(needed), "{given:?}: {code} {error}");
    }
    let (_, error) = folder.fails(&[&to_kafka[..], &["--topic", "t", "--store", "store", "-f", LAPTOP]].concat());
    assert!(error.contains("embedded"), "{error}");
    let (code, error) = folder.fails(&["account", "--topic", "t"]);
    assert!(code == 2 && error.contains("--to kafka"), "{error}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "no file called kafka was made");
}

#[test]
fn completions_and_manual_pages_name_the_program() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(folder.ok(&["completions", shell]).contains("lethe-generate"), "{shell}");
    }
    let page = folder.ok(&["man"]);
    assert!(page.contains("clickstream") && page.contains("Exit codes"), "{page}");
    folder.ok(&["man", "pages"]);
    assert_eq!(folder.read("pages/lethe-generate.1").lines().nth(2), page.lines().nth(2));
    assert!(folder.read("pages/lethe-generate-completions.1").contains(".SH SYNOPSIS"));
}

#[test]
fn a_kind_is_needed_unless_a_command_is_given() {
    let folder = Folder::new();
    let (code, error) = folder.fails(&[]);
    assert!(code == 2 && error.contains("<KIND>"), "{error}");
    assert_eq!(folder.ok(&["--count", "2", "account"]).lines().count(), 2);
    assert_eq!(folder.fails(&["account", "man"]).0, 2);
    assert_eq!(folder.fails(&["account", "--log", "lethe=loud"]).0, 2);
}
