//! Dead letters once more: with a corrected manifest, the sinks that lack an event get it, those that hold
//! it are left alone, and the letter is gone. Deletions go the same way.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    ending::{Ending, Repeated, letters},
    stage::Stage,
    topics::Sent,
    worker::finish,
};

const PEOPLE: usize = 120;

/// An event about a person, who has no other of its kind.
fn event(number: usize, kind: &str, members: &Value) -> Sent {
    let time = Timestamp::from_millisecond(Timestamp::now().as_millisecond() - 3_600_000 + number as i64).unwrap();
    let subject = format!("person-{}", number % PEOPLE);
    let mut event = json!({
        "event_id": format!("{kind}-{number}"), "timestamp": time.to_string(), "user_id": subject,
        "consent": {"marketing": true},
    });
    event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    Sent::event(&subject, &event.to_string())
}

fn profile(number: usize) -> Sent {
    let plan = "0b5e8f5c-8f39-4a3e-9d2b-0f6f0f6f0f6f";
    event(number, "made", &json!({"name": "Ada", "tier": "gold", "plan": plan, "address": {"country": "CH"}}))
}

/// `lethe-worker redrive`, and what it says of the letters.
#[track_caller]
fn redrive(stage: &Stage, more: &[&str]) -> Value {
    let mut command = stage.folder.worker(&["redrive", "-f", ".", "--quiet", "--output", "json"]);
    let ended = finish(command.args(more)).well();
    let answer: Value = serde_json::from_slice(&ended.out).unwrap();
    answer["counts"].clone()
}

/// The deletions are refused first, as is every third profile.
#[test]
fn what_a_wrong_manifest_rejected_is_delivered_to_every_sink_when_it_is_corrected() {
    let right = std::cell::OnceCell::new();
    let stage = Stage::with(|spec| {
        let schema = spec["event"]["schema"]["inline"].as_str().unwrap().to_owned();
        let wrong = schema
            .replace(r#""bronze", "silver", "#, "")
            .replace(r#""deleted": {"type": "boolean"}"#, r#""deleted": false"#);
        assert_ne!(schema, wrong);
        spec["event"]["schema"]["inline"] = wrong.into();
        right.set(schema).unwrap();
    });
    stage.produce((0..PEOPLE).map(|number| match number % 3 {
        0 => event(number, "made", &json!({"tier": "silver", "plan": "basic", "address": {"country": "CH"}})),
        _ => profile(number),
    }));
    stage.produce(
        (0..PEOPLE)
            .filter(|number| number % 5 == 1)
            .map(|number| event(number + PEOPLE, "gone", &json!({"deleted": true}))),
    );
    let counts = stage.run(&[]).counts();
    let (rejected, deletions) = (40 + 24, 24);
    assert_eq!((counts.of("profiles", "rejected"), counts.of("profiles", "deleted")), (rejected, 0));
    assert_eq!(letters(&stage).len() as u64, rejected);

    // Nothing changes while the manifest is wrong.
    let again = redrive(&stage, &[]);
    assert_eq!((&again["letters"], &again["redriven"]), (&json!(rejected), &json!(0)), "{again}");
    assert_eq!(letters(&stage).len() as u64, rejected);

    stage.declare(|spec| spec["event"]["schema"]["inline"] = right.get().unwrap().clone().into());
    let looked = redrive(&stage, &["--dry-run"]);
    assert_eq!(looked["redriven"], json!(rejected), "{looked}");
    assert_eq!(stage.rows("profiles").len() as u64, PEOPLE as u64 * 2 / 3, "a look writes nothing");
    let done = redrive(&stage, &[]);
    assert_eq!(done["redriven"], json!(rejected), "{done}");
    for sink in ["profiles", "history", "documents", "clean"] {
        let of = |outcome: &str| done["sinks"][sink][outcome].as_u64().unwrap();
        // Where a table holds the latest alone, a deletion in the same batch replaces what it deletes.
        let delivered = of("delivered") + of("superseded");
        assert_eq!((delivered, of("deleted")), (rejected - deletions, deletions), "{sink}: {done}");
    }
    let held = Ending::of(&stage);
    assert_eq!(letters(&stage).len(), 0, "what every sink holds has no letter");
    assert_eq!(held.accepted().filter(|event| event.deletes()).count() as u64, deletions);
    // As if the manifest had never been wrong; what was a letter is a record of the topic that nobody is given.
    assert_eq!(held.holds(), Repeated { output: 0, letters: rejected as usize });
    assert_eq!(redrive(&stage, &[])["letters"], json!(0));
}

/// A column that holds no plan: one sink refuses what the others take.
#[test]
fn what_one_sink_refused_is_written_to_that_sink_alone() {
    let column = |stage: &Stage, table: &str, kind: &str| {
        stage.declare(|spec| {
            let cassandra = &mut spec["sinks"][0]["cassandra"];
            cassandra["table"] = table.into();
            let columns = cassandra["columns"].as_sequence_mut().unwrap();
            columns.iter_mut().find(|column| column["name"] == "plan").unwrap()["type"] = kind.into();
        });
    };
    let stage = Stage::new();
    column(&stage, "profiles", "uuid");
    stage.produce((0..PEOPLE).map(|number| match number % 4 {
        0 => event(number, "made", &json!({"tier": "gold", "plan": "no uuid", "address": {"country": "CH"}})),
        _ => profile(number),
    }));
    let counts = stage.run(&[]).counts();
    assert_eq!((counts.of("profiles", "rejected"), counts.of("profiles", "delivered")), (30, 90));
    assert_eq!(counts.rejected_for("SinkRefused"), 30);
    for sink in ["history", "documents", "clean"] {
        assert_eq!((counts.of(sink, "rejected"), counts.of(sink, "delivered")), (0, 120), "{sink}");
    }
    for letter in letters(&stage) {
        assert_eq!((&*letter.reason, letter.path.as_deref()), ("SinkRefused", Some("/plan")));
        assert_eq!(letter.sinks, ["profiles"]);
    }

    let before = (stage.documents("documents"), stage.read(&stage.clean()), stage.rows("history"));
    column(&stage, "profiles_2", "text");
    let done = redrive(&stage, &[]);
    assert_eq!((&done["letters"], &done["redriven"]), (&json!(30), &json!(30)), "{done}");
    assert_eq!(done["sinks"]["profiles"]["delivered"], json!(30), "{done}");
    let rows = stage.rows("profiles");
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().all(|row| row.get("plan") == Some("no uuid")));
    assert!(before == (stage.documents("documents"), stage.read(&stage.clean()), stage.rows("history")));
    assert_eq!(letters(&stage).len(), 0);
}

/// A record without a value, and an event that says so, of people whom every sink knows.
#[test]
fn a_deletion_goes_through_every_sink_and_a_late_event_does_not_undo_it() {
    let stage = Stage::new();
    stage.produce((0..6).map(profile));
    stage.run(&[]).well();
    stage.produce([
        Sent::tombstone("person-1"),
        event(2 + PEOPLE, "gone", &json!({"deleted": true})),
        // Of a time before the deletion.
        event(2, "late", &json!({"tier": "bronze"})),
        Sent { key: None, ..Sent::tombstone("") },
    ]);
    let counts = stage.run(&[]).counts();
    for sink in ["profiles", "history", "documents", "clean"] {
        assert_eq!((counts.of(sink, "deleted"), counts.of(sink, "rejected")), (2, 1), "{sink}");
    }
    assert_eq!(counts.rejected_for("SubjectInvalid"), 1, "a record with neither key nor value says of nobody");
    let ending = Ending::of(&stage);
    assert_eq!(ending.holds(), Repeated::default());
    assert_eq!((stage.rows("profiles").len(), stage.rows("history").len()), (4, 4));
    let markers = stage.documents("documents").into_iter().filter(|one| one.contains_key("_deleted_at"));
    assert_eq!(markers.count(), 2);
    let empty = stage.read(&stage.clean()).into_iter().filter(|record| record.value.is_none());
    assert_eq!(empty.count(), 2);
}
