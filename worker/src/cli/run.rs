//! `run`: runs a pipeline.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use lethe_core::outcome::Outcome;
use lethe_stores::StoreError;
use serde_json::json;

use super::{
    Failure, Output, block_on,
    files::Files,
    listen::Listen,
    progress,
    table::{number, table},
};
use crate::{
    counts::SinkCounts,
    open::{Expired, Housekeeper, OpenOptions, Opened, open, pipeline_info},
    run::{Report, RunError, RunHandle, run},
};

/// Run a pipeline.
///
/// Reads from the last committed position, writes to every sink, and commits the position only when
/// all sinks hold the events. It can be stopped at any moment and run again.
#[derive(Args)]
pub(super) struct Run {
    #[command(flatten)]
    files: Files,

    /// The pipeline, as NAME or NAMESPACE/NAME; needed if there are several.
    pipeline: Option<String>,

    /// End when the source has no more events, instead of waiting for more.
    #[arg(long)]
    until_end: bool,

    /// Discard the committed position and read from the start. Stores are not emptied: an event
    /// that they hold already changes nothing. Output files are emptied, if the pipeline wrote them.
    #[arg(long)]
    from_start: bool,

    /// Allow stores that are not on this machine. Not needed in a pod.
    #[arg(long)]
    live: bool,

    /// Read in the pipeline's own consumer group, together with its other workers. By default, a
    /// run outside of a pod uses a group of its own (`<group>.local.<user>`), so that it takes no
    /// partitions from them.
    #[arg(long)]
    join: bool,

    /// The identity of this worker's owner. Members of the consumer group with another identity are
    /// counted in /status. The operator gives all workers of a pipeline the same identity, so that
    /// two clusters in one group are detected.
    #[arg(long, env = "LETHE_IDENTITY", value_name = "ID")]
    identity: Option<String>,

    #[command(flatten)]
    listen: Listen,

    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
}

/// How often expired records are removed.
const SWEEP: Duration = Duration::from_secs(60);

/// How long a stop waits for the last removal. The next run repeats it.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(2);

impl Run {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        block_on(self.start(output))
    }

    async fn start(self, output: Output) -> Result<(), Failure> {
        let resources = self.files.read()?;
        let options = OpenOptions {
            from_start: self.from_start,
            live: self.live,
            join: self.join,
            identity: self.identity,
            ..OpenOptions::default()
        };
        let handle = RunHandle::new(pipeline_info(&resources, self.pipeline.as_deref(), &options)?);
        let serving = self.listen.bind().await?.map(|bound| bound.serve(Arc::clone(&handle.instruments)));
        stop_on_signal(Arc::clone(&handle));
        let opened = open(&resources, self.pipeline.as_deref(), &options).await?;
        for warning in &opened.warnings {
            tracing::warn!("{warning}");
        }
        let Opened { job, source, housekeeper, .. } = opened;
        let name = job.pipeline.name.clone();
        let line = (!self.quiet).then(|| tokio::spawn(progress::show(Arc::clone(&handle), Instant::now())));
        let (stop_sweeps, stopped) = tokio::sync::oneshot::channel();
        let sweeps = tokio::spawn(sweep(housekeeper, Arc::clone(&handle), stopped));
        let report = run(job, source, !self.until_end, Arc::clone(&handle)).await;
        if let Some(line) = line {
            line.abort();
        }
        if let Some(serving) = serving {
            serving.stop().await;
        }
        let report = report?;
        drop(stop_sweeps);
        let longest = if handle.is_stopping() { SWEEP_TIMEOUT } else { Duration::MAX };
        let expired = match tokio::time::timeout(longest, sweeps).await {
            Ok(swept) => swept.map_err(|_| RunError::ThreadEnded(name.clone()))??,
            Err(_) => {
                tracing::warn!("stopped before all expired records were removed, the next run removes them");
                Expired::default()
            }
        };
        match output {
            Output::Text => print!("{}", text(&name, &report)),
            Output::Json => println!(
                "{}",
                json!({
                    "pipeline": name,
                    "counts": report.counts,
                    "seconds": report.took.as_secs_f64(),
                    "expiredRecords": expired.records,
                    "deadletterExpired": expired.letters,
                    "replacedFiles": report.replaced,
                })
            ),
        }
        Ok(())
    }
}

/// Removes what expires, on a task of its own: a slow store does not delay the delivery. Sweeps once
/// more when the run has ended.
async fn sweep(
    housekeeper: Housekeeper,
    handle: Arc<RunHandle>,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) -> Result<Expired, StoreError> {
    let mut expired = Expired::default();
    loop {
        match housekeeper.sweep().await {
            Ok(more) => {
                handle.instruments.metrics.letters_expired(more.letters);
                expired.add(more);
            }
            // The next sweep retries.
            Err(error) => tracing::warn!(%error, "failed to remove expired records, retrying"),
        }
        if tokio::time::timeout(SWEEP, &mut stopped).await.is_ok() {
            break;
        }
    }
    expired.add(housekeeper.sweep().await?);
    Ok(expired)
}

/// The first signal stops the pipeline once its batches in flight are delivered; the second exits
/// at once.
pub(super) fn stop_on_signal(handle: Arc<RunHandle>) {
    tokio::spawn(async move {
        for exit in [false, true] {
            signal().await;
            if exit {
                std::process::exit(130);
            }
            handle.stop();
            tracing::warn!("stopping once the batches in flight are delivered; signal again to stop at once");
        }
    });
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut terminated) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
    } else {
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}

fn text(name: &str, report: &Report) -> String {
    let counts = &report.counts;
    let seconds = report.took.as_secs_f64();
    let rate = (counts.events as f64 / seconds.max(0.001)) as u64;
    let mut out = format!("{name}: {} events in {seconds:.1} s, {}/s\n\n", number(counts.events), number(rate));
    out.push_str(&outcomes(&counts.sinks));
    out.push_str(&reasons(&counts.rejected));
    for file in &report.replaced {
        out.push_str(&format!("\n{file} is another file than before: it was read from its start\n"));
    }
    out
}

/// Returns a table of outcomes, with one row per sink.
pub(super) fn outcomes(sinks: &BTreeMap<String, SinkCounts>) -> String {
    let shown: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|outcome| *outcome == Outcome::Delivered || sinks.values().any(|sink| sink.get(*outcome) > 0))
        .collect();
    let mut headers = vec!["SINK".to_owned()];
    headers.extend(shown.iter().map(|outcome| outcome.name().to_uppercase()));
    let rows: Vec<Vec<String>> = sinks
        .iter()
        .map(|(sink, sink_counts)| {
            let mut row = vec![sink.clone()];
            row.extend(shown.iter().map(|outcome| number(sink_counts.get(*outcome))));
            row
        })
        .collect();
    table(&headers, &rows, 1) + "\n"
}

/// Returns a table of rejected events by reason. Empty if there are none.
pub(super) fn reasons(rejected: &BTreeMap<&'static str, u64>) -> String {
    if rejected.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = rejected.iter().map(|(reason, events)| vec![(*reason).to_owned(), number(*events)]).collect();
    format!("\n{}\n", table(&["REJECTED FOR".to_owned(), "EVENTS".to_owned()], &rows, 1))
}
