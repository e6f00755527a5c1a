//! What a running worker shows of itself: metrics, a board that `/status` reads, a pulse that says
//! whether it lives, and the server of all three. Nothing here takes a value of an event: what is
//! shown is numbers, words of the manifest, and codes.

mod board;
mod histogram;
mod metrics;
mod page;
mod places;
mod process;
mod pulse;
mod rates;
mod server;
mod stalls;
mod status;
mod table;
#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use board::{Board, Partition, Phase, Source};
pub use histogram::{Histogram, Tally};
pub use metrics::{Metrics, SinkMetrics};
pub use page::{PageError, check as check_page, write as write_page};
pub use pulse::{Heart, Pulse};
pub use server::{Bound, ListenError, Serving};
pub use stalls::{DEAD_LETTER, KEY_STORE, PROGRESS};
pub use status::Status;
pub use table::{ALL as METRICS, Described, Kind};

use lethe_core::pipeline::{Pipeline, SourceRules};

use crate::{clock::now, run::pipeline_id};

/// What is shown of a pipeline that doesn't change while it runs.
#[derive(Clone, Debug)]
pub struct About {
    /// `<namespace>.<name>`.
    pub pipeline: String,
    /// Its sinks, in the order of the pipeline.
    pub sinks: Vec<String>,
    /// Hash of the configuration that is run.
    pub config_hash: String,
    /// `spec.revision`.
    pub revision: u8,
    /// Where events come from.
    pub source: Source,
}

impl About {
    /// What is shown of a pipeline.
    pub fn of(pipeline: &Pipeline, config_hash: String) -> Self {
        let source = match &pipeline.source {
            SourceRules::Kafka { topic, group, .. } => Source::Kafka { topic: topic.clone(), group: group.clone() },
            SourceRules::File { path, .. } => Source::File { path: path.clone() },
        };
        Self {
            pipeline: pipeline_id(pipeline),
            sinks: pipeline.sinks.iter().map(|sink| sink.name.clone()).collect(),
            config_hash,
            revision: pipeline.revision,
            source,
        }
    }
}

/// Everything that a running pipeline records into, and that the server reads.
#[derive(Debug)]
pub struct Instruments {
    about: About,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// What it is doing now.
    pub board: Arc<Board>,
    /// Whether it lives.
    pub pulse: Pulse,
    rates: rates::Rates,
}

impl Instruments {
    /// Makes the instruments of a pipeline that starts now.
    pub fn new(about: About) -> Arc<Self> {
        let board = Arc::new(Board::new(about.source.clone(), now()));
        let metrics = Metrics::new(&about, &board);
        let instruments = Self { about, metrics, board, pulse: Pulse::default(), rates: rates::Rates::default() };
        instruments.sample();
        Arc::new(instruments)
    }

    /// What `/status` answers.
    pub fn status(&self) -> Status {
        self.sample();
        Status::new(self)
    }

    /// Records are sent to an output topic once more: nobody knows whether it has them.
    pub(crate) fn sent_again(&self, name: &str, records: usize) {
        let sink = self.about.sinks.iter().position(|sink| sink == name);
        if let Some(sink) = sink.and_then(|at| self.metrics.sink(at)) {
            sink.sent_again(records as u64);
        }
    }

    /// Remembers how far the counters are, for rates; called now and then.
    pub(crate) fn sample(&self) {
        self.rates.sample(std::time::Instant::now(), self.metrics.totals());
    }
}
