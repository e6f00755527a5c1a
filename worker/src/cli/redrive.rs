//! `redrive`: processes dead letters again.

use std::{fmt::Write, sync::Arc, time::Instant};

use clap::Args;
use lethe_core::reason::Reason;
use serde_json::json;

use super::{
    Failure, Output, block_on,
    files::Files,
    progress,
    run::{outcomes, reasons, stop_on_signal},
    table::number,
};
use crate::{
    observe::PipelineInfo,
    open::{OpenOptions, Opened, open},
    redrive::{RedriveOptions, Redriven, redrive},
    run::RunHandle,
};

/// Process dead letters again.
///
/// Each letter is processed by the pipeline as it is declared now, with its original position and
/// time, and delivered only to the sinks that lack it. It is removed once they hold it. A letter
/// that is rejected again is kept. A redrive can be stopped at any moment and started again. Tables
/// don't change if they get an event twice; a file may get the lines of one page twice.
#[derive(Args)]
pub(super) struct Redrive {
    #[command(flatten)]
    files: Files,

    /// The pipeline, as NAME or NAMESPACE/NAME; needed if there are several.
    pipeline: Option<String>,

    /// Only events that were rejected for this reason, such as SchemaViolation. May be repeated.
    #[arg(long = "reason", value_name = "CODE", value_parser = reason)]
    reasons: Vec<String>,

    /// Process at most this many letters.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Allow stores that are not on this machine.
    #[arg(long)]
    live: bool,

    /// Show the outcomes, but change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
}

/// Parses a reason code, ignoring case.
fn reason(text: &str) -> Result<String, String> {
    let known = Reason::ALL.into_iter().map(Reason::code).find(|code| code.eq_ignore_ascii_case(text));
    known.map(ToOwned::to_owned).ok_or_else(|| {
        let codes: Vec<&str> = Reason::ALL.into_iter().map(Reason::code).collect();
        format!("no reason code; there are {}", codes.join(", "))
    })
}

impl Redrive {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        block_on(self.start(output))
    }

    async fn start(self, output: Output) -> Result<(), Failure> {
        let resources = self.files.read()?;
        let options = OpenOptions { dry_run: self.dry_run, live: self.live, ..OpenOptions::default() };
        let Opened { job, housekeeper, warnings, .. } = open(&resources, self.pipeline.as_deref(), &options).await?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let name = job.pipeline.name.clone();
        // Expired letters are removed first, so that they are not opened.
        let expired = if self.dry_run { 0 } else { housekeeper.sweep().await?.letters };
        let handle = RunHandle::new(PipelineInfo::new(&job.pipeline, String::new()));
        stop_on_signal(Arc::clone(&handle));
        let line = (!self.quiet).then(|| tokio::spawn(progress::show(Arc::clone(&handle), Instant::now())));
        let options =
            RedriveOptions { reasons: self.reasons.into_iter().collect(), limit: self.limit, dry_run: self.dry_run };
        let done = redrive(job, options, handle).await;
        if let Some(line) = line {
            line.abort();
        }
        let mut done = done?;
        done.letters += expired;
        done.expired += expired;
        match output {
            Output::Text => print!("{}", text(&name, &done, self.dry_run)),
            Output::Json => println!("{}", json!({"pipeline": name, "dryRun": self.dry_run, "counts": done})),
        }
        Ok(())
    }
}

fn text(name: &str, done: &Redriven, dry_run: bool) -> String {
    let would = if dry_run { " would be" } else { "" };
    let fates = [
        (done.redriven, "redriven and removed"),
        (done.rejected.values().sum(), "rejected again and kept"),
        (done.fenced, "of erased subjects and removed"),
        (done.expired, "past their time and removed"),
        (done.unopened, "kept closed: they don't open"),
        (done.cut, "kept: only the start of a record that is too large is stored; send it again, and shorter"),
        (done.without_sink, "kept: the sinks that lack them are declared no more"),
    ];
    let mut out = format!("{name}: {} dead letters\n", number(done.letters));
    for (letters, fate) in fates.iter().filter(|(letters, _)| *letters > 0) {
        // Writing to a String can't fail.
        let _ = writeln!(out, "  {}{would} {fate}", number(*letters));
    }
    if done.redriven > 0 {
        out.push('\n');
        out.push_str(&outcomes(&done.sinks));
    }
    out.push_str(&reasons(&done.rejected));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_codes_ignore_case() {
        assert_eq!(reason("schemaviolation").as_deref(), Ok("SchemaViolation"));
        assert!(reason("Typo").is_err_and(|message| message.contains("SchemaViolation")));
    }
}
