//! Records that the source's retention removes before they are read are counted and reported. The
//! rest is read.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::json;

use crate::{
    pipeline_fixture::PipelineFixture,
    soak::{group_progress::GroupProgress, live_worker::LiveWorker},
    topics::{committed, within},
};
use lethe_tests::folder::mixed_events;

const EVENTS: u64 = 400;
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a fetch request waits at a broker.
const FETCH_WAIT: Duration = Duration::from_millis(500);

/// Removes a share of the records that the group has not read. Returns their number.
fn remove_unread(fixture: &PipelineFixture, share: impl Fn(u64) -> u64) -> u64 {
    let offsets = committed(&fixture.source(), &fixture.topics.reader(&fixture.group()), PATIENCE).unwrap();
    let unread = offsets.into_iter().map(|(partition, (at, end))| (partition, at, share(end - at)));
    let unread: Vec<(i32, u64, u64)> = unread.collect();
    let before: BTreeMap<i32, u64> = unread.iter().map(|(partition, at, share)| (*partition, at + share)).collect();
    fixture.topics.remove_before(&fixture.source(), &before);
    unread.iter().map(|(.., share)| share).sum()
}

#[test]
fn records_removed_before_a_start_are_counted_and_the_rest_is_read() {
    let fixture = PipelineFixture::new();
    fixture.generate(&mixed_events(EVENTS, 3));
    fixture.run(&[]).success();
    fixture.generate(&mixed_events(EVENTS, 4));
    let removed = remove_unread(&fixture, |unread| unread / 2);
    assert!(removed > EVENTS / 4);
    let mut worker = LiveWorker::ready(&fixture);
    GroupProgress::of(&fixture).caught_up(PATIENCE, || worker.assert_running()).unwrap();
    assert_eq!(worker.metric("lethe_expired_unread_total"), removed);
    assert_eq!(worker.metric("lethe_events_read_total"), EVENTS - removed);
    assert_eq!(worker.status()["expiredUnread"], json!(removed));
    assert!(
        worker.log_tail().contains("the source's retention removed records before they were read"),
        "{}",
        worker.log_tail()
    );
    worker.stop();
}

#[test]
fn records_removed_during_a_run_are_counted_and_the_worker_goes_on() {
    let fixture = PipelineFixture::new();
    let mut worker = LiveWorker::ready(&fixture);
    fixture.generate(&mixed_events(EVENTS, 5));
    GroupProgress::of(&fixture).caught_up(PATIENCE, || worker.assert_running()).unwrap();
    worker.signal("STOP");
    // Its earlier fetch requests have ended: it does not get the next records.
    thread::sleep(FETCH_WAIT);
    fixture.generate(&mixed_events(EVENTS, 6));
    let removed = remove_unread(&fixture, |unread| unread);
    fixture.generate(&mixed_events(EVENTS, 7));
    worker.signal("CONT");
    GroupProgress::of(&fixture).caught_up(PATIENCE, || worker.assert_running()).unwrap();
    within(PATIENCE, "removed records are counted", || worker.metric("lethe_expired_unread_total") > 0);
    assert_eq!(removed, EVENTS);
    assert_eq!(worker.metric("lethe_expired_unread_total"), removed);
    assert_eq!(worker.metric("lethe_events_read_total"), EVENTS + EVENTS);
    worker.stop();
}
