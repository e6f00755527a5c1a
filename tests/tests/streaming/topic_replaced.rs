//! Committed offsets that do not fit the topic: it was deleted and created again, with more or fewer
//! records, while no worker ran or under a running one, or it lost records at its end.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lethe_stores::kafka::{Assigned, Change, ConsumerOptions, Flow, Gathered, KafkaConsumer, Limits, Start};
use lethe_tests::folder::mixed_events;

use crate::{
    pipeline_fixture::{PARTITIONS, PipelineFixture},
    soak::{group_progress::GroupProgress, live_worker::LiveWorker},
    topics::{Sent, committed, within},
};

const PATIENCE: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits { records: 1_000, bytes: 1 << 20 };

/// Events of each partition, so that each of them has an end.
fn events(count: i32, name: &str) -> impl Iterator<Item = Sent> + use<'_> {
    (0..count).map(move |at| Sent { partition: Some(at % PARTITIONS), ..Sent::event(&format!("{name}-{at}"), "{}") })
}

fn offsets(fixture: &PipelineFixture) -> Vec<(u64, u64)> {
    let group = fixture.topics.reader(&fixture.group());
    committed(&fixture.source(), &group, PATIENCE).unwrap().into_values().collect()
}

#[test]
fn a_topic_that_was_created_again_with_more_records_is_read_whole() {
    let fixture = PipelineFixture::new();
    fixture.produce(events(100, "old"));
    assert_eq!(fixture.run(&[]).counts().events(), 100);
    let text = fixture.topics.committed_text(&fixture.group(), &fixture.source(), 0);
    assert!(text.starts_with("lethe/1 topic="), "{text:?}");
    fixture.topics.recreate(&fixture.source(), PARTITIONS);
    fixture.produce(events(152, "new"));
    // Some brokers and backups keep the offsets of a deleted topic.
    for partition in 0..PARTITIONS {
        fixture.topics.commit(&fixture.group(), &fixture.source(), partition, 25, &text);
    }
    let ended = fixture.run(&[]);
    assert!(ended.err().contains("the topic was deleted and created again"), "{}", ended.err());
    assert_eq!(ended.counts().events(), 152);
    assert!(offsets(&fixture).iter().all(|(at, end)| at == end));
    assert_eq!(fixture.run(&[]).counts().events(), 0);
}

#[test]
fn brokers_forget_the_offsets_of_a_deleted_topic_and_all_of_the_new_one_is_read() {
    let fixture = PipelineFixture::new();
    fixture.produce(events(100, "old"));
    assert_eq!(fixture.run(&[]).counts().events(), 100);
    fixture.topics.recreate(&fixture.source(), PARTITIONS);
    fixture.produce(events(152, "new"));
    assert_eq!(fixture.run(&[]).counts().events(), 152);
}

#[test]
fn an_offset_without_the_id_of_the_topic_is_continued_or_else_all_is_read() {
    let fixture = PipelineFixture::new();
    fixture.produce(events(100, "person"));
    // As an earlier version, or another program, has committed them.
    for (partition, offset) in [(0, 20), (1, 25), (2, 26), (3, 1_000)] {
        fixture.topics.commit(&fixture.group(), &fixture.source(), partition, offset, "");
    }
    assert_eq!(fixture.run(&[]).counts().events(), 5 + 25 + 25);
    let text = fixture.topics.committed_text(&fixture.group(), &fixture.source(), 1);
    assert!(text.starts_with("lethe/1 topic="), "committed again with the id: {text:?}");
}

#[test]
fn a_partition_that_lost_records_is_read_on_from_its_end() {
    let fixture = PipelineFixture::new();
    fixture.produce(events(100, "old"));
    assert_eq!(fixture.run(&[]).counts().events(), 100);
    let text = fixture.topics.committed_text(&fixture.group(), &fixture.source(), 0);
    fixture.topics.commit(&fixture.group(), &fixture.source(), 0, 40, &text);
    let ended = fixture.run(&[]);
    assert!(ended.err().contains("the partition lost records at its end"), "{}", ended.err());
    assert_eq!(ended.counts().events(), 0);
    fixture.produce(events(8, "new"));
    assert_eq!(fixture.run(&[]).counts().events(), 8);
}

/// Runs a worker, replaces its topic by one with this many events, and waits until all are read.
fn replace_under_a_worker(old: u64, new: u64) {
    let fixture = PipelineFixture::new();
    let mut worker = LiveWorker::ready(&fixture);
    fixture.generate(&mixed_events(old, 11));
    GroupProgress::of(&fixture).caught_up(PATIENCE, || worker.assert_running()).unwrap();
    fixture.topics.recreate(&fixture.source(), PARTITIONS);
    fixture.generate(&mixed_events(new, 12));
    within(PATIENCE, "the new topic is noticed", || {
        worker.assert_running();
        worker.metric("lethe_topic_replaced_total") == u64::from(PARTITIONS.unsigned_abs())
    });
    GroupProgress::of(&fixture).caught_up(PATIENCE, || worker.assert_running()).unwrap();
    let read = worker.metric("lethe_events_read_total");
    assert!(read >= old + new, "{read} of {}", old + new);
    assert!(worker.log_tail().contains("the topic was deleted and created again"), "{}", worker.log_tail());
    fixture.generate(&mixed_events(40, 13));
    within(PATIENCE, "it reads on", || worker.metric("lethe_events_read_total") == read + 40);
    worker.stop();
}

#[test]
fn a_shorter_topic_that_replaces_that_of_a_running_worker_is_read_whole() {
    replace_under_a_worker(400, 60);
}

#[test]
fn a_longer_topic_that_replaces_that_of_a_running_worker_is_read_whole() {
    replace_under_a_worker(60, 400);
}

fn options(fixture: &PipelineFixture) -> ConsumerOptions {
    ConsumerOptions {
        topic: fixture.source(),
        group: fixture.group(),
        from_earliest: true,
        from_start: false,
        drain: Duration::from_secs(1),
        identity: None,
    }
}

/// Polls until each partition is assigned. Returns them, and the incarnations of their records.
fn assigned(member: &mut KafkaConsumer, partitions: usize) -> (Vec<Assigned>, BTreeSet<String>) {
    let (mut assigned, mut incarnations) = (Vec::new(), BTreeSet::new());
    within(PATIENCE, "all partitions are assigned and one is read", || {
        let mut gathered = Gathered::default();
        member.poll(&mut gathered, LIMITS, Duration::from_millis(10)).unwrap();
        for change in member.changes() {
            match change {
                Change::Assigned(more) => assigned.extend(more),
                Change::Revoked { partitions, .. } => panic!("{partitions:?} revoked"),
            }
        }
        incarnations.extend(gathered.into_batches().map(|(_, batch)| batch.incarnation.to_string()));
        assigned.len() == partitions && !incarnations.is_empty()
    });
    (assigned, incarnations)
}

#[test]
fn the_offsets_of_many_partitions_are_requested_at_once_and_records_name_their_topic() {
    const MANY: i32 = 300;
    let fixture = PipelineFixture::new();
    fixture.topics.recreate(&fixture.source(), MANY);
    fixture.produce((0..MANY).map(|at| Sent { partition: Some(at), ..Sent::event("person", "{}") }));
    let started = Instant::now();
    let mut member = KafkaConsumer::join(&fixture.connection(), &options(&fixture), Flow::default().into()).unwrap();
    let (found, incarnations) = assigned(&mut member, MANY as usize);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(found.iter().all(|at| (at.position, at.low, at.stable, at.start) == (0, 0, 1, Start::First)), "{found:?}");
    assert_eq!(incarnations.len(), 1);
    assert_eq!(incarnations.first().unwrap().len(), 22, "the id of the topic in base64: {incarnations:?}");
}
