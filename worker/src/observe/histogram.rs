//! A histogram of durations. A whole batch is recorded with one addition per bucket, while the
//! histogram of the metrics crate takes a lock per value.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// Upper bounds of the buckets in microseconds, 1 ms to 60 s. One more bucket holds longer
/// durations.
const BOUNDS: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];
const BUCKETS: usize = BOUNDS.len() + 1;

/// A histogram that any thread can record into.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Histogram {
    /// Records one duration.
    pub fn record(&self, took: Duration) {
        let mut tally = Tally::default();
        tally.add(took);
        self.merge(&tally);
    }

    /// Records all durations of a tally.
    pub fn merge(&self, tally: &Tally) {
        for (bucket, count) in self.0.buckets.iter().zip(tally.buckets) {
            if count > 0 {
                bucket.fetch_add(count, Ordering::Relaxed);
            }
        }
        self.0.micros.fetch_add(tally.micros, Ordering::Relaxed);
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        let bounds = BOUNDS.iter().map(|micros| seconds(*micros)).chain([f64::INFINITY]);
        let counts = self.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // The count is the sum of the buckets, so that both agree even while durations are
        // recorded.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(self.0.micros.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// Durations of one batch, collected on one thread.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    buckets: [u64; BUCKETS],
    micros: u64,
}

impl Tally {
    /// Adds one duration.
    pub fn add(&mut self, took: Duration) {
        self.put(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), 1);
    }

    /// Adds the time between two instants in milliseconds since 1970. Counts as zero if `to` is
    /// before `from`, as when the source's clock is ahead.
    pub fn add_between(&mut self, from: i64, to: i64) {
        self.put(u64::try_from(to.saturating_sub(from)).unwrap_or(0).saturating_mul(1_000), 1);
    }

    fn put(&mut self, micros: u64, times: u64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket] += times;
        // Caps each duration at a day, so that records with a timestamp of 1970 don't overflow the
        // sum.
        self.micros += micros.min(86_400_000_000) * times;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    fn exposed(histogram: &Histogram) -> String {
        let mut registry = Registry::default();
        registry.register("t_seconds", "Time", histogram.clone());
        let mut out = String::new();
        encode(&mut out, &registry).unwrap();
        out
    }

    #[test]
    fn a_duration_equal_to_a_bound_counts_in_that_bucket() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(1));
        histogram.record(Duration::from_micros(1_001));
        histogram.record(Duration::from_secs(61));
        let out = exposed(&histogram);
        for line in [
            "t_seconds_bucket{le=\"0.001\"} 1",
            "t_seconds_bucket{le=\"0.0025\"} 2",
            "t_seconds_bucket{le=\"60.0\"} 2",
            "t_seconds_bucket{le=\"+Inf\"} 3",
            "t_seconds_count 3",
        ] {
            assert!(out.lines().any(|found| found == line), "{line} is not in {out}");
        }
    }

    #[test]
    fn recording_a_batch_equals_recording_its_events() {
        let (one_by_one, at_once) = (Histogram::default(), Histogram::default());
        let mut tally = Tally::default();
        for millis in [0, 3, 3, 40, 9_000] {
            one_by_one.record(Duration::from_millis(millis));
            tally.add_between(1_000, 1_000 + i64::try_from(millis).unwrap());
        }
        at_once.merge(&tally);
        assert_eq!(exposed(&one_by_one), exposed(&at_once));
    }

    #[test]
    fn a_future_record_counts_as_zero_and_an_ancient_one_does_not_overflow_the_sum() {
        let histogram = Histogram::default();
        let mut tally = Tally::default();
        tally.add_between(2_000, 1_000);
        tally.add_between(i64::MIN, i64::MAX);
        histogram.merge(&tally);
        let out = exposed(&histogram);
        assert!(out.contains("t_seconds_bucket{le=\"0.001\"} 1\n") && out.contains("t_seconds_sum 86400.0\n"), "{out}");
    }
}
