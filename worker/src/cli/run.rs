//! `run`: a pipeline, from manifests to a report.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use lethe_core::outcome::Outcome;
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
    open::{OpenOptions, Opened, open, pipeline_info},
    run::{Report, RunHandle, run},
};

/// Run a pipeline.
///
/// Reads from where it was last, writes to every sink, and commits how far it came only when all
/// of them hold it: stop it at any moment and run it again.
#[derive(Args)]
pub(super) struct Run {
    #[command(flatten)]
    files: Files,

    /// The pipeline, as NAME or NAMESPACE/NAME; needed when there are several.
    pipeline: Option<String>,

    /// End when the source has no more events; else wait for more.
    #[arg(long)]
    until_end: bool,

    /// Forget how far it came and read from the start. Stores stay as they are: an event that is
    /// there already changes nothing. Files that it writes are emptied.
    #[arg(long)]
    from_start: bool,

    /// Allow stores that are not on this machine. Not needed in a pod.
    #[arg(long)]
    live: bool,

    /// Read in the pipeline's own consumer group, beside its other workers. Left out, a run outside
    /// of a pod reads in a group of its own (`<group>.local.<user>`), and takes no partition from
    /// them.
    #[arg(long)]
    join: bool,

    /// Whom this worker works for. Members of the consumer group that say otherwise are counted in /status: the
    /// operator gives every worker of a pipeline the same, so that two clusters in one group are noticed.
    #[arg(long, env = "LETHE_IDENTITY", value_name = "ID")]
    identity: Option<String>,

    #[command(flatten)]
    listen: Listen,

    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
}

/// How often expired records are looked for.
const SWEEP: Duration = Duration::from_secs(60);

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
        let mut expired = housekeeper.sweep().await?;
        handle.instruments.metrics.letters_expired(expired.letters);
        let line = (!self.quiet).then(|| tokio::spawn(progress::show(Arc::clone(&handle), Instant::now())));
        let report = {
            let running = run(job, source, !self.until_end, Arc::clone(&handle));
            tokio::pin!(running);
            loop {
                tokio::select! {
                    report = &mut running => break report,
                    () = tokio::time::sleep(SWEEP) => match housekeeper.sweep().await {
                        Ok(more) => {
                            handle.instruments.metrics.letters_expired(more.letters);
                            expired.add(more);
                        }
                        // The next one does what this one could not.
                        Err(error) => tracing::warn!(%error, "what has expired could not be removed yet"),
                    },
                }
            }
        };
        if let Some(line) = line {
            line.abort();
        }
        if let Some(serving) = serving {
            serving.stop().await;
        }
        let report = report?;
        expired.add(housekeeper.sweep().await?);
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
                })
            ),
        }
        Ok(())
    }
}

/// The first signal stops the pipeline when what is under way is delivered, the second at once.
pub(super) fn stop_on_signal(handle: Arc<RunHandle>) {
    tokio::spawn(async move {
        for exit in [false, true] {
            signal().await;
            if exit {
                std::process::exit(130);
            }
            handle.stop();
            tracing::warn!("stopping when what is under way is delivered; once more to stop at once");
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
    out
}

/// Outcomes, a line a sink.
pub(super) fn outcomes(sinks: &BTreeMap<String, SinkCounts>) -> String {
    let shown: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|outcome| *outcome == Outcome::Delivered || sinks.values().any(|sink| sink.get(*outcome) > 0))
        .collect();
    let mut headers = vec!["SINK".to_owned()];
    headers.extend(shown.iter().map(|outcome| outcome.name().to_uppercase()));
    let rows: Vec<Vec<String>> = sinks
        .iter()
        .map(|(sink, of_sink)| {
            let mut row = vec![sink.clone()];
            row.extend(shown.iter().map(|outcome| number(of_sink.get(*outcome))));
            row
        })
        .collect();
    table(&headers, &rows, 1) + "\n"
}

/// Rejected events, a line a reason; nothing where there are none.
pub(super) fn reasons(rejected: &BTreeMap<&'static str, u64>) -> String {
    if rejected.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = rejected.iter().map(|(reason, events)| vec![(*reason).to_owned(), number(*events)]).collect();
    format!("\n{}\n", table(&["REJECTED FOR".to_owned(), "EVENTS".to_owned()], &rows, 1))
}
