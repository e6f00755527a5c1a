//! Every event has one outcome per sink, and a replay changes nothing.

use lethe_core::outcome::Outcome;

use crate::fixture::{PipelineFixture, SINKS, event, long_plan, outcomes};

/// Feeds events of every sort.
fn mixed(fixture: &PipelineFixture) -> u64 {
    let mut lines: Vec<String> = (0..40).map(|n| event(&format!("e-{n}"), &format!("u-{}", n % 7), n)).collect();
    lines.push(lines[3].clone());
    lines.push(lines[4].clone());
    lines.push(event("denied", "u-1", 50).replace("\"consent\":true", "\"consent\":false"));
    lines.push(long_plan("rejected", "u-2", 51));
    lines.push("no json at all".to_owned());
    lines.push(r#"{"event_id":"gone","timestamp":"2025-01-01T00:02:00Z","user_id":"u-3","deleted":true}"#.to_owned());
    fixture.feed(&lines);
    lines.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_has_one_outcome_at_each_sink() {
    let fixture = PipelineFixture::new();
    let events = mixed(&fixture);
    let report = fixture.run().await;
    assert_eq!(report.counts.events, events);
    for sink in SINKS {
        assert_eq!(report.counts.sinks[sink].total(), events, "{sink}");
    }
    let of_file = [
        (Outcome::Delivered, 40),
        (Outcome::Duplicate, 2),
        (Outcome::Rejected, 2),
        (Outcome::Denied, 1),
        (Outcome::Deleted, 1),
    ];
    assert_eq!(outcomes(&report, "clean"), of_file);
    assert_eq!(fixture.lines().len(), 41);
    // Each of 7 people has a row. The events before the newest one of each were superseded.
    assert_eq!(report.counts.sinks["profiles"].get(Outcome::Delivered), 6);
    assert_eq!(report.counts.sinks["profiles"].get(Outcome::Superseded), 34);
    assert_eq!(fixture.count("profiles"), 7);
    assert_eq!(fixture.count("lethe_dead_letter"), 2);
    let rejected: Vec<_> = report.counts.rejected.into_iter().collect();
    assert_eq!(rejected, [("NotJson", 1), ("SchemaViolation", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_reads_nothing() {
    let fixture = PipelineFixture::new();
    mixed(&fixture);
    fixture.run().await;
    let before = fixture.dump();
    let report = fixture.run().await;
    assert_eq!((report.counts.events, fixture.dump()), (0, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_from_the_start_changes_nothing() {
    let fixture = PipelineFixture::new();
    let events = mixed(&fixture);
    fixture.run().await;
    let before = fixture.dump();
    let report = fixture.run_from_start().await;
    assert_eq!(fixture.dump(), before);
    for sink in SINKS {
        assert_eq!(report.counts.sinks[sink].total(), events, "{sink}");
    }
    assert_eq!(report.counts.sinks["profiles"].get(Outcome::Delivered), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_store_gets_one_request_for_a_subject_whose_events_are_rejected_repeatedly() {
    let fixture = PipelineFixture::new();
    fixture.feed(&(0..30).map(|n| long_plan(&format!("e-{n}"), &format!("u-{}", n % 5), n)).collect::<Vec<_>>());
    assert_eq!(fixture.run_and_count_requests(5, 6).await, 1, "six batches of the same five");
    assert_eq!((fixture.count("lethe_dead_letter"), fixture.count("lethe_aliases")), (30, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_alias_of_a_subject_is_recorded_although_its_events_are_rejected() {
    let fixture = PipelineFixture::new();
    let moved = long_plan("e-2", "u-1", 2).replace("u-1@", "other@");
    fixture.feed(&[long_plan("e-1", "u-1", 1), moved]);
    assert_eq!(fixture.run_and_count_requests(1, 2).await, 2);
    assert_eq!(fixture.count("lethe_aliases"), 2);
}
