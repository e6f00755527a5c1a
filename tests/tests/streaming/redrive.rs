//! Redrive of dead letters with a corrected manifest: events and deletions are written to the sinks
//! that lack them and to no other, and the letters are removed.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    expected::{Expected, Repeated, letters},
    pipeline_fixture::PipelineFixture,
    topics::Sent,
};
use lethe_tests::process::finish;

const PEOPLE: usize = 120;

/// Returns an event about a person, the only one of its kind.
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

/// Runs `lethe-worker redrive`. Returns its counts.
#[track_caller]
fn redrive(fixture: &PipelineFixture, more: &[&str]) -> Value {
    let mut command = fixture.folder.worker(&["redrive", "-f", ".", "--quiet", "--output", "json"]);
    let ended = finish(command.args(more)).success();
    let answer: Value = serde_json::from_slice(&ended.out).unwrap();
    answer["counts"].clone()
}

/// The wrong manifest rejects all deletions and every third profile.
#[test]
fn events_rejected_by_a_wrong_manifest_are_delivered_to_every_sink_by_a_corrected_one() {
    let right = std::cell::OnceCell::new();
    let fixture = PipelineFixture::with_spec(|spec| {
        let schema = spec["event"]["schema"]["inline"].as_str().unwrap().to_owned();
        let wrong = schema
            .replace(r#""bronze", "silver", "#, "")
            .replace(r#""deleted": {"type": "boolean"}"#, r#""deleted": false"#);
        assert_ne!(schema, wrong);
        spec["event"]["schema"]["inline"] = wrong.into();
        right.set(schema).unwrap();
    });
    fixture.produce((0..PEOPLE).map(|number| match number % 3 {
        0 => event(number, "made", &json!({"tier": "silver", "plan": "basic", "address": {"country": "CH"}})),
        _ => profile(number),
    }));
    fixture.produce(
        (0..PEOPLE)
            .filter(|number| number % 5 == 1)
            .map(|number| event(number + PEOPLE, "gone", &json!({"deleted": true}))),
    );
    let counts = fixture.run(&[]).counts();
    let (rejected, deletions) = (40 + 24, 24);
    assert_eq!((counts.of("profiles", "rejected"), counts.of("profiles", "deleted")), (rejected, 0));
    assert_eq!(letters(&fixture).len() as u64, rejected);

    // A redrive with the wrong manifest changes nothing.
    let again = redrive(&fixture, &[]);
    assert_eq!((&again["letters"], &again["redriven"]), (&json!(rejected), &json!(0)), "{again}");
    assert_eq!(letters(&fixture).len() as u64, rejected);

    fixture.edit_spec(|spec| spec["event"]["schema"]["inline"] = right.get().unwrap().clone().into());
    let dry_run = redrive(&fixture, &["--dry-run"]);
    assert_eq!(dry_run["redriven"], json!(rejected), "{dry_run}");
    assert_eq!(fixture.rows("profiles").len() as u64, PEOPLE as u64 * 2 / 3, "a dry run writes nothing");
    let done = redrive(&fixture, &[]);
    assert_eq!(done["redriven"], json!(rejected), "{done}");
    for sink in ["profiles", "history", "documents", "clean"] {
        let of = |outcome: &str| done["sinks"][sink][outcome].as_u64().unwrap();
        // In a table of the latest events, a deletion supersedes an event of the same batch.
        let delivered = of("delivered") + of("superseded");
        assert_eq!((delivered, of("deleted")), (rejected - deletions, deletions), "{sink}: {done}");
    }
    let held = Expected::of(&fixture);
    assert_eq!(letters(&fixture).len(), 0, "an event that every sink holds has no letter");
    assert_eq!(held.accepted().filter(|event| event.deletes()).count() as u64, deletions);
    // The same as without the mistake, except for records of the letters, which are still in their
    // topic.
    assert_eq!(held.check(), Repeated { output: 0, letters: rejected as usize });
    assert_eq!(redrive(&fixture, &[])["letters"], json!(0));
}

/// A column of a wrong type: one sink refuses what the others accept.
#[test]
fn an_event_that_one_sink_refused_is_written_to_that_sink_alone() {
    let column = |fixture: &PipelineFixture, table: &str, kind: &str| {
        fixture.edit_spec(|spec| {
            let cassandra = &mut spec["sinks"][0]["cassandra"];
            cassandra["table"] = table.into();
            let columns = cassandra["columns"].as_sequence_mut().unwrap();
            columns.iter_mut().find(|column| column["name"] == "plan").unwrap()["type"] = kind.into();
        });
    };
    let fixture = PipelineFixture::new();
    column(&fixture, "profiles", "uuid");
    fixture.produce((0..PEOPLE).map(|number| match number % 4 {
        0 => event(number, "made", &json!({"tier": "gold", "plan": "no uuid", "address": {"country": "CH"}})),
        _ => profile(number),
    }));
    let counts = fixture.run(&[]).counts();
    assert_eq!((counts.of("profiles", "rejected"), counts.of("profiles", "delivered")), (30, 90));
    assert_eq!(counts.rejected_for("SinkRefused"), 30);
    for sink in ["history", "documents", "clean"] {
        assert_eq!((counts.of(sink, "rejected"), counts.of(sink, "delivered")), (0, 120), "{sink}");
    }
    for letter in letters(&fixture) {
        assert_eq!((&*letter.reason, letter.path.as_deref()), ("SinkRefused", Some("/plan")));
        assert_eq!(letter.sinks, ["profiles"]);
    }

    let before = (fixture.documents("documents"), fixture.read(&fixture.clean()), fixture.rows("history"));
    column(&fixture, "profiles_2", "text");
    let done = redrive(&fixture, &[]);
    assert_eq!((&done["letters"], &done["redriven"]), (&json!(30), &json!(30)), "{done}");
    assert_eq!(done["sinks"]["profiles"]["delivered"], json!(30), "{done}");
    let rows = fixture.rows("profiles");
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().all(|row| row.get("plan") == Some("no uuid")));
    assert!(before == (fixture.documents("documents"), fixture.read(&fixture.clean()), fixture.rows("history")));
    assert_eq!(letters(&fixture).len(), 0);
}

#[test]
fn a_tombstone_and_a_deletion_reach_every_sink_and_a_late_event_does_not_undo_them() {
    let fixture = PipelineFixture::new();
    fixture.produce((0..6).map(profile));
    fixture.run(&[]).success();
    fixture.produce([
        Sent::tombstone("person-1"),
        event(2 + PEOPLE, "gone", &json!({"deleted": true})),
        // Its time is before that of the deletion.
        event(2, "late", &json!({"tier": "bronze"})),
        Sent { key: None, ..Sent::tombstone("") },
    ]);
    let counts = fixture.run(&[]).counts();
    for sink in ["profiles", "history", "documents", "clean"] {
        assert_eq!((counts.of(sink, "deleted"), counts.of(sink, "rejected")), (2, 1), "{sink}");
    }
    assert_eq!(counts.rejected_for("SubjectInvalid"), 1, "a record with neither key nor value has no subject");
    let expected = Expected::of(&fixture);
    assert_eq!(expected.check(), Repeated::default());
    assert_eq!((fixture.rows("profiles").len(), fixture.rows("history").len()), (4, 4));
    let markers = fixture.documents("documents").into_iter().filter(|one| one.contains_key("_deleted_at"));
    assert_eq!(markers.count(), 2);
    let empty = fixture.read(&fixture.clean()).into_iter().filter(|record| record.value.is_none());
    assert_eq!(empty.count(), 2);
}
