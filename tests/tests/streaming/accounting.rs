//! Every event of a topic is accounted for, exactly, per sink, by the closed list of outcomes; what a
//! sink says it holds is there, and nothing else. The topic read again from its start changes nothing.

use std::time::{Duration, Instant};

use lethe_core::outcome::Outcome;
use lethe_worker::generate::GenerateOptions;
use mongodb::bson::Document;

use crate::{
    ending::{Ending, Repeated, letters},
    folder::troubled,
    model::Verdict,
    soak::scale,
    stage::Stage,
    tables::{self, Row},
    worker::{Counts, finish_within},
};

const SUBJECTS: u64 = 2_000;
/// Far above what a run needs on a machine that does something else, too.
const PATIENCE: Duration = Duration::from_secs(300);
const SINKS: [&str; 4] = ["clean", "documents", "history", "profiles"];

fn events() -> u64 {
    scale(20_000, 100_000)
}

#[test]
fn every_event_of_a_topic_is_accounted_for_and_a_second_read_changes_nothing() {
    let (stage, events) = (Stage::new(), events());
    let summary = stage.generate(&GenerateOptions { subjects: SUBJECTS, ..troubled(events, 7) });
    let started = Instant::now();
    let counts = finish_within(&mut stage.runs(&[]), PATIENCE).counts();
    let took = started.elapsed();

    let ending = Ending::of(&stage);
    the_verdicts_fit_what_was_generated(&ending, &summary);
    the_counts_add_up(&ending, &counts);
    assert_eq!(ending.holds(), Repeated::default());

    let before = Held::by(&stage);
    let started = Instant::now();
    let again = finish_within(&mut stage.runs(&["--from-start"]), PATIENCE).counts();
    assert_eq!(again.events(), events);
    for sink in SINKS {
        for verdict in ["rejected", "denied", "duplicate", "fenced", "expired"] {
            assert_eq!(again.of(sink, verdict), counts.of(sink, verdict), "{sink}, {verdict}");
        }
    }
    assert_eq!(again.of("documents", "delivered") + again.of("documents", "deleted"), 0);
    let after = Held::by(&stage);
    tables::assert_same(&before.profiles, &after.profiles);
    tables::assert_same(&before.history, &after.history);
    assert!(before.documents == after.documents, "documents differ");
    assert_eq!(before.letters, after.letters, "a letter is given once, however often it was written");
    // The topic holds all of it once more, and in order.
    let accepted = ending.accepted().count();
    let repeated = Ending::of(&stage).holds();
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

/// What stores hold.
struct Held {
    profiles: Vec<Row>,
    history: Vec<Row>,
    documents: Vec<Document>,
    letters: usize,
}

impl Held {
    fn by(stage: &Stage) -> Self {
        Self {
            profiles: stage.rows("profiles"),
            history: stage.rows("history"),
            documents: stage.documents("documents"),
            letters: letters(stage).len(),
        }
    }
}

/// The model is held against the generator, which knows what it wrote.
fn the_verdicts_fit_what_was_generated(ending: &Ending<'_>, summary: &serde_json::Value) {
    let said = |sort: &str| summary[sort].as_u64().unwrap();
    let rejected = |reasons: &[&str]| {
        ending.count(|verdict| matches!(verdict, Verdict::Rejected { reason, .. } if reasons.contains(reason)))
    };
    assert_eq!(ending.judged().len() as u64, events());
    assert_eq!(rejected(&["NotJson", "InvalidUtf8"]), said("not_json"));
    assert_eq!(rejected(&["SchemaViolation", "NotAnObject"]), said("invalid"));
    assert_eq!(ending.count(|verdict| *verdict == Verdict::Denied), said("no_consent"));
    assert_eq!(ending.count(|verdict| *verdict == Verdict::Duplicate), said("duplicates"));
    assert_eq!(ending.accepted().count() as u64, said("events") + said("late") + said("deletes"));
    for sort in ["events", "duplicates", "invalid", "not_json", "no_consent", "late", "deletes"] {
        assert!(said(sort) > events() / 100, "{summary}");
    }
}

fn the_counts_add_up(ending: &Ending<'_>, counts: &Counts) {
    assert_eq!(counts.events(), events());
    assert_eq!(counts.sinks(), SINKS);
    let accepted = ending.accepted().count() as u64;
    let deletes = ending.accepted().filter(|event| event.deletes()).count() as u64;
    for sink in SINKS {
        let outcomes = counts.outcomes(sink);
        assert_eq!(outcomes.len(), Outcome::ALL.len());
        assert_eq!(outcomes.iter().map(|(_, count)| count).sum::<u64>(), events(), "{sink}");
        assert_eq!(counts.of(sink, "rejected"), ending.count(|v| matches!(v, Verdict::Rejected { .. })), "{sink}");
        assert_eq!(counts.of(sink, "denied"), ending.count(|verdict| *verdict == Verdict::Denied), "{sink}");
        assert_eq!(counts.of(sink, "duplicate"), ending.count(|verdict| *verdict == Verdict::Duplicate), "{sink}");
        assert_eq!(counts.of(sink, "expired") + counts.of(sink, "fenced"), 0, "{sink}");
        let written = counts.of(sink, "delivered") + counts.of(sink, "deleted");
        assert_eq!(written + counts.of(sink, "superseded") + counts.of(sink, "stale"), accepted, "{sink}");
        match sink {
            // Where a batch ends decides whether an older event is superseded or stale, and no more.
            "profiles" | "documents" => assert!(counts.of(sink, "superseded") + counts.of(sink, "stale") > 0),
            // Cassandra can't say that a deletion covers what is written: it is delivered, and not seen.
            _ => assert_eq!((written, counts.of(sink, "deleted")), (accepted, deletes), "{sink}"),
        }
    }
}
