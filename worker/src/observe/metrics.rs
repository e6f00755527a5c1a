//! Counters and histograms of a pipeline. All series are created with the pipeline. Recording is
//! thus an addition per batch without a look-up, and rates are right from the first event on.

use std::{borrow::Cow, sync::Arc, time::Duration};

use lethe_core::{outcome::Outcome, reason::Reason};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Metric, Registry},
};

use super::{
    PipelineInfo,
    histogram::Histogram,
    metric_defs::{self, MetricDef},
    outages::NON_SINK_STORES,
    process::Process,
    rates::Totals,
    run_state::RunState,
    state_collector::StateCollector,
};
use crate::{clock::now, counts::Counts};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    sink: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Counters and histograms of a pipeline.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    events_read: Counter,
    bytes_read: Counter,
    rejected: [Counter; Reason::ALL.len()],
    expired_unread: Counter,
    topic_replaced: Counter,
    truncated: Counter,
    letters_written: Counter,
    letters_expired: Counter,
    end_to_end: Histogram,
    sinks: Vec<SinkMetrics>,
    retries: Family<SinkLabel, Counter>,
    rebalances: Counter,
    cache_entries: Gauge,
    cache_hits: Counter,
    cache_misses: Counter,
    key_store: Histogram,
    dedupe_ids: Gauge,
}

/// Counters and histograms of one sink.
#[derive(Debug)]
pub struct SinkMetrics {
    name: String,
    outcomes: [Counter; Outcome::ALL.len()],
    write: Histogram,
    in_flight: Gauge,
    sent_again: Counter,
}

impl Metrics {
    pub(super) fn new(info: &PipelineInfo, run_state: &Arc<RunState>) -> Self {
        let mut root = Registry::default();
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        register(&mut root, &metric_defs::BUILD, version);
        root.register_collector(Box::new(Process { started: now() as f64 / 1e3 }));

        let label = (Cow::Borrowed("pipeline"), Cow::Owned(info.pipeline.clone()));
        let registry = root.sub_registry_with_label(label);
        let stores: Vec<String> =
            info.sinks.iter().map(String::as_str).chain(NON_SINK_STORES).map(str::to_owned).collect();
        let rejected = registered::<Family<ReasonLabel, Counter>>(registry, &metric_defs::REJECTED);
        let retries = registered::<Family<SinkLabel, Counter>>(registry, &metric_defs::RETRIES);
        for sink in stores.iter().cloned() {
            retries.get_or_create_owned(&SinkLabel { sink });
        }
        let sinks = SinkMetrics::all(registry, &info.sinks);
        let metrics = Self {
            events_read: registered(registry, &metric_defs::EVENTS_READ),
            bytes_read: registered(registry, &metric_defs::BYTES_READ),
            rejected: Reason::ALL.map(|reason| rejected.get_or_create_owned(&ReasonLabel { reason: reason.code() })),
            expired_unread: registered(registry, &metric_defs::EXPIRED_UNREAD),
            topic_replaced: registered(registry, &metric_defs::TOPIC_REPLACED),
            truncated: registered(registry, &metric_defs::TRUNCATED),
            letters_written: registered(registry, &metric_defs::LETTERS_WRITTEN),
            letters_expired: registered(registry, &metric_defs::LETTERS_EXPIRED),
            end_to_end: registered(registry, &metric_defs::END_TO_END),
            sinks,
            retries,
            rebalances: registered(registry, &metric_defs::REBALANCES),
            cache_entries: registered(registry, &metric_defs::CACHE_ENTRIES),
            cache_hits: registered(registry, &metric_defs::CACHE_HITS),
            cache_misses: registered(registry, &metric_defs::CACHE_MISSES),
            key_store: registered(registry, &metric_defs::KEY_STORE_TIME),
            dedupe_ids: registered(registry, &metric_defs::DEDUPE_IDS),
            registry: Registry::default(),
        };
        registry.register_collector(Box::new(StateCollector { run_state: Arc::clone(run_state), stores }));
        Self { registry: root, ..metrics }
    }

    /// Returns all metrics in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String can't fail, and neither do the encoders of our own metrics.
        let _ = encode(&mut out, &self.registry);
        out
    }

    /// Counts events read from the source, and the bytes of their values.
    pub fn read(&self, events: u64, bytes: u64) {
        self.events_read.inc_by(events);
        self.bytes_read.inc_by(bytes);
    }

    /// Counts the outcomes of a batch, once all of it is durable.
    pub fn done(&self, counts: &Counts) {
        for sink in &self.sinks {
            if let Some(sink_counts) = counts.sinks.get(&sink.name) {
                for outcome in Outcome::ALL {
                    sink.count(outcome, sink_counts.get(outcome));
                }
            }
        }
        for reason in Reason::ALL {
            if let Some(events) = counts.rejected.get(reason.code()) {
                self.rejected[reason as usize].inc_by(*events);
            }
        }
    }

    /// Returns the metrics of a sink, by its index in the pipeline.
    pub fn sink(&self, at: usize) -> Option<&SinkMetrics> {
        self.sinks.get(at)
    }

    /// Counts events that the source's retention removed before they were read.
    pub fn expired_unread(&self, events: u64) {
        self.expired_unread.inc_by(events);
    }

    /// Counts a partition that is read from its start because its topic was replaced.
    pub fn topic_replaced(&self) {
        self.topic_replaced.inc();
    }

    /// Counts a partition that lost records at its end.
    pub fn truncated(&self) {
        self.truncated.inc();
    }

    /// Counts dead letters that are durable.
    pub fn letters_written(&self, letters: u64) {
        self.letters_written.inc_by(letters);
    }

    /// Counts dead letters that expired.
    pub fn letters_expired(&self, letters: u64) {
        self.letters_expired.inc_by(letters);
    }

    /// Returns the histogram of times from records to their acknowledgement by all sinks. Record a
    /// batch with a [`super::Tally`].
    pub fn end_to_end(&self) -> &Histogram {
        &self.end_to_end
    }

    /// Records the duration of a call of the key store.
    pub fn key_store(&self, took: Duration) {
        self.key_store.record(took);
    }

    /// Counts an assignment of partitions.
    pub fn rebalanced(&self) {
        self.rebalances.inc();
    }

    /// Sets the number of cached subjects, and counts the cache hits and misses of a batch.
    pub fn subjects(&self, entries: usize, hits: u64, misses: u64) {
        self.cache_entries.set(entries as i64);
        self.cache_hits.inc_by(hits);
        self.cache_misses.inc_by(misses);
    }

    /// Sets the number of ids kept for dedupe.
    pub fn dedupe_ids(&self, ids: usize) {
        self.dedupe_ids.set(ids as i64);
    }

    pub(super) fn retried(&self, name: &str) {
        if let Some(counter) = self.retries.get(&SinkLabel { sink: name.to_owned() }) {
            counter.inc();
        }
    }

    pub(super) fn retries(&self, name: &str) -> u64 {
        self.retries.get(&SinkLabel { sink: name.to_owned() }).map_or(0, |counter| counter.get())
    }

    pub(super) fn totals(&self) -> Totals {
        let sink_total = |sink: &SinkMetrics| sink.outcomes.iter().map(Counter::get).sum();
        Totals {
            events: self.events_read.get(),
            bytes: self.bytes_read.get(),
            dead_letters: self.letters_written.get(),
            sinks: self.sinks.iter().map(sink_total).collect(),
        }
    }

    pub(super) fn snapshot(&self) -> CounterSnapshot {
        CounterSnapshot {
            expired_unread: self.expired_unread.get(),
            letters_written: self.letters_written.get(),
            letters_expired: self.letters_expired.get(),
            rejected: Reason::ALL.map(|reason| (reason.code(), self.rejected[reason as usize].get())),
            cache: (self.cache_entries.get(), self.cache_hits.get(), self.cache_misses.get()),
            dedupe_ids: self.dedupe_ids.get(),
        }
    }
}

/// Values that `/status` shows.
pub(super) struct CounterSnapshot {
    pub(super) expired_unread: u64,
    pub(super) letters_written: u64,
    pub(super) letters_expired: u64,
    pub(super) rejected: [(&'static str, u64); Reason::ALL.len()],
    /// Entries, hits, misses.
    pub(super) cache: (i64, u64, u64),
    pub(super) dedupe_ids: i64,
}

impl SinkMetrics {
    fn all(registry: &mut Registry, names: &[String]) -> Vec<Self> {
        let events = registered::<Family<OutcomeLabels, Counter>>(registry, &metric_defs::EVENTS);
        let write = registered::<Family<SinkLabel, Histogram>>(registry, &metric_defs::SINK_WRITE);
        let in_flight = registered::<Family<SinkLabel, Gauge>>(registry, &metric_defs::IN_FLIGHT);
        let sent_again = registered::<Family<SinkLabel, Counter>>(registry, &metric_defs::SENT_AGAIN);
        let one = |name: &String| {
            let label = SinkLabel { sink: name.clone() };
            let outcome_labels = |outcome: Outcome| OutcomeLabels { sink: name.clone(), outcome: outcome.name() };
            Self {
                name: name.clone(),
                outcomes: Outcome::ALL.map(|outcome| events.get_or_create_owned(&outcome_labels(outcome))),
                write: write.get_or_create_owned(&label),
                in_flight: in_flight.get_or_create_owned(&label),
                sent_again: sent_again.get_or_create_owned(&label),
            }
        };
        names.iter().map(one).collect()
    }

    /// Counts events with an outcome.
    pub fn count(&self, outcome: Outcome, events: u64) {
        if events > 0 {
            self.outcomes[outcome as usize].inc_by(events);
        }
    }

    /// Counts a batch that is sent to the sink.
    pub fn batch_sent(&self, events: usize) {
        self.in_flight.inc_by(events as i64);
    }

    /// Counts a batch that is durable or was given up, and records how long its write took.
    pub fn batch_written(&self, events: usize, took: Duration) {
        self.in_flight.dec_by(events as i64);
        self.write.record(took);
    }

    /// Counts records that were sent again to an output topic.
    pub fn sent_again(&self, records: u64) {
        self.sent_again.inc_by(records);
    }

    pub(super) fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].get()
    }

    pub(super) fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }
}

fn register(registry: &mut Registry, def: &MetricDef, metric: impl Metric) {
    registry.register(def.family(), def.help(), metric);
}

fn registered<M: Metric + Clone + Default>(registry: &mut Registry, def: &MetricDef) -> M {
    let metric = M::default();
    register(registry, def, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;
    use crate::observe::{
        Partition,
        metric_defs::ALL,
        tests::fixtures::{kafka, labels},
    };

    #[test]
    fn exactly_the_defined_metrics_are_exposed() {
        let instruments = kafka();
        instruments.run_state.assign([0]);
        let text = instruments.metrics.text();
        let exposed: BTreeSet<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        let defined: BTreeSet<(&str, &str)> = ALL.iter().map(|one| (one.family(), one.kind.name())).collect();
        assert_eq!(exposed, defined);
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn every_series_has_the_defined_labels() {
        let instruments = kafka();
        instruments.run_state.assign([0]);
        for line in instruments.metrics.text().lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let find = |name: &str| ALL.iter().find(|one| one.name == name);
            let def = find(name).or_else(|| find(base?)).unwrap();
            let mut wanted: BTreeSet<&str> = def.labels.iter().copied().collect();
            if !def.is_process_metric() {
                wanted.insert("pipeline");
            }
            let all = labels(line);
            let found: BTreeSet<&str> = all.iter().map(|(label, _)| *label).filter(|label| *label != "le").collect();
            assert_eq!(found, wanted, "{line}");
        }
    }

    #[test]
    fn label_values_are_words_of_the_manifest_or_of_a_closed_list() {
        let instruments = kafka();
        instruments.run_state.assign(0..2_000);
        let mut words: BTreeSet<String> = ["shop.profiles", "profiles", "history", "user_profiles", "other"]
            .into_iter()
            .chain(NON_SINK_STORES)
            .chain([env!("CARGO_PKG_VERSION")])
            .chain(Outcome::ALL.map(Outcome::name))
            .chain(Reason::ALL.map(Reason::code))
            .map(str::to_owned)
            .collect();
        words.extend((0..1_000).map(|partition: i32| partition.to_string()));
        let text = instruments.metrics.text();
        for (label, value) in text.lines().flat_map(labels) {
            assert!(label == "le" || words.contains(value), "{label}={value}");
        }
    }

    #[test]
    fn partitions_beyond_the_cap_are_summed() {
        let instruments = kafka();
        instruments.run_state.assign(0..1_003);
        let far = Partition { committed: Some(10), high_watermark: Some(15), paused: true, ..Partition::default() };
        instruments.run_state.update_partitions((0..1_003).map(|partition| (partition, far)));
        instruments.run_state.set_warming([1_001], true);
        let text = instruments.metrics.text();
        let gauge = |name: &str, partition: &str| {
            let begin =
                format!("{name}{{pipeline=\"shop.profiles\",topic=\"user_profiles\",partition=\"{partition}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&begin)?.parse::<u64>().ok())
        };
        assert_eq!(
            (gauge("lethe_consumer_lag_records", "999"), gauge("lethe_consumer_lag_records", "1000")),
            (Some(5), None)
        );
        assert_eq!(
            (gauge("lethe_consumer_lag_records", "other"), gauge("lethe_consumer_paused", "other")),
            (Some(15), Some(3))
        );
        assert_eq!(gauge("lethe_warming", "other"), Some(1));
        assert!(text.contains("lethe_assigned_partitions{pipeline=\"shop.profiles\"} 1003\n"));
    }

    #[test]
    fn outcomes_of_a_batch_are_counted_by_sink_and_by_reason() {
        let instruments = kafka();
        let mut counts = Counts::default();
        for sink in ["profiles", "history"] {
            counts.sinks.entry(sink.to_owned()).or_default().add(Outcome::Delivered, 7);
        }
        counts.reject(Reason::NotJson);
        instruments.metrics.done(&counts);
        instruments.metrics.done(&counts);
        let text = instruments.metrics.text();
        for line in [
            "lethe_events_total{pipeline=\"shop.profiles\",sink=\"history\",outcome=\"delivered\"} 14",
            "lethe_events_total{pipeline=\"shop.profiles\",sink=\"profiles\",outcome=\"rejected\"} 2",
            "lethe_events_total{pipeline=\"shop.profiles\",sink=\"profiles\",outcome=\"fenced\"} 0",
            "lethe_events_rejected_total{pipeline=\"shop.profiles\",reason=\"NotJson\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }

    #[test]
    fn events_sent_to_a_sink_are_in_flight_until_it_answers() {
        let instruments = kafka();
        let sink = instruments.metrics.sink(0).unwrap();
        sink.batch_sent(500);
        sink.batch_sent(20);
        sink.batch_written(500, Duration::from_millis(3));
        assert_eq!(sink.in_flight(), 20);
    }
}
