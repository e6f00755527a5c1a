//! The answer of `/status`: made anew from counters and board each time it is asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lethe_core::outcome::Outcome;
use serde::Serialize;

use super::{
    Instruments,
    board::{self, Facts, SHOWN, State},
    stalls::OTHERS,
};

/// What a running pipeline says of itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pipeline: String,
    version: &'static str,
    config_hash: String,
    revision: u8,
    state: State,
    since: String,
    rates: Rates,
    sinks: Vec<Sink>,
    stores: Vec<Store>,
    source: Source,
    dead_letters: DeadLetters,
    expired_unread: u64,
    subject_cache: SubjectCache,
    dedupe_ids: i64,
    unclassified_fields: Vec<String>,
}

/// Over the last minute.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "they are written so")]
struct Rates {
    events_per_second: f64,
    bytes_per_second: f64,
    dead_letters_per_second: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sink {
    #[serde(flatten)]
    store: Store,
    outcomes: BTreeMap<&'static str, u64>,
    events_per_second: f64,
    in_flight: i64,
}

/// A store that can be waited for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    name: String,
    retries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stalled_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<LastError>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LastError {
    at: String,
    message: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Source {
    Kafka {
        topic: String,
        group: String,
        connected: bool,
        strangers: Option<usize>,
        total: usize,
        partitions: Vec<Partition>,
    },
    File {
        path: String,
        bytes_read: u64,
        bytes_total: Option<u64>,
    },
}

/// What isn't known is `null`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Partition {
    #[serde(rename = "partition")]
    number: i32,
    committed: Option<u64>,
    position: Option<u64>,
    high_watermark: Option<u64>,
    lag: Option<u64>,
    paused: bool,
    warming: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetters {
    written: u64,
    expired: u64,
    by_reason: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectCache {
    entries: i64,
    hits: u64,
    misses: u64,
}

impl Status {
    pub(super) fn new(instruments: &Instruments) -> Self {
        let about = &instruments.about;
        let (facts, metrics) = (instruments.board.facts(), &instruments.metrics);
        let (snapshot, rates) = (metrics.snapshot(), instruments.rates.per_second());
        let store = |name: &str| Store::new(name, metrics.retries(name), &facts);
        let sinks = about.sinks.iter().enumerate().filter_map(|(at, name)| {
            let of_sink = metrics.sink(at)?;
            Some(Sink {
                store: store(name),
                outcomes: Outcome::ALL.map(|outcome| (outcome.name(), of_sink.outcome(outcome))).into(),
                events_per_second: tenths(rates.sinks.get(at).copied().unwrap_or_default()),
                in_flight: of_sink.in_flight(),
            })
        });
        let (entries, hits, misses) = snapshot.cache;
        Self {
            pipeline: about.pipeline.clone(),
            version: env!("CARGO_PKG_VERSION"),
            config_hash: about.config_hash.clone(),
            revision: about.revision,
            state: facts.state,
            since: instant(facts.since),
            rates: Rates {
                events_per_second: tenths(rates.events),
                bytes_per_second: tenths(rates.bytes),
                dead_letters_per_second: tenths(rates.dead_letters),
            },
            sinks: sinks.collect(),
            stores: OTHERS.map(store).into(),
            dead_letters: DeadLetters {
                written: snapshot.letters_written,
                expired: snapshot.letters_expired,
                by_reason: snapshot.rejected.into_iter().filter(|(_, events)| *events > 0).collect(),
            },
            expired_unread: snapshot.expired_unread,
            subject_cache: SubjectCache { entries, hits, misses },
            dedupe_ids: snapshot.dedupe_ids,
            unclassified_fields: facts.unclassified.clone(),
            source: Source::new(facts),
        }
    }
}

impl Store {
    fn new(name: &str, retries: u64, facts: &Facts) -> Self {
        let trouble = facts.troubles.get(name);
        Self {
            name: name.to_owned(),
            retries,
            stalled_since: trouble.and_then(|trouble| trouble.since).map(instant),
            last_error: trouble.map(|trouble| LastError { at: instant(trouble.at), message: trouble.message.clone() }),
        }
    }
}

impl Source {
    fn new(facts: Facts) -> Self {
        match facts.source {
            board::Source::File { path } => {
                let bytes_total = (facts.bytes_total > 0).then_some(facts.bytes_total);
                Source::File { path, bytes_read: facts.bytes_read, bytes_total }
            }
            board::Source::Kafka { topic, group } => {
                let (assigned, warming) = (facts.assigned.unwrap_or_default(), facts.warming);
                let total = assigned.len();
                let partitions = assigned.into_iter().take(SHOWN).map(|(number, at)| Partition {
                    number,
                    committed: at.committed,
                    position: at.position,
                    high_watermark: at.high_watermark,
                    lag: at.lag(),
                    paused: at.paused,
                    warming: warming.contains(&number),
                });
                let (connected, strangers) = (facts.connected, facts.strangers);
                Source::Kafka { topic, group, connected, strangers, total, partitions: partitions.collect() }
            }
        }
    }
}

fn instant(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |at| at.to_string())
}

/// A rate to one digit after the point: more is noise.
fn tenths(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        observe::{Partition, Phase, testing},
        run::Counts,
    };

    fn status(instruments: &Instruments) -> Value {
        serde_json::to_value(instruments.status()).unwrap()
    }

    #[test]
    fn a_status_says_what_counters_and_board_hold() {
        let instruments = testing::kafka();
        let board = &instruments.board;
        board.opened();
        board.connected(true);
        assert!(board.strangers(2) && !board.strangers(2), "news once");
        board.assign([3]);
        board.phase(Phase::Running);
        let far = Partition { committed: Some(90), position: Some(95), high_watermark: Some(100), paused: false };
        board.partitions([(3, far)]);
        board.stalled(1_000, "history", "docs is not available: no primary".to_owned());
        let mut counts = Counts::default();
        counts.sinks.entry("profiles".to_owned()).or_default().add(Outcome::Delivered, 7);
        instruments.metrics.done(&counts);
        let said = status(&instruments);
        assert_eq!(said["pipeline"], "shop.profiles");
        assert_eq!(said["state"], "Stalled");
        assert_eq!(said["since"], "1970-01-01T00:00:01Z");
        assert_eq!(said["sinks"][0]["outcomes"]["delivered"], 7);
        assert_eq!(said["sinks"][0]["stalledSince"], Value::Null);
        assert_eq!(said["sinks"][1]["stalledSince"], "1970-01-01T00:00:01Z");
        assert_eq!(said["sinks"][1]["lastError"]["message"], "docs is not available: no primary");
        let row = json!({"partition": 3, "committed": 90, "position": 95, "highWatermark": 100, "lag": 10,
            "paused": false, "warming": false});
        assert_eq!(
            said["source"],
            json!({"topic": "user_profiles", "group": "lethe.shop.profiles",
            "connected": true, "strangers": 2, "total": 1, "partitions": [row]})
        );
        assert_eq!(said["unclassifiedFields"], json!([]));
    }

    #[test]
    fn a_status_lists_a_thousand_partitions_and_says_how_many_there_are() {
        let instruments = testing::kafka();
        instruments.board.assign(0..1_500);
        let source = &status(&instruments)["source"];
        assert_eq!(
            (source["total"].as_u64(), source["partitions"].as_array().map(Vec::len)),
            (Some(1_500), Some(1_000))
        );
    }

    #[test]
    fn a_pipeline_of_files_says_how_far_they_are_read() {
        let instruments = testing::file();
        instruments.board.file(10, 0);
        let wanted = json!({"path": "in/*.ndjson", "bytesRead": 10, "bytesTotal": null});
        assert_eq!(status(&instruments)["source"], wanted);
    }
}
