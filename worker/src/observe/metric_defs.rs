//! Every metric, once: what is registered and what docs/operations.md says both come from here.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, and begins at 0 when the worker starts.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many were at most how large; `_bucket`, `_sum` and `_count`.
    Histogram,
    /// Always 1; its labels say something.
    Info,
}

impl MetricKind {
    /// As in the exposition.
    pub const fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::Info => "info",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricDef {
    /// As it is asked for in PromQL, in base units.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// Its labels beside `pipeline`.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence.
    pub meaning: &'static str,
}

impl MetricDef {
    /// Its name without the suffix that the exposition adds by its kind.
    pub fn family(&self) -> &'static str {
        let suffix = match self.kind {
            MetricKind::Counter => "_total",
            MetricKind::Info => "_info",
            MetricKind::Gauge | MetricKind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }

    /// Its meaning without the full stop, which the exposition adds.
    pub fn help(&self) -> &'static str {
        self.meaning.trim_end_matches('.')
    }

    /// Whether it is about the process, not about its pipeline.
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

        /// Every metric, in the order they are shown.
        pub const ALL: &[MetricDef] = &[$($constant),*];
    };
}

metrics! {
    /// Events read from the source.
    EVENTS_READ = Counter "lethe_events_read_total" [],
    /// Bytes of the values of events read.
    BYTES_READ = Counter "lethe_bytes_read_total" [],
    /// Events by what became of them at a sink, once it is durable: one outcome per event and sink.
    EVENTS = Counter "lethe_events_total" [sink, outcome],
    /// Rejected events by reason.
    REJECTED = Counter "lethe_events_rejected_total" [reason],
    /// Events that the source dropped before they were read: they are lost to every sink.
    EXPIRED_UNREAD = Counter "lethe_expired_unread_total" [],
    /// Dead letters written.
    LETTERS_WRITTEN = Counter "lethe_deadletter_written_total" [],
    /// Dead letters whose time was up before anybody redrove them.
    LETTERS_EXPIRED = Counter "lethe_deadletter_expired_total" [],
    /// Time from the record's own timestamp to the moment when every sink had it.
    END_TO_END = Histogram "lethe_end_to_end_seconds" [],
    /// Time that a sink took to make a batch durable.
    SINK_WRITE = Histogram "lethe_sink_write_seconds" [sink],
    /// Writes that failed and were tried again; `deadLetter`, `keyStore` and `progress` stand beside the sinks.
    RETRIES = Counter "lethe_sink_retries_total" [sink],
    /// Events handed to a sink that it has not answered for.
    IN_FLIGHT = Gauge "lethe_sink_in_flight_events" [sink],
    /// 1 while a store is waited for; `deadLetter`, `keyStore` and `progress` stand beside the sinks.
    STALLED = Gauge "lethe_sink_stalled" [sink],
    /// Records sent again to an output topic because an answer was lost: they may stand there twice.
    SENT_AGAIN = Counter "lethe_output_duplicates_possible_total" [sink],
    /// Records of a partition that are not delivered yet; partitions beyond the first 1,000 are summed as `other`.
    LAG = Gauge "lethe_consumer_lag_records" [topic, partition],
    /// 1 while a partition is not read because the sinks are behind.
    PAUSED = Gauge "lethe_consumer_paused" [topic, partition],
    /// 1 while ids of earlier events of a partition are still being read for dedupe.
    WARMING = Gauge "lethe_warming" [topic, partition],
    /// Partitions that this worker reads.
    ASSIGNED = Gauge "lethe_assigned_partitions" [],
    /// Times that partitions were assigned anew.
    REBALANCES = Counter "lethe_rebalances_total" [],
    /// Subjects whose keys are at hand.
    CACHE_ENTRIES = Gauge "lethe_subject_cache_entries" [],
    /// Events whose subject was at hand.
    CACHE_HITS = Counter "lethe_subject_cache_hits_total" [],
    /// Events whose subject was looked up in the key store.
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
    fn no_two_metrics_share_a_name() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn a_counter_ends_in_total_and_a_time_in_seconds() {
        for metric in ALL {
            assert_eq!(metric.kind == MetricKind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            if metric.kind == MetricKind::Histogram {
                assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
            }
        }
    }

    #[test]
    fn every_meaning_is_a_sentence_that_fits_into_a_cell() {
        for metric in ALL {
            assert!(metric.meaning.ends_with('.') && !metric.meaning.contains('|'), "{}", metric.meaning);
        }
    }
}
