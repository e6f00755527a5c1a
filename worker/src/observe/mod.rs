//! What a running worker exposes: metrics, its state, its liveness, and the HTTP server for all of
//! them. Nothing here receives a value of an event: only numbers, words of the manifest, and codes.

mod histogram;
mod liveness;
mod metric_defs;
mod metrics;
mod outages;
mod process;
mod rates;
mod run_state;
mod server;
mod state_collector;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use histogram::{Histogram, Tally};
pub use liveness::{Heartbeat, Liveness};
pub use metric_defs::{ALL as METRICS, MetricDef, MetricKind};
pub use metrics::{Metrics, SinkMetrics};
pub use outages::{DEAD_LETTER, KEY_STORE, PROGRESS};
pub use run_state::{Partition, Phase, RunState, SourceInfo};
pub use server::{BoundListener, ListenError, RunningServer};
pub use status::Status;

use lethe_core::pipeline::{Pipeline, SourceRules};

use crate::clock::now;

/// Static facts about a running pipeline.
#[derive(Clone, Debug)]
pub struct PipelineInfo {
    /// `<namespace>.<name>`.
    pub pipeline: String,
    /// Its sinks, in the order of the pipeline.
    pub sinks: Vec<String>,
    /// Hash of the configuration that runs.
    pub config_hash: String,
    /// `spec.revision`.
    pub revision: u8,
    /// The source.
    pub source: SourceInfo,
}

impl PipelineInfo {
    /// Returns the facts about a pipeline.
    pub fn new(pipeline: &Pipeline, config_hash: String) -> Self {
        let source = match &pipeline.source {
            SourceRules::Kafka { topic, group, .. } => SourceInfo::Kafka { topic: topic.clone(), group: group.clone() },
            SourceRules::File { path, .. } => SourceInfo::File { path: path.clone() },
        };
        Self {
            pipeline: pipeline.id(),
            sinks: pipeline.sinks.iter().map(|sink| sink.name.clone()).collect(),
            config_hash,
            revision: pipeline.revision,
            source,
        }
    }
}

/// Everything that a running pipeline records into and the server reads.
#[derive(Debug)]
pub struct Instruments {
    info: PipelineInfo,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// What the pipeline is doing.
    pub run_state: Arc<RunState>,
    /// Whether its threads make progress.
    pub liveness: Liveness,
    rates: rates::Rates,
}

impl Instruments {
    /// Returns the instruments of a pipeline that starts now.
    pub fn new(info: PipelineInfo) -> Arc<Self> {
        let run_state = Arc::new(RunState::new(info.source.clone(), now()));
        let metrics = Metrics::new(&info, &run_state);
        let instruments =
            Self { info, metrics, run_state, liveness: Liveness::default(), rates: rates::Rates::default() };
        instruments.sample();
        Arc::new(instruments)
    }

    /// Returns what `/status` answers.
    pub fn status(&self) -> Status {
        self.sample();
        Status::new(self)
    }

    /// Counts records that are sent again to an output topic after a lost answer: the topic may
    /// already hold them.
    pub(crate) fn sent_again(&self, name: &str, records: usize) {
        let sink = self.info.sinks.iter().position(|sink| sink == name);
        if let Some(sink) = sink.and_then(|at| self.metrics.sink(at)) {
            sink.sent_again(records as u64);
        }
    }

    /// Samples the counters, for rates. Called periodically.
    pub(crate) fn sample(&self) {
        self.rates.sample(std::time::Instant::now(), self.metrics.totals());
    }
}
