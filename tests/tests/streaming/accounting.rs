//! Each event of a topic has exactly one outcome per sink, from a closed list. A sink holds what
//! the outcomes say, and nothing else. A second read of the topic from its start changes nothing.

use std::time::{Duration, Instant};

use lethe_core::outcome::Outcome;
use lethe_generate::GenerateOptions;
use mongodb::bson::Document;

use crate::{
    expected::{Expected, Repeated, letters},
    pipeline_fixture::PipelineFixture,
    soak::scale,
    tables::{self, Row},
};
use lethe_tests::{
    folder::mixed_events,
    model::Verdict,
    process::{Counts, finish_within},
};

const SUBJECTS: u64 = 2_000;
/// Far above what a run needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
const SINKS: [&str; 4] = ["clean", "documents", "history", "profiles"];

fn events() -> u64 {
    scale(20_000, 100_000)
}

#[test]
fn every_event_of_a_topic_is_accounted_for_and_a_second_read_changes_nothing() {
    let (fixture, events) = (PipelineFixture::new(), events());
    let summary = fixture.generate(&GenerateOptions { subjects: SUBJECTS, ..mixed_events(events, 7) });
    let started = Instant::now();
    let counts = finish_within(&mut fixture.run_command(&[]), PATIENCE).counts();
    let took = started.elapsed();

    let expected = Expected::of(&fixture);
    check_verdicts(&expected, &summary);
    check_counts(&expected, &counts);
    assert_eq!(expected.check(), Repeated::default());

    let before = Held::by(&fixture);
    let started = Instant::now();
    let again = finish_within(&mut fixture.run_command(&["--from-start"]), PATIENCE).counts();
    assert_eq!(again.events(), events);
    for sink in SINKS {
        for verdict in ["rejected", "denied", "duplicate", "fenced", "expired"] {
            assert_eq!(again.of(sink, verdict), counts.of(sink, verdict), "{sink}, {verdict}");
        }
    }
    assert_eq!(again.of("documents", "delivered") + again.of("documents", "deleted"), 0);
    let after = Held::by(&fixture);
    tables::assert_same(&before.profiles, &after.profiles);
    tables::assert_same(&before.history, &after.history);
    assert!(before.documents == after.documents, "documents differ");
    assert_eq!(before.letters, after.letters, "a letter is listed once, however often it was written");
    // The topic holds all of it twice, in order.
    let accepted = expected.accepted().count();
    let repeated = Expected::of(&fixture).check();
    assert_eq!(repeated, Repeated { output: accepted, letters: before.letters });
    println!(
        "accounting: {events} events in {:.0} s and again in {:.0} s; {} rows, {} rows of history, {} documents, {} \
         dead letters equal to the model, 0 lost, 0 duplicated; {}",
        took.as_secs_f64(),
        started.elapsed().as_secs_f64(),
        after.profiles.len(),
        after.history.len(),
        after.documents.len(),
        after.letters,
        counts.seen("documents")
    );
}

/// The contents of stores.
struct Held {
    profiles: Vec<Row>,
    history: Vec<Row>,
    documents: Vec<Document>,
    letters: usize,
}

impl Held {
    fn by(fixture: &PipelineFixture) -> Self {
        Self {
            profiles: fixture.rows("profiles"),
            history: fixture.rows("history"),
            documents: fixture.documents("documents"),
            letters: letters(fixture).len(),
        }
    }
}

/// Compares the model with the counts of the generator.
fn check_verdicts(expected: &Expected<'_>, summary: &serde_json::Value) {
    let generated = |sort: &str| summary[sort].as_u64().unwrap();
    let rejected = |reasons: &[&str]| {
        expected.count(|verdict| matches!(verdict, Verdict::Rejected { reason, .. } if reasons.contains(reason)))
    };
    assert_eq!(expected.judged().len() as u64, events());
    assert_eq!(rejected(&["NotJson", "InvalidUtf8"]), generated("not_json"));
    assert_eq!(rejected(&["SchemaViolation", "NotAnObject"]), generated("invalid"));
    assert_eq!(expected.count(|verdict| *verdict == Verdict::Denied), generated("no_consent"));
    assert_eq!(expected.count(|verdict| *verdict == Verdict::Duplicate), generated("duplicates"));
    assert_eq!(expected.accepted().count() as u64, generated("events") + generated("late") + generated("deletes"));
    for sort in ["events", "duplicates", "invalid", "not_json", "no_consent", "late", "deletes"] {
        assert!(generated(sort) > events() / 100, "{summary}");
    }
}

fn check_counts(expected: &Expected<'_>, counts: &Counts) {
    assert_eq!(counts.events(), events());
    assert_eq!(counts.sinks(), SINKS);
    let accepted = expected.accepted().count() as u64;
    let deletes = expected.accepted().filter(|event| event.deletes()).count() as u64;
    for sink in SINKS {
        let outcomes = counts.outcomes(sink);
        assert_eq!(outcomes.len(), Outcome::ALL.len());
        assert_eq!(outcomes.iter().map(|(_, count)| count).sum::<u64>(), events(), "{sink}");
        assert_eq!(counts.of(sink, "rejected"), expected.count(|v| matches!(v, Verdict::Rejected { .. })), "{sink}");
        assert_eq!(counts.of(sink, "denied"), expected.count(|verdict| *verdict == Verdict::Denied), "{sink}");
        assert_eq!(counts.of(sink, "duplicate"), expected.count(|verdict| *verdict == Verdict::Duplicate), "{sink}");
        assert_eq!(counts.of(sink, "expired") + counts.of(sink, "fenced"), 0, "{sink}");
        let written = counts.of(sink, "delivered") + counts.of(sink, "deleted");
        assert_eq!(written + counts.of(sink, "superseded") + counts.of(sink, "stale"), accepted, "{sink}");
        match sink {
            // An older event is superseded within a batch, and stale in a later one.
            "profiles" | "documents" => assert!(counts.of(sink, "superseded") + counts.of(sink, "stale") > 0),
            // Cassandra doesn't report that a deletion covers a write: such a write counts as
            // delivered.
            _ => assert_eq!((written, counts.of(sink, "deleted")), (accepted, deletes), "{sink}"),
        }
    }
}
