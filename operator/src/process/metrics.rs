//! Metrics of the operator. Labels come from short lists, never from names of objects or texts of
//! errors.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfOutcome {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfError {
    kind: &'static str,
    error: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRequest {
    verb: &'static str,
    code: String,
}

/// The operator's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<OfOutcome, Counter>,
    errors: Family<OfError, Counter>,
    took: Family<OfKind, Histogram, fn() -> Histogram>,
    in_flight: Family<OfKind, Gauge>,
    queue: Family<OfKind, Gauge>,
    watch_errors: Family<OfKind, Counter>,
    requests: Family<OfRequest, Counter>,
    leads: Gauge,
    objects: Family<OfKind, Gauge<i64>>,
    renewed: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("lethe_operator");
        let took: Family<OfKind, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0]));
        let metrics = Self {
            reconciles: Family::default(),
            errors: Family::default(),
            took,
            in_flight: Family::default(),
            queue: Family::default(),
            watch_errors: Family::default(),
            requests: Family::default(),
            leads: Gauge::default(),
            objects: Family::default(),
            renewed: Gauge::default(),
            registry: Registry::default(),
        };
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        registry.register("reconciles", "Reconciles that ended, by outcome", metrics.reconciles.clone());
        registry.register("reconcile_errors", "Reconciles that failed, by error", metrics.errors.clone());
        registry.register("reconcile_duration_seconds", "How long reconciles took", metrics.took.clone());
        registry.register("reconciles_in_flight", "Reconciles under way", metrics.in_flight.clone());
        registry.register("queue", "Objects that are to be reconciled and wait", metrics.queue.clone());
        registry.register("watch_errors", "Watches that were cut off", metrics.watch_errors.clone());
        registry.register("api_requests", "Requests to the API server that were answered", metrics.requests.clone());
        registry.register("objects", "Objects that are watched", metrics.objects.clone());
        registry.register("leader", "1 while this process leads", metrics.leads.clone());
        registry.register(
            "lease_renewed_boottime_seconds",
            "When the lease was renewed last, by the machine's clock since its start",
            metrics.renewed.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Records that a reconcile started.
    pub fn reconcile_started(&self, kind: &'static str) {
        self.in_flight.get_or_create(&OfKind { kind }).inc();
    }

    /// Records that a reconcile ended; `error` is the label of its error, if it failed.
    pub fn reconcile_ended(&self, kind: &'static str, took: Duration, error: Option<&'static str>) {
        self.in_flight.get_or_create(&OfKind { kind }).dec();
        self.took.get_or_create(&OfKind { kind }).observe(took.as_secs_f64());
        let outcome = if error.is_some() { "error" } else { "success" };
        self.reconciles.get_or_create(&OfOutcome { kind, outcome }).inc();
        if let Some(error) = error {
            self.errors.get_or_create(&OfError { kind, error }).inc();
        }
    }

    /// Adds `more` (or, if negative, removes) objects of a kind to the number that wait to be
    /// reconciled.
    pub fn queued(&self, kind: &'static str, more: i64) {
        self.queue.get_or_create(&OfKind { kind }).inc_by(more);
    }

    /// Records that a watch failed.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&OfKind { kind }).inc();
    }

    /// Sets the number of objects of a kind.
    pub fn objects(&self, kind: &'static str, count: usize) {
        self.objects.get_or_create(&OfKind { kind }).set(count as i64);
    }

    /// Records a request to the API server and the status of its response, if there was one.
    pub fn request_ended(&self, verb: &'static str, code: Option<u16>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.requests.get_or_create(&OfRequest { verb, code }).inc();
    }

    /// Sets whether this process leads, and when it last renewed its Lease.
    pub fn set_leader(&self, leads: bool, renewed: Duration) {
        self.leads.set(i64::from(leads));
        self.renewed.set(renewed.as_secs_f64());
    }

    /// Returns all metrics as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String can't fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Measures a reconcile. It is recorded when this is dropped, so that a cancelled one counts too.
pub struct ReconcileTimer {
    metrics: Arc<Metrics>,
    kind: &'static str,
    since: std::time::Instant,
    error: Option<&'static str>,
}

impl ReconcileTimer {
    /// Starts the measurement.
    pub fn start(metrics: &Arc<Metrics>, kind: &'static str) -> Self {
        metrics.reconcile_started(kind);
        Self { metrics: Arc::clone(metrics), kind, since: std::time::Instant::now(), error: Some("cancelled") }
    }

    /// Ends the measurement; `error` is the label of the reconcile's error, if it failed.
    pub fn end(mut self, error: Option<&'static str>) {
        self.error = error;
    }
}

impl Drop for ReconcileTimer {
    fn drop(&mut self) {
        self.metrics.reconcile_ended(self.kind, self.since.elapsed(), self.error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconcile_is_counted_once_by_outcome_and_by_error() {
        let metrics = Arc::new(Metrics::default());
        ReconcileTimer::start(&metrics, "ProfilePipeline").end(None);
        ReconcileTimer::start(&metrics, "ProfilePipeline").end(Some("conflict"));
        metrics.request_ended("patch", Some(409));
        let text = metrics.text();
        for line in [
            "lethe_operator_reconciles_total{kind=\"ProfilePipeline\",outcome=\"success\"} 1",
            "lethe_operator_reconcile_errors_total{kind=\"ProfilePipeline\",error=\"conflict\"} 1",
            "lethe_operator_reconciles_in_flight{kind=\"ProfilePipeline\"} 0",
            "lethe_operator_api_requests_total{verb=\"patch\",code=\"409\"} 1",
            "lethe_operator_reconcile_duration_seconds_count{kind=\"ProfilePipeline\"} 2",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
