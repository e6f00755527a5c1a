//! Of several operators one leads.

use std::time::{Duration, Instant};

use crate::house::{Operator, Room};

/// A dead leader is followed within so long.
const TAKE_OVER: Duration = Duration::from_secs(20);

const STORE: &str = "apiVersion: lethe.dev/v1alpha1\nkind: DataStore\nmetadata: {name: closed}\n\
                     spec: {kafka: {bootstrapServers: ['127.0.0.1:1']}}\n";

fn leads(operator: &Operator) {
    operator.until_it_says("leading");
}

#[test]
fn a_standby_takes_over_when_the_leader_is_killed_and_at_once_when_it_is_asked_to_stop() {
    let room = Room::new();
    let first = room.operator();
    leads(&first);
    let second = room.operator();
    second.until_it_says("waiting to lead");
    first.signal("-KILL");
    let killed = Instant::now();
    leads(&second);
    let took = killed.elapsed();
    println!("take-over after kill -9: {:.1} s", took.as_secs_f64());
    assert!(took < TAKE_OVER, "{took:?}");
    room.apply(STORE);
    room.until_ready_says("datastore/closed", "Unreachable");
    let third = room.operator();
    third.until_it_says("waiting to lead");
    assert_eq!(second.stop(), Some(0));
    let stopped = Instant::now();
    leads(&third);
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
}

#[test]
fn a_leader_that_was_stopped_for_too_long_ends_and_writes_nothing_more() {
    let room = Room::new();
    let mut first = room.operator();
    leads(&first);
    let second = room.operator();
    second.until_it_says("waiting to lead");
    first.signal("-STOP");
    leads(&second);
    room.apply(STORE);
    room.until_ready_says("datastore/closed", "Unreachable");
    first.signal("-CONT");
    assert_eq!(first.ends(), Some(3));
    assert!(first.said().contains("another leads"), "{}", first.said());
}
