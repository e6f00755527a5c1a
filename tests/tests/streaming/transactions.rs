//! Topics with transactions: their markers are no records, records of aborted transactions are never
//! read, and those of open ones not yet.

use std::time::Duration;

use lethe_tests::folder::mixed_events;
use rdkafka::producer::Producer;

use crate::{
    pipeline_fixture::{PARTITIONS, PipelineFixture},
    soak::{group_progress::GroupProgress, live_worker::LiveWorker},
    topics::{PATIENCE, Sent, committed, within},
};

const BOUND: Duration = Duration::from_secs(60);

fn events(count: i32, name: &str) -> Vec<Sent> {
    let event = |at| Sent { partition: Some(at % PARTITIONS), ..Sent::event(&format!("{name}-{at}"), "{}") };
    (0..count).map(event).collect()
}

/// Returns how many offsets the group has not committed, up to the last stable offsets.
fn lag(fixture: &PipelineFixture) -> u64 {
    let group = fixture.topics.reader(&fixture.group());
    let offsets = committed(&fixture.source(), &group, PATIENCE).unwrap();
    offsets.into_values().map(|(at, end)| end - at).sum()
}

#[test]
fn a_run_until_the_end_ends_behind_a_committed_transaction() {
    let fixture = PipelineFixture::new();
    fixture.topics.begin_transaction(&fixture.source(), events(40, "a")).commit_transaction(PATIENCE).unwrap();
    assert_eq!(fixture.run(&[]).counts().events(), 40);
    assert_eq!(lag(&fixture), 0);
    // Nothing but a marker is left behind the committed offset.
    assert_eq!(fixture.run(&[]).counts().events(), 0);
}

#[test]
fn a_run_until_the_end_ends_behind_an_aborted_transaction() {
    let fixture = PipelineFixture::new();
    fixture.topics.begin_transaction(&fixture.source(), events(40, "a")).abort_transaction(PATIENCE).unwrap();
    assert_eq!(fixture.run(&[]).counts().events(), 0);
    assert_eq!(lag(&fixture), 0);
}

#[test]
fn a_run_until_the_end_ends_before_an_open_transaction_and_says_so() {
    let fixture = PipelineFixture::new();
    fixture.produce(events(20, "before"));
    let open = fixture.topics.begin_transaction(&fixture.source(), events(40, "open"));
    fixture.produce(events(8, "behind"));
    let ended = fixture.run(&["--log", "warn"]);
    assert!(ended.err().contains("a transaction that is still open"), "{}", ended.err());
    assert_eq!(ended.counts().events(), 20);
    assert_eq!(lag(&fixture), 0);
    open.commit_transaction(PATIENCE).unwrap();
    assert_eq!(fixture.run(&[]).counts().events(), 48);
    assert_eq!(lag(&fixture), 0);
}

#[test]
fn the_lag_of_a_worker_is_zero_behind_markers_and_it_reads_on() {
    let fixture = PipelineFixture::new();
    let worker = LiveWorker::ready(&fixture);
    let topic = fixture.source();
    fixture.topics.begin_transaction(&topic, events(40, "a")).commit_transaction(PATIENCE).unwrap();
    fixture.topics.begin_transaction(&topic, events(40, "b")).abort_transaction(PATIENCE).unwrap();
    within(BOUND, "the committed records are read", || worker.metric("lethe_events_read_total") == 40);
    within(BOUND, "the group has committed the markers", || lag(&fixture) == 0);
    within(BOUND, "the worker shows no lag", || worker.metric("lethe_consumer_lag_records") == 0);
    fixture.generate(&mixed_events(100, 21));
    GroupProgress::of(&fixture).caught_up(BOUND, || {}).unwrap();
    assert_eq!(worker.metric("lethe_events_read_total"), 140);
    worker.stop();
}
