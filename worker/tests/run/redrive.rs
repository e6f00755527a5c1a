//! Rejected events are stored sealed, and delivered after the manifest is corrected.

use std::collections::BTreeSet;

use lethe_core::outcome::Outcome;
use lethe_stores::embedded::EmbeddedStore;
use lethe_worker::redrive::RedriveOptions;

use crate::fixture::{PipelineFixture, SINKS, event, long_plan, outcomes, ring};

/// Destroys the keys of a subject, as an erasure does.
async fn shred(fixture: &PipelineFixture, who: &str) {
    let store = EmbeddedStore::open("store", &fixture.path("lethe.sqlite")).unwrap();
    let token = ring(1).token("customers", who);
    assert!(store.shred("customers".to_owned(), token).await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_event_is_stored_sealed_and_nowhere_in_the_clear() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[long_plan("e-1", "u-secret", 1), "no json, but about u-secret".to_owned()]);
    fixture.run().await;
    assert_eq!(fixture.count("lethe_dead_letter"), 2);
    for name in ["lethe.sqlite", "lethe.sqlite-wal"] {
        let bytes = std::fs::read(fixture.path(name)).unwrap_or_default();
        assert!(!bytes.windows(8).any(|window| window == b"u-secret"), "{name}");
    }
    let by: BTreeSet<String> = fixture
        .sql()
        .prepare("SELECT sealed_by FROM lethe_dead_letter")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(by, ["day".to_owned(), "subject".to_owned()].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_with_a_corrected_manifest_delivers_rejected_events() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1), long_plan("e-2", "u-1", 2), long_plan("e-3", "u-2", 3), "junk".to_owned()]);
    fixture.run().await;
    assert_eq!((fixture.count("history"), fixture.lines().len()), (1, 1));

    let again = fixture.redrive().await;
    assert_eq!((again.letters, again.redriven, again.kept()), (3, 0, 3));
    assert_eq!(again.rejected, [("NotJson", 1), ("SchemaViolation", 2)].into());

    fixture.allow_plans_of(20);
    let before = fixture.dump();
    let dry = fixture.redrive_with(RedriveOptions { dry_run: true, ..RedriveOptions::default() }).await;
    assert_eq!((dry.redriven, dry.sinks["clean"].get(Outcome::Delivered)), (2, 2));
    assert_eq!(fixture.dump(), before, "a dry run changes nothing");

    let done = fixture.redrive().await;
    assert_eq!((done.letters, done.redriven, done.kept()), (3, 2, 1));
    assert_eq!(done.rejected, [("NotJson", 1)].into());
    for sink in SINKS {
        assert_eq!(done.sinks[sink].get(Outcome::Delivered), 2, "{sink}");
    }
    assert_eq!((fixture.count("profiles"), fixture.count("history"), fixture.lines().len()), (2, 3, 3));
    assert_eq!(fixture.count("lethe_dead_letter"), 1);

    let none = fixture.redrive().await;
    assert_eq!((none.letters, none.redriven), (1, 0));
    let report = fixture.run().await;
    assert_eq!((report.counts.events, fixture.lines().len()), (0, 3), "a run keeps what a redrive wrote to a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_event_older_than_the_profile_is_stale() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[long_plan("old", "u-1", 1), event("new", "u-1", 2)]);
    fixture.run().await;
    fixture.allow_plans_of(20);
    let done = fixture.redrive().await;
    assert_eq!(done.sinks["profiles"].get(Outcome::Stale), 1);
    assert_eq!(done.sinks["history"].get(Outcome::Delivered), 1);
    let newest: String = fixture.sql().query_row("SELECT event_id FROM profiles", [], |row| row.get(0)).unwrap();
    assert_eq!(newest, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_writes_to_sinks_that_lack_the_event_alone() {
    let fixture = PipelineFixture::new();
    let (one, two) = (event("e-1", "u-1", 1), event("e-2", "u-2", 2));
    fixture.feed(std::slice::from_ref(&one));
    fixture.run_refusing("history", &[0]).await;
    fixture.feed(&[two]);
    fixture.run_refusing("clean", &[one.len() as u64 + 1]).await;
    assert_eq!((fixture.count("history"), fixture.lines().len(), fixture.count("lethe_dead_letter")), (1, 1, 2));
    // The sink that lacks the second event is no longer declared.
    let all = std::fs::read_to_string(fixture.path("pipeline.yaml")).unwrap();
    let (start, end) = (all.find("    - name: clean").unwrap(), all.find("  deadLetter").unwrap());
    fixture.write("pipeline.yaml", &format!("{}{}", &all[..start], &all[end..]));
    let done = fixture.redrive().await;
    assert_eq!((done.letters, done.redriven, done.without_sink), (2, 1, 1));
    assert_eq!((done.sinks["profiles"].total(), done.sinks["history"].get(Outcome::Delivered)), (0, 1));
    assert_eq!((fixture.count("history"), fixture.lines().len(), fixture.count("lethe_dead_letter")), (2, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_one_record_are_redriven_together() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[long_plan("e-1", "u-1", 1)]);
    let all = std::fs::read_to_string(fixture.path("pipeline.yaml")).unwrap();
    let (start, end) = (all.find("    - name: history").unwrap(), all.find("    - name: clean").unwrap());
    fixture.write("pipeline.yaml", &format!("{}{}", &all[..start], &all[end..]));
    fixture.run().await;
    // The second letter of the record names the sink that was added, too.
    fixture.write("pipeline.yaml", &all);
    fixture.run_from_start().await;
    assert_eq!(fixture.count("lethe_dead_letter"), 2);
    fixture.allow_plans_of(20);
    let done = fixture.redrive().await;
    assert_eq!((done.letters, done.redriven, done.kept()), (2, 2, 0));
    for sink in SINKS {
        assert_eq!((done.sinks[sink].total(), done.sinks[sink].get(Outcome::Delivered)), (1, 1), "{sink}");
    }
    assert_eq!((fixture.count("history"), fixture.lines().len(), fixture.count("lethe_dead_letter")), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_and_a_limit_select_letters() {
    let fixture = PipelineFixture::new();
    let mut lines: Vec<String> = (0..5).map(|n| long_plan(&format!("e-{n}"), "u-1", n)).collect();
    lines.push("junk".to_owned());
    fixture.feed(&lines);
    fixture.run().await;
    fixture.allow_plans_of(20);
    let reasons: BTreeSet<String> = ["SchemaViolation".to_owned()].into();
    let options = |limit| RedriveOptions { reasons: reasons.clone(), limit, dry_run: false };
    let two = fixture.redrive_with(options(Some(2))).await;
    assert_eq!((two.letters, two.redriven), (2, 2));
    let rest = fixture.redrive_with(options(None)).await;
    assert_eq!((rest.letters, rest.redriven), (3, 3));
    assert_eq!(fixture.count("lethe_dead_letter"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_subject_is_fenced_and_none_of_its_letters_are_kept() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1), long_plan("e-2", "u-1", 2), long_plan("e-3", "u-2", 3)]);
    fixture.run().await;
    assert_eq!(fixture.count("lethe_dead_letter"), 2);
    shred(&fixture, "u-1").await;

    fixture.feed(&[event("e-4", "u-1", 4), long_plan("e-5", "u-1", 5)]);
    let report = fixture.run().await;
    for sink in SINKS {
        assert_eq!(outcomes(&report, sink), [(Outcome::Fenced, 2)], "{sink}");
    }
    assert_eq!(fixture.count("lethe_dead_letter"), 2, "no letter of an erased subject is written");

    let done = fixture.redrive().await;
    assert_eq!((done.letters, done.fenced, done.redriven, done.kept()), (2, 1, 0, 1));
    assert_eq!(fixture.count("lethe_dead_letter"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_without_its_day_key_is_counted_and_removed() {
    let fixture = PipelineFixture::new();
    fixture.feed(&["junk".to_owned()]);
    fixture.run().await;
    let gone = "UPDATE lethe_day_keys SET state = 'destroyed', master = NULL, sealed = NULL";
    fixture.sql().execute(gone, []).unwrap();
    let done = fixture.redrive().await;
    assert_eq!((done.letters, done.expired, fixture.count("lethe_dead_letter")), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_does_not_open_is_kept_and_stops_no_other() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[long_plan("e-1", "u-1", 1), long_plan("e-2", "u-2", 2)]);
    fixture.run().await;
    fixture.sql().execute("UPDATE lethe_dead_letter SET sealed = zeroblob(80) WHERE position = 0", []).unwrap();
    fixture.allow_plans_of(20);
    let done = fixture.redrive().await;
    assert_eq!((done.letters, done.unopened, done.redriven), (2, 1, 1));
    assert_eq!(fixture.count("lethe_dead_letter"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_killed_before_it_removed_its_letters_changes_no_table() {
    let fixture = PipelineFixture::new();
    fixture.feed(&[long_plan("e-1", "u-1", 1), long_plan("e-2", "u-2", 2)]);
    fixture.run().await;
    fixture.allow_plans_of(20);
    fixture.sql().execute_batch("CREATE TABLE kept AS SELECT * FROM lethe_dead_letter").unwrap();
    fixture.redrive().await;
    fixture.sql().execute_batch("INSERT INTO lethe_dead_letter SELECT * FROM kept; DROP TABLE kept").unwrap();
    let again = fixture.redrive().await;
    assert_eq!((again.redriven, again.sinks["history"].get(Outcome::Stale)), (2, 2));
    assert_eq!((fixture.count("profiles"), fixture.count("history"), fixture.count("lethe_dead_letter")), (2, 2, 0));
    // A file gets the events again, as documented.
    assert_eq!(fixture.lines().len(), 4);
}
