//! Runs that must not start write nothing.

use std::{fs, process::Output};

use lethe_crds::profile_pipeline::Compression;
use lethe_stores::file::{FileSink, FileSinkOptions};

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
    let options = FileSinkOptions { path, compression: Compression::None, key: ring(1).file_key() };
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

/// Files that a sink's path leads to, each with a word of its refusal.
const OTHERS: [(&str, &str); 4] = [
    ("events.ndjson", "a file of the source"),
    ("lethe.sqlite", "the database of the DataStore store"),
    ("keys.yaml", "the file of the keys Secret"),
    ("pipeline.yaml", "the manifest of the pipeline"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_a_link_to_another_file_of_the_pipeline_is_refused() {
    let fixture = with_more_events().await;
    for (name, text) in OTHERS {
        for symbolic in [true, false] {
            fs::remove_file(fixture.path("clean.ndjson")).unwrap();
            if symbolic {
                std::os::unix::fs::symlink(name, fixture.path("clean.ndjson")).unwrap();
            } else {
                fs::hard_link(fixture.path(name), fixture.path("clean.ndjson")).unwrap();
            }
            let before = fs::read(fixture.path(name)).unwrap();
            for command in [RUN, &["run", "--until-end", "--from-start"], &["redrive", "--quiet"]] {
                refused(&fixture.program(command, ""), 3, text);
            }
            let lint = fixture.program(&["lint"], "");
            assert_eq!(lint.status.code(), Some(3));
            assert!(String::from_utf8(lint.stdout).unwrap().contains(text), "{name}");
            assert!(fs::read(fixture.path(name)).unwrap() == before, "{name}");
        }
    }
    // Nothing is there yet, and the source will be.
    fs::remove_file(fixture.path("clean.ndjson")).unwrap();
    fs::remove_file(fixture.path("events.ndjson")).unwrap();
    std::os::unix::fs::symlink("events.ndjson", fixture.path("clean.ndjson")).unwrap();
    refused(&fixture.program(RUN, ""), 3, "a file of the source");
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_over_empties_only_what_the_pipeline_wrote() {
    let foreign = (0..1000).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>();
    let start_over = &["run", "--until-end", "--quiet", "--from-start"];
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1)]);
    fixture.write("clean.ndjson", &foreign);
    for command in [RUN, start_over] {
        refused(&fixture.program(command, ""), 4, "name another path, or move the file away");
        assert_eq!(fs::read_to_string(fixture.path("clean.ndjson")).unwrap(), foreign);
    }
    // A run whose sink has no line yet, and one with lines.
    for written in [0, 1] {
        fs::remove_file(fixture.path("clean.ndjson")).unwrap();
        fixture.write("events.ndjson", "");
        fixture.feed(&vec![event("e-1", "u-1", 1); written]);
        assert_eq!(fixture.program(start_over, "").status.code(), Some(0));
        assert_eq!(fixture.lines().len(), written);
        assert_eq!(fixture.program(start_over, "").status.code(), Some(0));
        assert_eq!(fixture.lines().len(), written);
        fixture.write("clean.ndjson", &foreign);
        for command in [RUN, start_over] {
            refused(&fixture.program(command, ""), 4, "holds something else");
            assert_eq!(fs::read_to_string(fixture.path("clean.ndjson")).unwrap(), foreign);
        }
    }
}
