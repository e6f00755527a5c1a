//! The contents of a store are a function of the events. Their order, their repetitions and the
//! number of runs change nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    expected::{Expected, Repeated},
    pipeline_fixture::PipelineFixture,
    tables,
    topics::Sent,
};
use lethe_tests::{folder::mixed_events, model::Verdict};

const MINUTE: i64 = 60_000;

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Returns the slot of an id, which orders events of one millisecond.
fn slot(id: &str) -> u64 {
    u64::from_be_bytes(*Sha256::digest(id.as_bytes()).first_chunk().unwrap()) % 10
}

/// Returns an event about a subject. Its content contains its id, so that a mix of two events is
/// found.
fn event(id: &str, subject: &str, time: i64) -> Sent {
    let tier = ["bronze", "silver", "gold", "platinum"][id.len() % 4];
    let value = json!({
        "event_id": id, "timestamp": Timestamp::from_millisecond(time).unwrap().to_string(), "user_id": subject,
        "name": format!("name {id}"), "email": format!("{id}@example.com"), "tier": tier, "plan": format!("plan {id}"),
        "address": {"country": if slot(id) < 5 { "CH" } else { "DE" }, "postcode": format!("8{}", slot(id))},
        "consent": {"marketing": true},
    });
    Sent::event(subject, &value.to_string())
}

fn deletion(id: &str, subject: &str, time: i64) -> Sent {
    let time = Timestamp::from_millisecond(time).unwrap().to_string();
    let value = json!({"event_id": id, "timestamp": time, "user_id": subject, "deleted": true});
    Sent::event(subject, &value.to_string())
}

/// Returns events of few subjects in few milliseconds in random order, with deletions, tombstones
/// and duplicates. No two events of a subject have the same version: the next test has those.
fn entangled(count: usize, seed: u128) -> Vec<Sent> {
    let mut random = Pcg64Mcg::new((seed << 1) | 1);
    let mut below = |bound: u64| random.next_u64() % bound;
    let start = now() - 60 * MINUTE;
    let mut taken: BTreeMap<(u64, i64), Vec<u64>> = BTreeMap::new();
    let mut events: Vec<Sent> = Vec::new();
    for number in 0..count {
        let (subject, time) = (below(40), start + below(60) as i64);
        let id = format!("e-{seed}-{number}{}", "x".repeat(below(4) as usize));
        let slots = taken.entry((subject, time)).or_default();
        if slots.contains(&slot(&id)) {
            continue;
        }
        slots.push(slot(&id));
        let subject = format!("subject-{subject}");
        let made = match below(12) {
            0 => deletion(&id, &subject, time),
            _ => event(&id, &subject, time),
        };
        if below(10) == 0 {
            events.push(made.clone());
        }
        let at = below(events.len() as u64 + 1) as usize;
        events.insert(at, made);
    }
    // The version of a tombstone depends on its place in the topic.
    events.extend((0..10).map(|number| Sent {
        timestamp: Some(start + 1000 * (number + 1)),
        ..Sent::tombstone(&format!("subject-{number}"))
    }));
    events
}

#[test]
fn late_events_and_events_of_one_millisecond_are_stored_as_the_model_says_in_any_number_of_runs() {
    let fixture = PipelineFixture::new();
    let events = entangled(1_500, 31);
    let mut read = 0;
    for part in events.chunks(events.len().div_ceil(3)) {
        fixture.produce(part.to_vec());
        read += fixture.run(&[]).counts().events();
    }
    assert_eq!(read, events.len() as u64);
    let expected = Expected::of(&fixture);
    let deleted = expected.accepted().filter(|event| event.deletes()).count();
    assert!(deleted > 50 && expected.accepted().count() > 1_000, "{deleted}");
    expected.check();
    let before = (fixture.rows("profiles"), fixture.rows("history"), fixture.documents("documents"));
    assert!(before.0.len() > 10 && before.1.len() > 300, "{} and {}", before.0.len(), before.1.len());
    fixture.run(&["--from-start"]).success();
    tables::assert_same(&before.0, &fixture.rows("profiles"));
    tables::assert_same(&before.1, &fixture.rows("history"));
    assert_eq!(before.2, fixture.documents("documents"));
}

/// Events of one subject, millisecond and slot have the same version. The greater id then is the
/// newer event, in any order.
#[test]
fn of_events_of_one_version_the_one_with_the_greatest_id_is_stored_whole() {
    let fixture = PipelineFixture::new();
    let time = now() - 10 * MINUTE;
    let mut events = Vec::new();
    for (number, order) in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]].iter().enumerate() {
        let subject = format!("subject-{number}");
        let ids = (0..).map(|n| format!("{subject}-{n}")).filter(|id| slot(id) == 4);
        let mut ids: Vec<String> = ids.take(3).collect();
        ids.sort();
        events.extend(order.iter().map(|at| event(&ids[*at], &subject, time)));
    }
    fixture.produce(events);
    fixture.run(&[]).success();
    assert_eq!(Expected::of(&fixture).check(), Repeated::default());
    fixture.run(&["--from-start"]).success();
    Expected::of(&fixture).check();
}

#[test]
fn an_event_of_the_future_is_rejected_and_one_that_is_newer_than_its_record_wins() {
    let fixture = PipelineFixture::new();
    let written = now() - 60 * MINUTE;
    let at = |sent: Sent| Sent { timestamp: Some(written), ..sent };
    fixture.produce([
        at(event("newer", "anna", written + 30 * MINUTE)),
        at(event("then", "anna", written)),
        at(event("ahead", "anna", now() + 60 * MINUTE)),
        at(deletion("far", "anna", now() + 24 * 60 * MINUTE)),
        at(event("other", "boris", written - 1)),
    ]);
    let counts = fixture.run(&[]).counts();
    assert_eq!((counts.rejected_for("TimeAhead"), counts.of("profiles", "rejected")), (2, 2));
    let expected = Expected::of(&fixture);
    let ahead = |verdict: &Verdict| matches!(verdict, Verdict::Rejected { reason: "TimeAhead", of_subject: true });
    assert_eq!(expected.count(ahead), 2);
    assert_eq!(expected.check(), Repeated::default());
}

/// A later manifest keeps less of a field.
#[test]
fn a_replay_of_a_raised_revision_replaces_every_record_and_one_of_a_lower_none() {
    let fixture = PipelineFixture::new();
    fixture.generate(&mixed_events(2_000, 33));
    fixture.run(&[]).success();
    Expected::of(&fixture).check();
    let longest = |fixture: &PipelineFixture| {
        let rows = fixture.rows("profiles").into_iter().chain(fixture.rows("history"));
        rows.filter_map(|row| row.get("postcode").map(|code| code.chars().count())).max()
    };
    assert_eq!(longest(&fixture), Some(2));
    let shorten = |to: u64, revision: u64| {
        fixture.edit_spec(|spec| {
            let fields = spec["fields"].as_sequence_mut().unwrap();
            let postcode = fields.iter_mut().find(|field| field["path"] == "/address/postcode").unwrap();
            postcode["protect"]["generalize"]["prefix"] = to.into();
            spec["revision"] = revision.into();
        });
        fixture.run(&["--from-start"]).success();
    };
    shorten(1, 1);
    Expected::of(&fixture).check();
    assert_eq!(longest(&fixture), Some(1));
    let documents = fixture.documents("documents");
    let codes: Vec<&str> =
        documents.iter().filter_map(|one| one.get_document("address").ok()?.get_str("postcode").ok()).collect();
    assert!(codes.len() > 50 && codes.iter().all(|code| code.chars().count() == 1), "{codes:?}");

    let before = (fixture.rows("profiles"), fixture.rows("history"));
    shorten(2, 0);
    tables::assert_same(&before.0, &fixture.rows("profiles"));
    tables::assert_same(&before.1, &fixture.rows("history"));
    assert_eq!(documents, fixture.documents("documents"));
}
