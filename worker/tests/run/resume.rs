//! A pipeline that is stopped or killed at any moment ends as an undisturbed one.

use lethe_core::outcome::Outcome;

use crate::fixture::{PipelineFixture, SINKS, event, long_plan, outcomes};

fn feed(fixture: &PipelineFixture) {
    let lines: Vec<String> = (0..300)
        .map(|n| match n % 10 {
            // The id of ten events before, and an event that the schema rejects.
            7 if n > 10 => event(&format!("e-{}", n - 10), &format!("u-{}", (n - 10) % 23), n - 10),
            9 => long_plan(&format!("e-{n}"), &format!("u-{}", n % 23), n),
            _ => event(&format!("e-{n}"), &format!("u-{}", n % 23), n),
        })
        .collect();
    fixture.feed(&lines);
}

/// Removes everything that a run wrote except the keys and the version of the canonical forms, so
/// that another run seals with the same ones.
fn remove_all_but_keys(fixture: &PipelineFixture) {
    fixture
        .sql()
        .execute_batch(
            "DELETE FROM profiles; DELETE FROM history; DELETE FROM lethe_deleted; DELETE FROM lethe_dead_letter;
             DELETE FROM lethe_progress WHERE kind <> 'mark' OR name <> 'canonical';",
        )
        .unwrap();
    std::fs::remove_file(fixture.path("clean.ndjson")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_and_resumed_run_equals_an_undisturbed_one() {
    let fixture = PipelineFixture::new();
    feed(&fixture);
    let whole = fixture.run().await;
    let undisturbed = fixture.dump();

    for size in [1, 37, 120] {
        remove_all_but_keys(&fixture);
        let (mut events, mut delivered, mut runs) = (0, 0, 0);
        while events < 300 {
            let report = fixture.run_and_stop(size, 50 / size + 1).await;
            events += report.counts.events;
            delivered += report.counts.sinks["clean"].get(Outcome::Delivered);
            runs += 1;
        }
        assert!(runs > 1, "batches of {size}");
        assert_eq!(fixture.dump(), undisturbed, "batches of {size}");
        assert_eq!(delivered, whole.counts.sinks["clean"].get(Outcome::Delivered), "batches of {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_and_resumed_run_equals_an_undisturbed_one() {
    let fixture = PipelineFixture::new();
    feed(&fixture);
    fixture.run().await;
    let undisturbed = fixture.dump();
    remove_all_but_keys(&fixture);
    for batches in [1, 2, 3] {
        assert!(fixture.run_and_fail(31, batches).await.to_string().contains("on purpose"));
        // A killed process may leave these bytes after its last commit.
        let mut file = std::fs::read_to_string(fixture.path("clean.ndjson")).unwrap();
        file.push_str("{\"half\":");
        fixture.write("clean.ndjson", &file);
    }
    fixture.run().await;
    assert_eq!(fixture.dump(), undisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_of_an_event_before_the_restart_is_a_duplicate() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1), event("e-2", "u-2", 2)]);
    fixture.run().await;
    let (rows, lines) = (fixture.count("history"), fixture.lines());
    fixture.feed(&[event("e-1", "u-1", 1), event("e-3", "u-1", 3)]);
    let report = fixture.run().await;
    for sink in SINKS {
        assert_eq!(outcomes(&report, sink), [(Outcome::Delivered, 1), (Outcome::Duplicate, 1)], "{sink}");
    }
    assert_eq!(fixture.count("history"), rows + 1);
    assert_eq!(fixture.lines()[..2], lines[..]);
    assert_eq!(fixture.lines().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_rejected_before_the_restart_is_no_duplicate() {
    let by_the_schema = long_plan("e-1", "u-1", 1);
    let by_a_cleaning_step = event("e-1", "u-1", 1).replace("u-1@example.com", "nowhere");
    for rejected in [by_the_schema, by_a_cleaning_step] {
        let fixture = PipelineFixture::new();
        fixture.feed(&[rejected]);
        assert_eq!(outcomes(&fixture.run().await, "clean"), [(Outcome::Rejected, 1)]);
        fixture.feed(&[event("e-1", "u-1", 1)]);
        assert_eq!(outcomes(&fixture.run().await, "clean"), [(Outcome::Delivered, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_an_earlier_manifest_rejected_is_no_duplicate() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[long_plan("e-1", "u-1", 1), event("e-2", "u-2", 2)]);
    fixture.run().await;
    fixture.allow_plans_of(20);
    fixture.feed(&[event("e-1", "u-1", 1), event("e-2", "u-2", 2)]);
    let report = fixture.run().await;
    assert_eq!(outcomes(&report, "clean"), [(Outcome::Delivered, 1), (Outcome::Duplicate, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_sink_refused_before_the_restart_is_no_duplicate() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1), event("e-2", "u-2", 2)]);
    let report = fixture.run_refusing("profiles", &[0]).await;
    assert_eq!(outcomes(&report, "profiles"), [(Outcome::Delivered, 1), (Outcome::Rejected, 1)]);
    fixture.feed(&[event("e-1", "u-1", 1), event("e-2", "u-2", 2)]);
    let report = fixture.run().await;
    assert_eq!(outcomes(&report, "profiles"), [(Outcome::Delivered, 1), (Outcome::Duplicate, 1)]);
    assert_eq!(fixture.count("profiles"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_of_an_event_that_a_sink_refuses_late_gets_a_letter() {
    let fixture = PipelineFixture::new();
    let (one, two) = (event("e-1", "u-1", 1), event("e-2", "u-2", 2));
    fixture.feed(&[one.clone(), two.clone(), one, two]);
    let report = fixture.run_refusing("profiles", &[0]).await;
    let refused = [(Outcome::Delivered, 1), (Outcome::Duplicate, 1), (Outcome::Rejected, 2)];
    assert_eq!(outcomes(&report, "profiles"), refused);
    let held = [(Outcome::Delivered, 2), (Outcome::Duplicate, 1), (Outcome::Rejected, 1)];
    assert_eq!(outcomes(&report, "history"), held);
    assert_eq!(report.counts.rejected, [("SinkRefused", 2)].into());
    let rules = "SELECT count(*) FROM lethe_dead_letter WHERE rule = 'dedupe'";
    let of_duplicates: i64 = fixture.sql().query_row(rules, [], |row| row.get(0)).unwrap();
    assert_eq!((fixture.count("lethe_dead_letter"), of_duplicates), (2, 1));
    let done = fixture.redrive().await;
    assert_eq!((done.redriven, done.kept()), (2, 0));
    assert_eq!((fixture.count("profiles"), fixture.count("history")), (2, 2));
}

#[test]
fn standard_input_has_no_position() {
    let fixture = PipelineFixture::new();
    let path = fixture.path("pipeline.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let source = format!("path: {}", fixture.path("events.ndjson").display());
    assert!(text.contains(&source));
    std::fs::write(path, text.replace(&source, "path: \"-\"")).unwrap();
    let inputs = [vec![event("e-1", "u-1", 1)], vec![event("e-2", "u-2", 2), event("e-3", "u-3", 3)]];
    for (run, input) in inputs.iter().chain(&inputs).enumerate() {
        let before = if run == 0 { 0 } else { fixture.lines().len() };
        let ended = fixture.program(&["run", "--until-end", "--quiet"], &(input.join("\n") + "\n"));
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(fixture.lines().len() - before, input.len(), "run {run}");
        let stored = "SELECT count(*) FROM lethe_progress WHERE kind = 'offset'";
        let offsets: i64 = fixture.sql().query_row(stored, [], |row| row.get(0)).unwrap();
        assert_eq!(offsets, i64::from(run > 0), "run {run}");
        // An earlier version of Lethe stored one.
        let old = "INSERT OR REPLACE INTO lethe_progress VALUES ('default.profiles', 'offset', '-', 1000)";
        fixture.sql().execute(old, []).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_cut_in_two_by_the_end_of_the_file_is_delivered_whole() {
    let fixture = PipelineFixture::new();
    let (first, last) = (event("e-1", "u-1", 1), event("e-2", "u-2", 2));
    let half = format!("{first}\n{}", &last[..last.len() / 2]);
    fixture.write("events.ndjson", &half);
    assert_eq!(outcomes(&fixture.run().await, "clean"), [(Outcome::Delivered, 1), (Outcome::Rejected, 1)]);
    fixture.write("events.ndjson", &format!("{first}\n{last}\n{first}\n"));
    let report = fixture.run().await;
    assert_eq!(outcomes(&report, "clean"), [(Outcome::Delivered, 1), (Outcome::Duplicate, 1)]);
    assert!(report.replaced.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_file_is_read_from_its_start_and_reported() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1), event("e-2", "u-2", 2)]);
    fixture.run().await;
    fixture.write("events.ndjson", "");
    fixture.feed(&[event("n-1", "u-1", 3), event("n-2", "u-2", 4), event("n-3", "u-3", 5)]);
    let report = fixture.run().await;
    assert_eq!(outcomes(&report, "clean"), [(Outcome::Delivered, 3)]);
    assert_eq!(report.replaced.len(), 1);
    assert_eq!(fixture.run().await.replaced.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dedupe_reads_again_is_bounded_by_its_ids() {
    let fixture = PipelineFixture::new();
    let text = std::fs::read_to_string(fixture.path("pipeline.yaml")).unwrap();
    fixture.write("pipeline.yaml", &text.replace("maxIds: 1000000", "maxIds: 3"));
    fixture.feed(&(0..20).map(|n| event(&format!("e-{n}"), "u-1", n)).collect::<Vec<_>>());
    fixture.run().await;
    // Of these, only the last three ids before the restart are known.
    fixture.feed(&[event("e-19", "u-1", 19), event("e-17", "u-1", 17), event("e-16", "u-1", 16)]);
    let report = fixture.run().await;
    assert_eq!(outcomes(&report, "clean"), [(Outcome::Delivered, 1), (Outcome::Duplicate, 2)]);
}
