//! A pipeline can be stopped or killed anywhere, and goes on as if nothing had been.

use lethe_core::outcome::Outcome;

use crate::stage::{SINKS, Stage, event, long_plan, outcomes};

fn feed(stage: &Stage) {
    let lines: Vec<String> = (0..300)
        .map(|n| match n % 10 {
            // The id of ten events before, and an event that the schema refuses.
            7 if n > 10 => event(&format!("e-{}", n - 10), &format!("u-{}", (n - 10) % 23), n - 10),
            9 => long_plan(&format!("e-{n}"), &format!("u-{}", n % 23), n),
            _ => event(&format!("e-{n}"), &format!("u-{}", n % 23), n),
        })
        .collect();
    stage.feed(&lines);
}

/// Empties what a run wrote, but for the keys: another run seals with the same ones.
fn forget_all_but_keys(stage: &Stage) {
    stage
        .sql()
        .execute_batch(
            "DELETE FROM profiles; DELETE FROM history; DELETE FROM lethe_deleted; DELETE FROM lethe_progress;
             DELETE FROM lethe_dead_letter;",
        )
        .unwrap();
    std::fs::remove_file(stage.path("clean.ndjson")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_and_goes_on_equals_one_undisturbed() {
    let stage = Stage::new();
    feed(&stage);
    let whole = stage.run().await;
    let undisturbed = stage.dump();

    for size in [1, 37, 120] {
        forget_all_but_keys(&stage);
        let (mut events, mut delivered, mut runs) = (0, 0, 0);
        while events < 300 {
            let report = stage.run_and_stop(size, 50 / size + 1).await;
            events += report.counts.events;
            delivered += report.counts.sinks["clean"].get(Outcome::Delivered);
            runs += 1;
        }
        assert!(runs > 1, "batches of {size}");
        assert_eq!(stage.dump(), undisturbed, "batches of {size}");
        assert_eq!(delivered, whole.counts.sinks["clean"].get(Outcome::Delivered), "batches of {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_and_goes_on_equals_one_undisturbed() {
    let stage = Stage::new();
    feed(&stage);
    stage.run().await;
    let undisturbed = stage.dump();
    forget_all_but_keys(&stage);
    for batches in [1, 2, 3] {
        assert!(stage.run_and_fail(31, batches).await.to_string().contains("on purpose"));
        // What a process that is killed may leave behind its last commit.
        let mut file = std::fs::read_to_string(stage.path("clean.ndjson")).unwrap();
        file.push_str("{\"half\":");
        stage.write("clean.ndjson", &file);
    }
    stage.run().await;
    assert_eq!(stage.dump(), undisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_of_an_event_before_the_restart_is_a_duplicate() {
    let stage = Stage::new();
    stage.feed(&[event("e-1", "u-1", 1), event("e-2", "u-2", 2)]);
    stage.run().await;
    let (rows, lines) = (stage.count("history"), stage.lines());
    stage.feed(&[event("e-1", "u-1", 1), event("e-3", "u-1", 3)]);
    let report = stage.run().await;
    for sink in SINKS {
        assert_eq!(outcomes(&report, sink), [(Outcome::Delivered, 1), (Outcome::Duplicate, 1)], "{sink}");
    }
    assert_eq!(stage.count("history"), rows + 1);
    assert_eq!(stage.lines()[..2], lines[..]);
    assert_eq!(stage.lines().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_rejected_before_the_restart_is_no_duplicate() {
    let by_the_schema = long_plan("e-1", "u-1", 1);
    let by_a_cleaning_step = event("e-1", "u-1", 1).replace("u-1@example.com", "nowhere");
    for rejected in [by_the_schema, by_a_cleaning_step] {
        let stage = Stage::new();
        stage.feed(&[rejected]);
        assert_eq!(outcomes(&stage.run().await, "clean"), [(Outcome::Rejected, 1)]);
        stage.feed(&[event("e-1", "u-1", 1)]);
        assert_eq!(outcomes(&stage.run().await, "clean"), [(Outcome::Delivered, 1)]);
    }
}
