//! The definition of every metric. Both the registry and docs/operations.md are made from it.

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; starts at 0 with the worker.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations by upper bound: `_bucket`, `_sum` and `_count`.
    Histogram,
    /// Always 1; its labels carry the information.
    Info,
}

impl MetricKind {
    /// Returns the type's name in the exposition format.
    pub const fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::Info => "info",
        }
    }
}

/// A metric's definition.
#[derive(Clone, Copy, Debug)]
pub struct MetricDef {
    /// Its name in PromQL, in base units.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// Its labels, without `pipeline`.
    pub labels: &'static [&'static str],
    /// One sentence for `# HELP` and the docs.
    pub meaning: &'static str,
}

impl MetricDef {
    /// Returns the name without the suffix that the exposition adds for its type.
    pub fn family(&self) -> &'static str {
        let suffix = match self.kind {
            MetricKind::Counter => "_total",
            MetricKind::Info => "_info",
            MetricKind::Gauge | MetricKind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }

    /// Returns the meaning without the full stop, which the exposition adds.
    pub fn help(&self) -> &'static str {
        self.meaning.trim_end_matches('.')
    }

    /// Returns whether it describes the process, not its pipeline.
    pub fn is_process_metric(&self) -> bool {
        self.name.starts_with("process_") || self.kind == MetricKind::Info
    }
}

macro_rules! metrics {
    ($(#[doc = $meaning:literal] $constant:ident = $kind:ident $name:literal [$($label:ident),*],)*) => {
        $(
            #[doc = $meaning]
            pub const $constant: MetricDef = MetricDef {
                name: $name,
                kind: MetricKind::$kind,
                labels: &[$(stringify!($label)),*],
                meaning: $meaning.trim_ascii(),
            };
        )*

        /// All metrics, in the order of the docs.
        pub const ALL: &[MetricDef] = &[$($constant),*];
    };
}

metrics! {
    /// Events read from the source.
    EVENTS_READ = Counter "lethe_events_read_total" [],
    /// Bytes of the values of events read.
    BYTES_READ = Counter "lethe_bytes_read_total" [],
    /// Events by outcome at a sink, once it is durable: one outcome per event and sink.
    EVENTS = Counter "lethe_events_total" [sink, outcome],
    /// Rejected events by reason.
    REJECTED = Counter "lethe_events_rejected_total" [reason],
    /// Events that the source's retention removed before they were read: no sink has them.
    EXPIRED_UNREAD = Counter "lethe_expired_unread_total" [],
    /// Partitions read from their start because their topic was deleted and created again.
    TOPIC_REPLACED = Counter "lethe_topic_replaced_total" [],
    /// Partitions that lost records at their end that were read, as after an unclean election.
    TRUNCATED = Counter "lethe_partition_truncated_total" [],
    /// Dead letters written.
    LETTERS_WRITTEN = Counter "lethe_deadletter_written_total" [],
    /// Dead letters that expired before they were redriven.
    LETTERS_EXPIRED = Counter "lethe_deadletter_expired_total" [],
    /// Time from the record's own timestamp until every sink has acknowledged it.
    END_TO_END = Histogram "lethe_end_to_end_seconds" [],
    /// Time that a sink took to make a batch durable.
    SINK_WRITE = Histogram "lethe_sink_write_seconds" [sink],
    /// Writes that failed and were retried; also for `deadLetter`, `keyStore` and `progress`.
    RETRIES = Counter "lethe_sink_retries_total" [sink],
    /// Events sent to a sink that it has not acknowledged.
    IN_FLIGHT = Gauge "lethe_sink_in_flight_events" [sink],
    /// 1 while a store does not answer; also for `deadLetter`, `keyStore` and `progress`.
    STALLED = Gauge "lethe_sink_stalled" [sink],
    /// Records sent again to an output topic because an answer was lost: it may hold them twice.
    SENT_AGAIN = Counter "lethe_output_duplicates_possible_total" [sink],
    /// Undelivered records of a partition; partitions beyond the first 1,000 are summed as `other`.
    LAG = Gauge "lethe_consumer_lag_records" [topic, partition],
    /// 1 while a partition is not read because the sinks are behind.
    PAUSED = Gauge "lethe_consumer_paused" [topic, partition],
    /// 1 while ids of earlier events of a partition are still being read for dedupe.
    WARMING = Gauge "lethe_warming" [topic, partition],
    /// Partitions that this worker reads.
    ASSIGNED = Gauge "lethe_assigned_partitions" [],
    /// Assignments of partitions, the first one included.
    REBALANCES = Counter "lethe_rebalances_total" [],
    /// Subjects whose keys are cached.
    CACHE_ENTRIES = Gauge "lethe_subject_cache_entries" [],
    /// Events whose subject was cached.
    CACHE_HITS = Counter "lethe_subject_cache_hits_total" [],
    /// Events whose subject was fetched from the key store.
    CACHE_MISSES = Counter "lethe_subject_cache_misses_total" [],
    /// Time that the key store took to answer.
    KEY_STORE_TIME = Histogram "lethe_key_store_seconds" [],
    /// Ids kept for dedupe.
    DEDUPE_IDS = Gauge "lethe_dedupe_ids" [],
    /// The version of the worker.
    BUILD = Info "lethe_build_info" [version],
    /// CPU time used.
    CPU = Counter "process_cpu_seconds_total" [],
    /// Memory in use.
    RESIDENT = Gauge "process_resident_memory_bytes" [],
    /// Open files and connections.
    OPEN_FDS = Gauge "process_open_fds" [],
    /// When the worker started, in seconds since 1970.
    START_TIME = Gauge "process_start_time_seconds" [],
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn metric_names_are_unique() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn names_of_counters_end_in_total_and_of_durations_in_seconds() {
        for metric in ALL {
            assert_eq!(metric.kind == MetricKind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            if metric.kind == MetricKind::Histogram {
                assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
            }
        }
    }

    #[test]
    fn every_meaning_is_a_sentence_that_fits_into_a_table_cell() {
        for metric in ALL {
            assert!(metric.meaning.ends_with('.') && !metric.meaning.contains('|'), "{}", metric.meaning);
        }
    }
}
