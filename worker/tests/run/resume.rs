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

/// Removes everything that a run wrote except the keys, so that another run seals with the same
/// ones.
fn remove_all_but_keys(fixture: &PipelineFixture) {
    fixture
        .sql()
        .execute_batch(
            "DELETE FROM profiles; DELETE FROM history; DELETE FROM lethe_deleted; DELETE FROM lethe_progress;
             DELETE FROM lethe_dead_letter;",
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
