//! What must not start doesn't, and writes nothing.

use std::{fs, process::Output};

use lethe_crds::profile_pipeline::Compression;
use lethe_stores::file::{Existing, FileSink, FileSinkOptions};

use crate::stage::{Stage, event, long_plan, ring};

fn refused(output: &Output, code: i32, says: &str) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(says), "{said}");
    assert!(output.stdout.is_empty());
}

const RUN: &[&str] = &["run", "--until-end", "--quiet"];

/// A pipeline that has run, with more to do.
async fn with_more_to_do() -> Stage {
    let stage = Stage::new();
    stage.feed(&[event("e-1", "u-1", 1), long_plan("e-2", "u-2", 2)]);
    stage.run().await;
    stage.feed(&[event("e-3", "u-3", 3)]);
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn other_keys_than_the_store_was_used_with_are_refused() {
    let stage = with_more_to_do().await;
    let before = stage.dump();
    stage.put_keys(&ring(100));
    for command in [RUN, &["redrive", "--quiet"], &["redrive", "--dry-run"], &["reveal", "--ground", "test", "u-1"]] {
        refused(&stage.program(command, ""), 5, "another value");
        assert_eq!(stage.dump(), before, "{command:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_key_is_refused() {
    let stage = with_more_to_do().await;
    let before = stage.dump();
    let data = ring(1).to_secret_data();
    let value = |name: &str| {
        let name = match name {
            "audience-analytics" => "audience-public",
            "audience-public" => "audience-analytics",
            other => other,
        };
        std::str::from_utf8(&data[name]).unwrap()
    };
    stage.put_secret(data.keys().map(|name| (name.as_str(), value(name))));
    refused(&stage.program(RUN, ""), 5, "another value");
    assert_eq!(stage.dump(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_and_a_missing_secret_are_refused() {
    let stage = with_more_to_do().await;
    let before = stage.dump();
    let data = ring(1).to_secret_data();
    let rest = data.iter().filter(|(name, _)| *name != "audience-public");
    stage.put_secret(rest.map(|(name, key)| (name.as_str(), std::str::from_utf8(key).unwrap())));
    refused(&stage.program(RUN, ""), 5, "lacks `audience-public`");
    assert_eq!(stage.dump(), before);

    stage.write("keys.yaml", "");
    refused(&stage.program(RUN, ""), 5, "lethe-keys");
    assert_eq!(stage.dump(), before);
}

#[test]
fn a_store_file_that_is_another_program_s_is_refused() {
    let stage = Stage::new();
    stage.feed(&[event("e-1", "u-1", 1)]);
    stage.sql().execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    let before = fs::read(stage.path("lethe.sqlite")).unwrap();
    refused(&stage.program(RUN, ""), 4, "another program");
    assert_eq!(fs::read(stage.path("lethe.sqlite")).unwrap(), before);
    assert!(!stage.path("clean.ndjson").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_writes_stops_a_run_and_a_redrive_before_they_change_anything() {
    let stage = with_more_to_do().await;
    let before = stage.dump();
    let path = stage.path("clean.ndjson");
    let options = FileSinkOptions { path, compression: Compression::None, existing: Existing::Refuse };
    let other = FileSink::new(options).unwrap();
    for command in [RUN, &["run", "--until-end", "--from-start"], &["redrive", "--quiet"]] {
        refused(&stage.program(command, ""), 4, "one writer");
        assert_eq!(stage.dump(), before, "{command:?}");
    }
    drop(other);
    assert_eq!(stage.program(RUN, "").status.code(), Some(0));
    assert_eq!(stage.lines().len(), 2);
}

#[test]
fn what_only_reads_makes_no_store() {
    let stage = Stage::new();
    for command in [&["redrive", "--dry-run"][..], &["reveal", "--ground", "test", "u-1"]] {
        refused(&stage.program(command, ""), 4, "does not exist");
    }
    assert!(!stage.path("lethe.sqlite").exists() && !stage.path("clean.ndjson").exists());
}
