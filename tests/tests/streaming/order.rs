//! What a store holds is a function of the events: not of their order, of how often they came, or of how
//! many runs it took.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    ending::{Ending, Repeated},
    folder::troubled,
    model::Verdict,
    stage::Stage,
    tables,
    topics::Sent,
};

const MINUTE: i64 = 60_000;

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A slot tells most events of one millisecond apart.
fn slot(id: &str) -> u64 {
    u64::from_be_bytes(*Sha256::digest(id.as_bytes()).first_chunk().unwrap()) % 10
}

/// An event about somebody; its content is made of its id, so that cells of two events can't be taken for
/// those of one.
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

/// Events of few subjects in few milliseconds, deletions and tombstones among them, some twice, in any
/// order. No two events of a subject have one version: those are the next test's.
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
    // Of times of their own: what their versions are is known when they lie in the topic.
    events.extend((0..10).map(|number| Sent {
        timestamp: Some(start + 1000 * (number + 1)),
        ..Sent::tombstone(&format!("subject-{number}"))
    }));
    events
}

#[test]
fn events_of_one_millisecond_and_late_ones_end_as_the_model_says_in_whatever_runs_they_come() {
    let stage = Stage::new();
    let events = entangled(1_500, 31);
    let mut read = 0;
    for part in events.chunks(events.len().div_ceil(3)) {
        stage.produce(part.to_vec());
        read += stage.run(&[]).counts().events();
    }
    assert_eq!(read, events.len() as u64);
    let ending = Ending::of(&stage);
    let deleted = ending.accepted().filter(|event| event.deletes()).count();
    assert!(deleted > 50 && ending.accepted().count() > 1_000, "{deleted}");
    ending.holds();
    let before = (stage.rows("profiles"), stage.rows("history"), stage.documents("documents"));
    assert!(before.0.len() > 10 && before.1.len() > 300, "{} and {}", before.0.len(), before.1.len());
    stage.run(&["--from-start"]).well();
    tables::assert_same(&before.0, &stage.rows("profiles"));
    tables::assert_same(&before.1, &stage.rows("history"));
    assert_eq!(before.2, stage.documents("documents"));
}

/// Two events of one subject, one millisecond and one slot: their version is the same, and the greater id
/// is the newer one, whichever comes first.
#[test]
fn of_two_events_of_one_version_the_greater_id_stands_and_nothing_of_the_other() {
    let stage = Stage::new();
    let time = now() - 10 * MINUTE;
    let mut events = Vec::new();
    for (number, order) in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]].iter().enumerate() {
        let subject = format!("subject-{number}");
        let ids = (0..).map(|n| format!("{subject}-{n}")).filter(|id| slot(id) == 4);
        let mut ids: Vec<String> = ids.take(3).collect();
        ids.sort();
        events.extend(order.iter().map(|at| event(&ids[*at], &subject, time)));
    }
    stage.produce(events);
    stage.run(&[]).well();
    assert_eq!(Ending::of(&stage).holds(), Repeated::default());
    stage.run(&["--from-start"]).well();
    Ending::of(&stage).holds();
}

#[test]
fn an_event_too_far_ahead_of_its_record_is_rejected_and_one_at_the_limit_wins() {
    let stage = Stage::new();
    let written = now() - 60 * MINUTE;
    let at = |sent: Sent| Sent { timestamp: Some(written), ..sent };
    stage.produce([
        at(event("limit", "anna", written + 10 * MINUTE)),
        at(event("now", "anna", written)),
        at(event("ahead", "anna", written + 10 * MINUTE + 1)),
        at(deletion("far", "anna", written + 24 * 60 * MINUTE)),
        at(event("other", "boris", written - 1)),
    ]);
    let counts = stage.run(&[]).counts();
    assert_eq!((counts.rejected_for("TimeAhead"), counts.of("profiles", "rejected")), (2, 2));
    let ending = Ending::of(&stage);
    let ahead = |verdict: &Verdict| matches!(verdict, Verdict::Rejected { reason: "TimeAhead", of_subject: true });
    assert_eq!(ending.count(ahead), 2);
    assert_eq!(ending.holds(), Repeated::default());
}

/// A manifest that shows less, applied to what was delivered before.
#[test]
fn a_replay_of_a_raised_revision_replaces_every_record_and_one_of_a_lower_none() {
    let stage = Stage::new();
    stage.generate(&troubled(2_000, 33));
    stage.run(&[]).well();
    Ending::of(&stage).holds();
    let longest = |stage: &Stage| {
        let rows = stage.rows("profiles").into_iter().chain(stage.rows("history"));
        rows.filter_map(|row| row.get("postcode").map(|code| code.chars().count())).max()
    };
    assert_eq!(longest(&stage), Some(2));
    let shorten = |to: u64, revision: u64| {
        stage.declare(|spec| {
            let fields = spec["fields"].as_sequence_mut().unwrap();
            let postcode = fields.iter_mut().find(|field| field["path"] == "/address/postcode").unwrap();
            postcode["protect"]["generalize"]["prefix"] = to.into();
            spec["revision"] = revision.into();
        });
        stage.run(&["--from-start"]).well();
    };
    shorten(1, 1);
    Ending::of(&stage).holds();
    assert_eq!(longest(&stage), Some(1));
    let documents = stage.documents("documents");
    let codes: Vec<&str> =
        documents.iter().filter_map(|one| one.get_document("address").ok()?.get_str("postcode").ok()).collect();
    assert!(codes.len() > 50 && codes.iter().all(|code| code.chars().count() == 1), "{codes:?}");

    let before = (stage.rows("profiles"), stage.rows("history"));
    shorten(2, 0);
    tables::assert_same(&before.0, &stage.rows("profiles"));
    tables::assert_same(&before.1, &stage.rows("history"));
    assert_eq!(documents, stage.documents("documents"));
}
