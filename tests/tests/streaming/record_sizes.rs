//! Topics with small limits of record sizes. The limit is on a batch of records: it must not cost
//! records that fit.

use lethe_core::{
    identity::Reference,
    outcome::Outcome,
    record::{Body, Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::Records;
use lethe_stores::{
    Sink,
    kafka::{KafkaSink, KafkaSinkOptions},
};
use lethe_tests::process::finish;

use crate::pipeline_fixture::PipelineFixture;

const LIMIT: usize = 20_000;

/// Returns a batch with a document of each of these sizes, of ten subjects in turn. Their bytes
/// can't be compressed, because a limit is on compressed batches.
fn batch(sizes: &[usize]) -> OutgoingBatch {
    let (mut batch, mut random) = (OutgoingBatch::default(), 1_u64);
    // The broker removes records of an old time.
    let time = jiff::Timestamp::now().as_millisecond();
    for (at, size) in sizes.iter().enumerate() {
        let id = batch.bytes.len();
        batch.bytes.extend(format!("{at:04}").bytes());
        let document = batch.bytes.len();
        batch.bytes.extend((0..*size).map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as u8
        }));
        batch.records.push(Outgoing {
            subject: Reference([at as u8 % 10; 32]),
            event_id: id..document,
            version: at as i64,
            time,
            offset: at as u64,
            expires: None,
            body: Body::Document(document..batch.bytes.len()),
        });
    }
    batch
}

#[test]
fn a_batch_that_is_too_large_for_a_topic_costs_only_the_records_that_are_too_large_themselves() {
    let fixture = PipelineFixture::new();
    let topic = fixture.clean();
    fixture.topics.create_with(&topic, 1, &[("max.message.bytes", &LIMIT.to_string())]);
    let options = KafkaSinkOptions { topic: topic.clone(), records: Records::Append };
    let mut sink = KafkaSink::open(&fixture.connection(), &options).unwrap();
    for _ in 0..3 {
        let mut sizes = vec![1_000; 200];
        sizes[50] = 3 * LIMIT;
        sizes[120] = 2_000_000;
        let before = fixture.read(&topic).len();
        let batch = batch(&sizes);
        let answers = fixture.block_on(sink.write(&batch)).unwrap();
        for (at, answer) in answers.iter().enumerate() {
            match answer {
                Ok(outcome) => assert_eq!((*outcome, sizes[at]), (Outcome::Delivered, 1_000), "{at}"),
                Err(rejection) => assert!(rejection.rule == Some("size") && sizes[at] > LIMIT, "{at} {rejection:?}"),
            }
        }
        // Readers of a subject see its last event last, also if a part of the batch was sent again.
        let written = fixture.read(&topic).split_off(before);
        for subject in 0..10 {
            let of_subject: Vec<String> = written
                .iter()
                .filter(|record| record.key == Some(Vec::from(lethe_core::identity::hex(&[subject; 32]))))
                .map(|record| record.header("lethe.event_id").unwrap())
                .collect();
            assert_eq!(of_subject.last(), Some(&format!("{:04}", 190 + subject)), "{of_subject:?}");
            let distinct: std::collections::BTreeSet<_> = of_subject.iter().collect();
            assert!(distinct.len() >= 18, "{of_subject:?}");
        }
    }
}

#[test]
fn a_record_of_several_megabytes_is_written_if_the_topic_accepts_it() {
    let fixture = PipelineFixture::new();
    let topic = fixture.clean();
    fixture.topics.create_with(&topic, 1, &[("max.message.bytes", "20000000")]);
    let options = KafkaSinkOptions { topic: topic.clone(), records: Records::Append };
    let mut sink = KafkaSink::open(&fixture.connection(), &options).unwrap();
    let answers = fixture.block_on(sink.write(&batch(&[5_000_000, 1_000, 16_000_000]))).unwrap();
    assert_eq!(answers, vec![Ok(Outcome::Delivered); 3]);
    assert_eq!(fixture.read(&topic).len(), 3);
}

#[test]
fn a_live_check_warns_if_the_source_takes_larger_records_than_the_dead_letter() {
    let fixture = PipelineFixture::new();
    let lint = |fixture: &PipelineFixture| {
        let ended = finish(&mut fixture.folder.worker(&["lint", "-f", ".", "--live", "--output", "json"])).success();
        let findings: serde_json::Value = serde_json::from_slice(&ended.out).unwrap();
        let findings = findings.as_array().unwrap().iter().filter(|finding| finding["code"] == "RecordSize");
        findings.map(|finding| finding["severity"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    fixture.topics.create_with(&fixture.dead(), 1, &[("max.message.bytes", "1048588")]);
    assert_eq!(lint(&fixture), Vec::<String>::new());
    fixture.topics.remove(&[fixture.dead()], &[]);
    fixture.topics.create_when_deleted(&fixture.dead(), 1, &[("max.message.bytes", "100000")]);
    assert_eq!(lint(&fixture), ["Warning"]);
}
