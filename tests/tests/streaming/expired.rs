//! What a source's retention removes before it was read is counted and said, and what is left is read.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::json;

use crate::{
    folder::troubled,
    soak::{gauge::Gauge, worker::Worker},
    stage::Stage,
    topics::{committed, within},
};

const EVENTS: u64 = 400;
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a question for records waits at a broker.
const ASKED: Duration = Duration::from_millis(500);

/// Removes a share of what the group has not read; answers how many records that were.
fn overtake(stage: &Stage, share: impl Fn(u64) -> u64) -> u64 {
    let offsets = committed(&stage.source(), &stage.topics.reader(&stage.group()), PATIENCE).unwrap();
    let unread = offsets.into_iter().map(|(partition, (at, end))| (partition, at, share(end - at)));
    let unread: Vec<(i32, u64, u64)> = unread.collect();
    let before: BTreeMap<i32, u64> = unread.iter().map(|(partition, at, share)| (*partition, at + share)).collect();
    stage.topics.remove_before(&stage.source(), &before);
    unread.iter().map(|(.., share)| share).sum()
}

#[test]
fn what_went_while_nobody_read_is_counted_and_the_rest_is_read() {
    let stage = Stage::new();
    stage.generate(&troubled(EVENTS, 3));
    stage.run(&[]).well();
    stage.generate(&troubled(EVENTS, 4));
    let removed = overtake(&stage, |unread| unread / 2);
    assert!(removed > EVENTS / 4);
    let mut worker = Worker::ready(&stage);
    Gauge::of(&stage).caught_up(PATIENCE, || worker.lives()).unwrap();
    assert_eq!(worker.metric("lethe_expired_unread_total"), removed);
    assert_eq!(worker.metric("lethe_events_read_total"), EVENTS - removed);
    assert_eq!(worker.status()["expiredUnread"], json!(removed));
    assert!(
        worker.said().contains("the source's retention removed records before they were read"),
        "{}",
        worker.said()
    );
    worker.stop();
}

#[test]
fn what_goes_under_the_feet_of_a_worker_is_counted_and_it_goes_on() {
    let stage = Stage::new();
    let mut worker = Worker::ready(&stage);
    stage.generate(&troubled(EVENTS, 5));
    Gauge::of(&stage).caught_up(PATIENCE, || worker.lives()).unwrap();
    worker.signal("STOP");
    // Brokers have answered what it asked before: it is not given what comes now.
    thread::sleep(ASKED);
    stage.generate(&troubled(EVENTS, 6));
    let removed = overtake(&stage, |unread| unread);
    stage.generate(&troubled(EVENTS, 7));
    worker.signal("CONT");
    Gauge::of(&stage).caught_up(PATIENCE, || worker.lives()).unwrap();
    within(PATIENCE, "all is counted", || worker.metric("lethe_expired_unread_total") > 0);
    assert_eq!(removed, EVENTS);
    assert_eq!(worker.metric("lethe_expired_unread_total"), removed);
    assert_eq!(worker.metric("lethe_events_read_total"), EVENTS + EVENTS);
    worker.stop();
}
