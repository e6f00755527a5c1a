//! The answer of `/status`, built from the counters and the run state for each request.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lethe_core::outcome::Outcome;
use serde::Serialize;

use super::{
    Instruments,
    outages::NON_SINK_STORES,
    run_state::{self, MAX_LISTED, State, StateSnapshot},
};

/// The status of a running pipeline.
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

/// Rates over the last minute.
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

/// A sink or another store.
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
        #[serde(rename = "strangers")]
        foreign_members: Option<usize>,
        total: usize,
        partitions: Vec<Partition>,
    },
    File {
        path: String,
        bytes_read: u64,
        bytes_total: Option<u64>,
    },
}

/// Unknown values are `null`.
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
        let info = &instruments.info;
        let (state, metrics) = (instruments.run_state.snapshot(), &instruments.metrics);
        let (snapshot, rates) = (metrics.snapshot(), instruments.rates.per_second());
        let store = |name: &str| Store::new(name, metrics.retries(name), &state);
        let sinks = info.sinks.iter().enumerate().filter_map(|(at, name)| {
            let counters = metrics.sink(at)?;
            Some(Sink {
                store: store(name),
                outcomes: Outcome::ALL.map(|outcome| (outcome.name(), counters.outcome(outcome))).into(),
                events_per_second: tenths(rates.sinks.get(at).copied().unwrap_or_default()),
                in_flight: counters.in_flight(),
            })
        });
        let (entries, hits, misses) = snapshot.cache;
        Self {
            pipeline: info.pipeline.clone(),
            version: env!("CARGO_PKG_VERSION"),
            config_hash: info.config_hash.clone(),
            revision: info.revision,
            state: state.state,
            since: instant(state.since),
            rates: Rates {
                events_per_second: tenths(rates.events),
                bytes_per_second: tenths(rates.bytes),
                dead_letters_per_second: tenths(rates.dead_letters),
            },
            sinks: sinks.collect(),
            stores: NON_SINK_STORES.map(store).into(),
            dead_letters: DeadLetters {
                written: snapshot.letters_written,
                expired: snapshot.letters_expired,
                by_reason: snapshot.rejected.into_iter().filter(|(_, events)| *events > 0).collect(),
            },
            expired_unread: snapshot.expired_unread,
            subject_cache: SubjectCache { entries, hits, misses },
            dedupe_ids: snapshot.dedupe_ids,
            unclassified_fields: state.unclassified.clone(),
            source: Source::new(state),
        }
    }
}

impl Store {
    fn new(name: &str, retries: u64, state: &StateSnapshot) -> Self {
        let outage = state.outages.get(name);
        Self {
            name: name.to_owned(),
            retries,
            stalled_since: outage.and_then(|outage| outage.since).map(instant),
            last_error: outage.map(|outage| LastError { at: instant(outage.at), message: outage.message.clone() }),
        }
    }
}

impl Source {
    fn new(state: StateSnapshot) -> Self {
        match state.source {
            run_state::SourceInfo::File { path } => {
                let bytes_total = (state.bytes_total > 0).then_some(state.bytes_total);
                Source::File { path, bytes_read: state.bytes_read, bytes_total }
            }
            run_state::SourceInfo::Kafka { topic, group } => {
                let (assigned, warming) = (state.assigned.unwrap_or_default(), state.warming);
                let total = assigned.len();
                let partitions = assigned.into_iter().take(MAX_LISTED).map(|(number, at)| Partition {
                    number,
                    committed: at.committed,
                    position: at.position,
                    high_watermark: at.high_watermark,
                    lag: at.lag(),
                    paused: at.paused,
                    warming: warming.contains(&number),
                });
                let (connected, foreign_members) = (state.connected, state.foreign_members);
                Source::Kafka { topic, group, connected, foreign_members, total, partitions: partitions.collect() }
            }
        }
    }
}

fn instant(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |at| at.to_string())
}

/// Rounds a rate to one decimal place.
fn tenths(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        counts::Counts,
        observe::{Partition, Phase, tests::fixtures},
    };

    fn status(instruments: &Instruments) -> Value {
        serde_json::to_value(instruments.status()).unwrap()
    }

    #[test]
    fn a_status_shows_the_counters_and_the_run_state() {
        let instruments = fixtures::kafka();
        let run_state = &instruments.run_state;
        run_state.stores_opened();
        run_state.set_connected(true);
        assert!(run_state.set_foreign_members(2) && !run_state.set_foreign_members(2), "only a change is reported");
        run_state.assign([3]);
        run_state.set_phase(Phase::Running);
        let far = Partition { committed: Some(90), position: Some(95), high_watermark: Some(100), paused: false };
        run_state.update_partitions([(3, far)]);
        run_state.store_failed(1_000, "history", "docs is not available: no primary".to_owned());
        let mut counts = Counts::default();
        counts.sinks.entry("profiles".to_owned()).or_default().add(Outcome::Delivered, 7);
        instruments.metrics.done(&counts);
        let shown = status(&instruments);
        assert_eq!(shown["pipeline"], "shop.profiles");
        assert_eq!(shown["state"], "Stalled");
        assert_eq!(shown["since"], "1970-01-01T00:00:01Z");
        assert_eq!(shown["sinks"][0]["outcomes"]["delivered"], 7);
        assert_eq!(shown["sinks"][0]["stalledSince"], Value::Null);
        assert_eq!(shown["sinks"][1]["stalledSince"], "1970-01-01T00:00:01Z");
        assert_eq!(shown["sinks"][1]["lastError"]["message"], "docs is not available: no primary");
        let row = json!({"partition": 3, "committed": 90, "position": 95, "highWatermark": 100, "lag": 10,
            "paused": false, "warming": false});
        assert_eq!(
            shown["source"],
            json!({"topic": "user_profiles", "group": "lethe.shop.profiles",
            "connected": true, "strangers": 2, "total": 1, "partitions": [row]})
        );
        assert_eq!(shown["unclassifiedFields"], json!([]));
    }

    #[test]
    fn a_status_lists_a_thousand_partitions_and_their_total() {
        let instruments = fixtures::kafka();
        instruments.run_state.assign(0..1_500);
        let source = &status(&instruments)["source"];
        assert_eq!(
            (source["total"].as_u64(), source["partitions"].as_array().map(Vec::len)),
            (Some(1_500), Some(1_000))
        );
    }

    #[test]
    fn the_status_of_a_file_pipeline_shows_the_bytes_read() {
        let instruments = fixtures::file();
        instruments.run_state.set_file_progress(10, 0);
        let wanted = json!({"path": "in/*.ndjson", "bytesRead": 10, "bytesTotal": null});
        assert_eq!(status(&instruments)["source"], wanted);
    }
}
