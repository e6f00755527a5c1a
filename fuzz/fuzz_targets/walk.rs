//! The engine on any bytes: it reads, protects and writes them without a panic, and reads as JSON
//! what serde_json reads. The output is JSON with each of Lethe's own members once, and the same
//! record gives the same bytes again.
//!
//! The first byte chooses how undeclared data is handled and whether the record is a tombstone, the
//! next eight are the record's timestamp, the rest is its value.

#![no_main]

use std::sync::{Arc, OnceLock};

use lethe_core::{
    engine::{Engine, Reading, Record, Scratch},
    keys::{DataKey, KeyRing},
    pipeline::RESERVED,
    reason::Reason,
    record::{Body, OutgoingBatch},
    seal::SubjectCipher,
    subject::Subject,
};
use lethe_crds::profile_pipeline::Undeclared;
use lethe_fuzz::{pipeline::pipeline, top_keys::top_keys};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_793_610_000_000;

fn engines() -> &'static [Engine] {
    static ENGINES: OnceLock<Vec<Engine>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let mut next = 0;
        let ring = KeyRing::generate(|key| {
            next += 1;
            key.fill(next);
        });
        let ring = Arc::new(ring.expect("a ring"));
        [Undeclared::Drop, Undeclared::Reject, Undeclared::Keep, Undeclared::Detect]
            .into_iter()
            .map(|undeclared| Engine::new(&pipeline(undeclared), Arc::clone(&ring)).expect("an engine"))
            .collect()
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else { return };
    let Some((timestamp, value)) = rest.split_first_chunk::<8>() else { return };
    // Half of all records are recent, or no event would ever be in time.
    let timestamp = if choice & 8 == 0 { NOW } else { i64::from_le_bytes(*timestamp) };
    let tombstone = choice & 4 != 0;
    let record = Record {
        stream: "events|0",
        offset: 7,
        timestamp: Some(timestamp),
        key: tombstone.then_some(value),
        value: (!tombstone).then_some(value),
    };
    let engine = &engines()[usize::from(choice & 3)];
    let mut scratch = Scratch::default();
    let once = run(engine, &record, &mut scratch);
    let again = run(engine, &record, &mut scratch);
    assert!(once == again, "the same record gives other bytes");
});

/// Returns the documents of each sink, one after the other.
fn run(engine: &Engine, record: &Record<'_>, scratch: &mut Scratch) -> Option<Vec<Vec<u8>>> {
    let reading = engine.read(record, NOW, scratch);
    agrees_with_serde(record, &reading);
    let identity = scratch.who().is_some().then(|| engine.identify(record, scratch));
    let Reading::Process(facts) = reading else { return None };
    let identity = identity.expect("an event that is processed has a subject").ok()?;
    let ciphers = engine.classes().iter().map(|class| SubjectCipher::new(&DataKey::new([7; 32]), class).ok());
    let audiences = engine.audiences().iter().copied();
    let subject = Subject::new(engine.ring(), identity.token, audiences, ciphers.collect()).expect("a subject");
    let mut out = vec![OutgoingBatch::default(), OutgoingBatch::default()];
    let verdict = engine.write(record, facts, &subject, NOW, scratch, &mut out);
    if verdict.is_err() {
        assert!(out.iter().all(|batch| batch.records.is_empty()), "a rejected event was written");
        return None;
    }
    for batch in &out {
        for outgoing in &batch.records {
            assert!(std::str::from_utf8(&batch.bytes[outgoing.event_id.clone()]).is_ok());
            let Body::Document(range) = outgoing.body.clone() else { continue };
            let document = &batch.bytes[range];
            serde_json::from_slice::<serde_json::Value>(document).expect("a document is JSON");
            let keys = top_keys(document).expect("a document is an object");
            for name in RESERVED {
                assert_eq!(keys.iter().filter(|key| **key == *name).count(), 1, "{name}");
            }
            let mut unique = keys.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), keys.len(), "a key occurs twice");
        }
    }
    Some(out.into_iter().map(|batch| batch.bytes).collect())
}

/// If one of the two cannot read it, the other cannot either.
fn agrees_with_serde(record: &Record<'_>, reading: &Reading) {
    let Some(value) = record.value else { return };
    let theirs = serde_json::from_slice::<serde_json::Value>(value);
    match reading {
        Reading::Rejected(rejection) if matches!(rejection.reason, Reason::NotJson | Reason::InvalidUtf8) => {
            assert!(theirs.is_err(), "serde_json reads what the walk calls no JSON");
        }
        Reading::Process(_) | Reading::Denied => assert!(theirs.is_ok(), "serde_json can't read it"),
        // Either it is not JSON but another mistake came first, or it is JSON and breaks a rule.
        Reading::Rejected(_) => {}
    }
}
