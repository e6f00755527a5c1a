//! `plan`: what becomes of each field in each sink, before anything runs.

use std::io::{IsTerminal, stdout};

use clap::Args;
use lethe_core::pipeline::{PlanTable, Topic};
use serde_json::json;

use super::{Failure, Output, answer, files::Files, table};
use crate::open::{check, find};

/// Show what becomes of each field in each sink.
///
/// Opens nothing and needs no keys. Also shows what the pipeline reads without passing it on, and what the
/// schema has and nobody declared.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Plan {
    #[command(flatten)]
    files: Files,

    /// The pipeline, as NAME or NAMESPACE/NAME; needed when there are several.
    pipeline: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker plan -f examples/laptop
  lethe-worker plan -f manifests/ shop/profiles --output json | jq '.lines[] | select(.fates | index(\"clear\")) | .path'";

/// Columns before those of the sinks: path, category, clean, protection.
const FIXED: usize = 4;

impl Plan {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        let resources = self.files.read()?;
        let checked = check(&resources, find(&resources, self.pipeline.as_deref())?)?;
        for warning in &checked.warnings {
            tracing::warn!("{warning}");
        }
        let plan = PlanTable::new(&checked.pipeline);
        match output {
            Output::Text => {
                let width = stdout().is_terminal().then(terminal_size::terminal_size).flatten();
                answer::text(&text(&plan, width.map(|(width, _)| width.0)))
            }
            Output::Json => answer::json(&json!(plan)),
        }
    }
}

/// The table under the pipeline's name; a line of its own before each kind of lines. With a width its
/// cells are folded to fit, without one every line of the plan is a line.
fn text(plan: &PlanTable, width: Option<u16>) -> String {
    let headers: Vec<String> = plan
        .headers()
        .into_iter()
        .enumerate()
        .map(|(at, header)| if at < FIXED { header.to_uppercase() } else { header })
        .collect();
    let table = match width {
        Some(width) => table::folded(&headers, &plan.rows(), width),
        None => table::table(&headers, &plan.rows(), usize::MAX),
    };
    let fields = plan.lines.iter().filter(|line| line.topic == Topic::Field).count();
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("{}: {}, {}\n\n{table}\n", plan.pipeline, count(fields, "field"), count(plan.sinks.len(), "sink"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use lethe_crds::load::read_paths;

    use super::*;

    fn plan() -> PlanTable {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/laptop");
        let resources = read_paths(&[folder]).unwrap();
        PlanTable::new(&check(&resources, find(&resources, None).unwrap()).unwrap().pipeline)
    }

    #[test]
    fn a_table_fits_the_terminal_and_loses_nothing() {
        for width in [80, 100, 132] {
            let text = text(&plan(), Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}:\n{text}");
            let letters = |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).count();
            let whole: String = plan().rows().concat().concat();
            assert!(letters(&text) >= letters(&whole));
        }
    }

    #[test]
    fn in_a_pipe_every_line_of_the_plan_is_a_line() {
        let plan = plan();
        assert_eq!(text(&plan, None).lines().count(), plan.lines.len() + 3);
    }
}
