//! Partitions that leave while reading is paused, and return; and those that wait while others have a backlog.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_stores::kafka::{ConsumerOptions, Flow, Gathered, KafkaConsumer, Limits, strangers};

use crate::{
    stage::{PARTITIONS, Stage},
    topics::{Sent, eventually},
};

const LIMITS: Limits = Limits { records: 1_000, bytes: 1 << 20 };

fn member(stage: &Stage) -> KafkaConsumer {
    member_for(stage, None)
}

fn member_for(stage: &Stage, identity: Option<&str>) -> KafkaConsumer {
    KafkaConsumer::join(&stage.connection(), &options(stage, identity), Arc::new(Flow::default())).unwrap()
}

fn options(stage: &Stage, identity: Option<&str>) -> ConsumerOptions {
    ConsumerOptions {
        topic: stage.source(),
        group: stage.group(),
        from_earliest: true,
        from_start: false,
        drain: Duration::from_secs(1),
        identity: identity.map(str::to_owned),
    }
}

/// Polls; answers which partitions records came from.
fn poll(member: &mut KafkaConsumer) -> BTreeSet<i32> {
    let mut gathered = Gathered::default();
    member.poll(&mut gathered, LIMITS, Duration::from_millis(10)).unwrap();
    member.changes();
    gathered.into_batches().map(|(partition, _)| partition).collect()
}

#[test]
fn members_of_a_group_that_work_for_somebody_else_are_counted_and_leave_at_once() {
    let stage = Stage::new();
    let mut members = [Some("ours"), Some("ours"), Some("theirs"), None].map(|identity| member_for(&stage, identity));
    let others_than = |identity| strangers(&stage.connection(), &options(&stage, Some(identity))).unwrap();
    eventually("all have joined", || {
        for member in &mut members {
            poll(member);
        }
        others_than("theirs") == 3
    });
    assert_eq!(others_than("ours"), 2);
    // Partitions come to those that stay a moment longer, and each of them is about to go.
    let began = Instant::now();
    drop(members);
    assert!(began.elapsed() < Duration::from_secs(30), "gone after {:?}", began.elapsed());
}

#[test]
fn a_partition_that_left_while_it_was_paused_is_read_when_it_returns() {
    let (stage, all) = (Stage::new(), PARTITIONS.unsigned_abs() as usize);
    stage.produce((0..200).map(|number| Sent::event(&format!("person-{number}"), "{}")));
    let mut first = member(&stage);
    first.pause(true);
    eventually("the first has all partitions", || {
        poll(&mut first);
        first.partitions().len() == all
    });
    let mut second = member(&stage);
    eventually("each has half of them", || {
        poll(&mut first);
        poll(&mut second);
        first.partitions().len() == all / 2 && second.partitions().len() == all / 2
    });
    first.pause(false);
    second.leave();
    // What was not acknowledged is given again, to whoever reads it.
    let mut read = BTreeSet::new();
    eventually("records of all partitions come", || {
        read.extend(poll(&mut first));
        read.len() == all
    });
}

#[test]
fn a_backlog_of_one_partition_keeps_no_other_back_where_reading_stops_again_and_again() {
    let (stage, all) = (Stage::new(), PARTITIONS.unsigned_abs() as usize);
    let value = "x".repeat(2_000);
    let record = |number: i32| Sent { partition: Some(number % PARTITIONS), ..Sent::event("person", &value) };
    stage.produce((0..2_000 * PARTITIONS).map(record));
    let mut reader = member(&stage);
    eventually("it has all partitions", || {
        poll(&mut reader);
        reader.partitions().len() == all
    });
    // A turn takes less than what the client fetches of one partition.
    let mut read = BTreeSet::new();
    for _ in 0..all {
        let mut came = BTreeSet::new();
        eventually("records come", || {
            came = poll(&mut reader);
            !came.is_empty()
        });
        reader.pause(true);
        while !poll(&mut reader).is_empty() {}
        read.extend(came);
        reader.pause(false);
    }
    assert_eq!(read.len(), all, "{read:?}");
}
