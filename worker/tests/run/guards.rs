//! Runs that must not start write nothing.

use std::{fs, process::Output};

use lethe_crds::profile_pipeline::Compression;
use lethe_stores::file::{Existing, FileSink, FileSinkOptions};

use crate::fixture::{PipelineFixture, event, long_plan, ring};

fn refused(output: &Output, code: i32, text: &str) {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(text), "{error}");
    assert!(output.stdout.is_empty());
}

const RUN: &[&str] = &["run", "--until-end", "--quiet"];

/// Returns a pipeline that has run and has more events.
async fn with_more_events() -> PipelineFixture {
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1), long_plan("e-2", "u-2", 2)]);
    fixture.run().await;
    fixture.feed(&[event("e-3", "u-3", 3)]);
    fixture
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_store_are_refused() {
    let fixture = with_more_events().await;
    let before = fixture.dump();
    fixture.put_keys(&ring(100));
    for command in [RUN, &["redrive", "--quiet"], &["redrive", "--dry-run"], &["reveal", "--ground", "test", "u-1"]] {
        refused(&fixture.program(command, ""), 5, "another value");
        assert_eq!(fixture.dump(), before, "{command:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_key_is_refused() {
    let fixture = with_more_events().await;
    let before = fixture.dump();
    let data = ring(1).to_secret_data();
    let value = |name: &str| {
        let name = match name {
            "audience-analytics" => "audience-public",
            "audience-public" => "audience-analytics",
            other => other,
        };
        std::str::from_utf8(&data[name]).unwrap()
    };
    fixture.put_secret(data.keys().map(|name| (name.as_str(), value(name))));
    refused(&fixture.program(RUN, ""), 5, "another value");
    assert_eq!(fixture.dump(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_and_a_missing_secret_are_refused() {
    let fixture = with_more_events().await;
    let before = fixture.dump();
    let data = ring(1).to_secret_data();
    let rest = data.iter().filter(|(name, _)| *name != "audience-public");
    fixture.put_secret(rest.map(|(name, key)| (name.as_str(), std::str::from_utf8(key).unwrap())));
    refused(&fixture.program(RUN, ""), 5, "lacks `audience-public`");
    assert_eq!(fixture.dump(), before);

    fixture.write("keys.yaml", "");
    refused(&fixture.program(RUN, ""), 5, "lethe-keys");
    assert_eq!(fixture.dump(), before);
}

#[test]
fn a_store_file_of_another_program_is_refused() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1)]);
    fixture.sql().execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    let before = fs::read(fixture.path("lethe.sqlite")).unwrap();
    refused(&fixture.program(RUN, ""), 4, "another program");
    assert_eq!(fs::read(fixture.path("lethe.sqlite")).unwrap(), before);
    assert!(!fixture.path("clean.ndjson").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_output_file_stops_a_run_and_a_redrive_before_they_change_anything() {
    let fixture = with_more_events().await;
    let before = fixture.dump();
    let path = fixture.path("clean.ndjson");
    let options = FileSinkOptions { path, compression: Compression::None, existing: Existing::Refuse };
    let other = FileSink::new(options).unwrap();
    for command in [RUN, &["run", "--until-end", "--from-start"], &["redrive", "--quiet"]] {
        refused(&fixture.program(command, ""), 4, "one writer");
        assert_eq!(fixture.dump(), before, "{command:?}");
    }
    drop(other);
    assert_eq!(fixture.program(RUN, "").status.code(), Some(0));
    assert_eq!(fixture.lines().len(), 2);
}

#[test]
fn commands_that_read_create_no_store() {
    let fixture = PipelineFixture::new();
    for command in [&["redrive", "--dry-run"][..], &["reveal", "--ground", "test", "u-1"]] {
        refused(&fixture.program(command, ""), 4, "does not exist");
    }
    assert!(!fixture.path("lethe.sqlite").exists() && !fixture.path("clean.ndjson").exists());
}
