//! Partitions that are revoked while reading is paused and assigned again, and partitions beside
//! one with a backlog.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_stores::kafka::{ConsumerOptions, Flow, Gathered, KafkaConsumer, Limits, strangers};

use crate::{
    pipeline_fixture::{PARTITIONS, PipelineFixture},
    topics::{Sent, eventually},
};

const LIMITS: Limits = Limits { records: 1_000, bytes: 1 << 20 };

fn member(fixture: &PipelineFixture) -> KafkaConsumer {
    member_for(fixture, None)
}

fn member_for(fixture: &PipelineFixture, identity: Option<&str>) -> KafkaConsumer {
    KafkaConsumer::join(&fixture.connection(), &options(fixture, identity), Arc::new(Flow::default())).unwrap()
}

fn options(fixture: &PipelineFixture, identity: Option<&str>) -> ConsumerOptions {
    ConsumerOptions {
        topic: fixture.source(),
        group: fixture.group(),
        from_earliest: true,
        from_start: false,
        drain: Duration::from_secs(1),
        identity: identity.map(str::to_owned),
    }
}

/// Polls once. Returns the partitions of the records.
fn poll(member: &mut KafkaConsumer) -> BTreeSet<i32> {
    let mut gathered = Gathered::default();
    member.poll(&mut gathered, LIMITS, Duration::from_millis(10)).unwrap();
    member.changes();
    gathered.into_batches().map(|(partition, _)| partition).collect()
}

#[test]
fn members_of_a_group_with_another_identity_are_counted_and_leave_at_once() {
    let fixture = PipelineFixture::new();
    let mut members = [Some("ours"), Some("ours"), Some("theirs"), None].map(|identity| member_for(&fixture, identity));
    let others_than = |identity| strangers(&fixture.connection(), &options(&fixture, Some(identity))).unwrap();
    eventually("all have joined", || {
        for member in &mut members {
            poll(member);
        }
        others_than("theirs") == 3
    });
    assert_eq!(others_than("ours"), 2);
    // Partitions are assigned to the remaining members, which leave a moment later.
    let began = Instant::now();
    drop(members);
    assert!(began.elapsed() < Duration::from_secs(30), "gone after {:?}", began.elapsed());
}

#[test]
fn a_partition_revoked_while_paused_is_read_after_it_is_assigned_again() {
    let (fixture, all) = (PipelineFixture::new(), PARTITIONS.unsigned_abs() as usize);
    fixture.produce((0..200).map(|number| Sent::event(&format!("person-{number}"), "{}")));
    let mut first = member(&fixture);
    first.pause(true);
    eventually("the first member has all partitions", || {
        poll(&mut first);
        first.partitions().len() == all
    });
    let mut second = member(&fixture);
    eventually("each member has half of them", || {
        poll(&mut first);
        poll(&mut second);
        first.partitions().len() == all / 2 && second.partitions().len() == all / 2
    });
    first.pause(false);
    second.leave();
    // Records without an acknowledgement are read again.
    let mut read = BTreeSet::new();
    eventually("records of all partitions are read", || {
        read.extend(poll(&mut first));
        read.len() == all
    });
}

#[test]
fn a_backlog_of_one_partition_delays_no_other_when_reading_pauses_repeatedly() {
    let (fixture, all) = (PipelineFixture::new(), PARTITIONS.unsigned_abs() as usize);
    let value = "x".repeat(2_000);
    let record = |number: i32| Sent { partition: Some(number % PARTITIONS), ..Sent::event("person", &value) };
    fixture.produce((0..2_000 * PARTITIONS).map(record));
    let mut reader = member(&fixture);
    eventually("it has all partitions", || {
        poll(&mut reader);
        reader.partitions().len() == all
    });
    // A poll returns fewer records than the client fetches of one partition.
    let mut read = BTreeSet::new();
    for _ in 0..all {
        let mut came = BTreeSet::new();
        eventually("records are read", || {
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
