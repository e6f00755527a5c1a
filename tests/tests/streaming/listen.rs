//! Probes, metrics and status of a running worker, compared with the topic and the model.

use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::json;

use crate::{
    expected::Expected,
    pipeline_fixture::PipelineFixture,
    soak::{group_progress::GroupProgress, live_worker::LiveWorker},
    topics::{eventually, within},
};
use lethe_tests::{
    folder::{mixed_events, repository},
    model::Verdict,
};

const EVENTS: u64 = 2_000;
const SINKS: [&str; 4] = ["clean", "documents", "history", "profiles"];
const PARTITIONS: u64 = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns labels and values of the series of a metric.
fn series<'p>(page: &'p str, name: &str) -> Vec<(&'p str, f64)> {
    let of_metric = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    of_metric
        .map(|rest| rest.rsplit_once("} ").unwrap())
        .map(|(labels, value)| (labels, value.parse().unwrap()))
        .collect()
}

/// Returns the sum of the series that have all of these labels.
#[track_caller]
fn sum(page: &str, name: &str, labels: &[(&str, &str)]) -> u64 {
    let wanted: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let all = series(page, name);
    assert!(!all.is_empty(), "no {name}: {page}");
    let of = all.iter().filter(|(labels, _)| wanted.iter().all(|label| labels.contains(label)));
    of.map(|(_, value)| *value).sum::<f64>() as u64
}

#[test]
fn metrics_and_status_of_a_worker_add_up() {
    let fixture = PipelineFixture::new();
    fixture.generate(&mixed_events(EVENTS, 5));
    let mut worker = LiveWorker::ready(&fixture);
    GroupProgress::of(&fixture).caught_up(PATIENCE, || worker.assert_running()).unwrap();
    within(PATIENCE, "no partition lags", || {
        worker.status()["source"]["partitions"].as_array().unwrap().iter().all(|partition| partition["lag"] == json!(0))
    });
    let (code, alive) = worker.http_get("/livez").unwrap();
    assert_eq!(code, 200, "{alive}");
    let (status, (_, page)) = (worker.status(), worker.http_get("/metrics").unwrap());

    let expected = Expected::of(&fixture);
    let bytes: usize = expected.judged().iter().filter_map(|judged| judged.record.value.as_ref()).map(Vec::len).sum();
    assert_eq!(sum(&page, "lethe_events_read_total", &[]), EVENTS);
    assert_eq!(sum(&page, "lethe_bytes_read_total", &[]), bytes as u64);
    assert_eq!(sum(&page, "lethe_end_to_end_seconds_count", &[]), EVENTS);
    assert_eq!(sum(&page, "lethe_consumer_lag_records", &[]), 0);
    assert_eq!(sum(&page, "lethe_assigned_partitions", &[]), PARTITIONS);
    for sink in status["sinks"].as_array().unwrap() {
        let name = sink["name"].as_str().unwrap();
        assert!(SINKS.contains(&name), "{name}");
        assert_eq!(sum(&page, "lethe_events_total", &[("sink", name)]), EVENTS, "one outcome of each event");
        assert_eq!(sum(&page, "lethe_sink_in_flight_events", &[("sink", name)]), 0);
        assert_eq!(sum(&page, "lethe_sink_stalled", &[("sink", name)]), 0);
        for (outcome, count) in sink["outcomes"].as_object().unwrap() {
            let counted = sum(&page, "lethe_events_total", &[("sink", name), ("outcome", outcome)]);
            assert_eq!(json!(counted), *count, "{name}, {outcome}");
        }
        let denied = expected.count(|verdict| *verdict == Verdict::Denied);
        assert_eq!(sink["outcomes"]["denied"], json!(denied), "{name}");
    }
    let rejected = expected.count(|verdict| matches!(verdict, Verdict::Rejected { .. }));
    assert!(rejected > 0);
    assert_eq!(sum(&page, "lethe_events_rejected_total", &[]), rejected);
    assert_eq!(sum(&page, "lethe_deadletter_written_total", &[]), rejected);
    assert_eq!(status["deadLetters"]["written"], json!(rejected));
    for (reason, count) in status["deadLetters"]["byReason"].as_object().unwrap() {
        assert_eq!(json!(sum(&page, "lethe_events_rejected_total", &[("reason", reason)])), *count, "{reason}");
    }
    assert_eq!((&status["state"], &status["expiredUnread"]), (&json!("Running"), &json!(0)));
    assert_eq!(status["pipeline"], json!(format!("default.{}", fixture.pipeline())));
    let source = &status["source"];
    assert_eq!((&source["topic"], &source["total"]), (&json!(fixture.source()), &json!(PARTITIONS)));
    check_documented_metrics(&page);
    check_labels(&fixture, &page);

    // One worker has no partition: it is ready and idle.
    let mut more: Vec<LiveWorker> = (0..PARTITIONS).map(|_| LiveWorker::ready(&fixture)).collect();
    eventually("the partitions are divided", || {
        let of_each: Vec<u64> = more.iter().chain([&worker]).map(LiveWorker::partitions).collect();
        of_each.iter().sum::<u64>() == PARTITIONS && of_each.iter().all(|held| *held <= 1)
    });
    for one in more.iter_mut().chain([&mut worker]) {
        one.assert_running();
        assert_eq!(one.http_get("/readyz").unwrap().0, 200);
    }
    assert_eq!(more.into_iter().chain([worker]).map(|worker| worker.stop().events).sum::<u64>(), EVENTS);
}

/// Checks that every metric of docs/operations.md is served with its documented kind.
#[track_caller]
fn check_documented_metrics(page: &str) {
    let guide = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let (_, table) = guide.split_once("written by `make generate`").unwrap();
    let (table, _) = table.split_once("<!-- end of the metrics -->").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 25);
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (name, kind) = (cells[1].trim_matches('`'), cells[2]);
        let family = if kind == "counter" { name.trim_end_matches("_total") } else { name };
        let family = if kind == "info" { family.trim_end_matches("_info") } else { family };
        assert!(page.contains(&format!("# TYPE {family} {kind}\n")), "{name} of kind {kind} is not served: {page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

/// Checks that label values are words of the manifest, words of closed lists, or numbers: none is
/// from an event.
#[track_caller]
fn check_labels(fixture: &PipelineFixture, page: &str) {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, rest)) = line.split_once('{') else { continue };
        let (labels, _) = rest.rsplit_once("} ").unwrap();
        seen.extend(labels.split(',').map(|label| label.split_once('=').unwrap()));
    }
    let (pipeline, topic) = (format!("default.{}", fixture.pipeline()), fixture.source());
    for (label, value) in seen {
        let value = value.trim_matches('"');
        let is_bounded = match label {
            "pipeline" => value == pipeline,
            "topic" => value == topic,
            "partition" => value.parse::<u64>().is_ok_and(|number| number < PARTITIONS),
            "sink" => SINKS.contains(&value) || ["deadLetter", "keyStore", "progress"].contains(&value),
            "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
            // Words of the program.
            "outcome" | "reason" => value.chars().all(char::is_alphanumeric) && value.len() < 30,
            "version" => value == env!("CARGO_PKG_VERSION"),
            _ => false,
        };
        assert!(is_bounded, "{label}={value}");
    }
}
