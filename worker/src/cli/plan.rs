//! `plan`: shows how each field reaches each sink, before anything runs.

use std::{
    io::{IsTerminal, stdout},
    ops::Range,
};

use clap::Args;
use lethe_core::pipeline::{PlanTable, Topic};
use serde_json::json;

use super::{Failure, Output, answer, files::Files, table};
use crate::open::{check, find};

/// Show how each field reaches each sink.
///
/// Opens no store and needs no keys. Also shows which fields the pipeline reads without passing
/// them on, and which fields of the schema are not declared.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Plan {
    #[command(flatten)]
    files: Files,

    /// The pipeline, as NAME or NAMESPACE/NAME; needed if there are several.
    pipeline: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker plan -f examples/laptop
  lethe-worker plan -f manifests/ shop/profiles --output json | jq '.lines[] | select(.fates | index(\"clear\")) | .path'";

/// Number of columns before the sinks: path, category, clean, protection.
const FIXED: usize = 4;
/// Columns that a narrow terminal leaves out: category and clean.
const LEFT_OUT: Range<usize> = 1..3;

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

/// Returns the pipeline's name and the table. Without a width, every line of the plan is one line
/// of text. If the width is too small, category and clean are left out, and the other columns are
/// folded.
fn text(plan: &PlanTable, width: Option<u16>) -> String {
    let mut headers: Vec<String> = plan
        .headers()
        .into_iter()
        .enumerate()
        .map(|(at, header)| if at < FIXED { header.to_uppercase() } else { header })
        .collect();
    let mut rows = plan.rows();
    let mut table = table::table(&headers, &rows, usize::MAX);
    let mut note = "";
    if let Some(width) = width
        && table.lines().any(|line| line.chars().count() > usize::from(width))
    {
        rows.iter_mut().chain([&mut headers]).for_each(|cells| drop(cells.drain(LEFT_OUT)));
        // Places the audience below the sink's name.
        for header in &mut headers {
            *header = header.replacen(' ', "\n", 1);
        }
        table = table::folded(&headers, &rows, width, 1);
        note = "\nCategory and cleaning are left out to fit this terminal; a pipe or --output json shows them.\n";
    }
    let fields = plan.lines.iter().filter(|line| line.topic == Topic::Field).count();
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (fields, sinks) = (count(fields, "field"), count(plan.sinks.len(), "sink"));
    format!("{}: {fields}, {sinks}\n\n{table}\n{note}", plan.pipeline)
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
    fn a_table_fits_the_terminal_and_names_the_columns_that_it_leaves_out() {
        for width in [60, 80, 100, 132] {
            let plan = plan();
            let text = text(&plan, Some(width));
            assert!(
                text.lines()
                    .take_while(|line| !line.starts_with("Category"))
                    .all(|line| line.chars().count() <= usize::from(width)),
                "{width}:\n{text}"
            );
            assert!(text.contains("left out"));
            if width >= 80 {
                assert!(plan.lines.iter().all(|line| text.contains(&line.path)), "{text}");
            }
            let letters = |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).count();
            let protections: String = plan.lines.iter().map(|line| line.protection.as_str()).collect();
            assert!(letters(&text) > letters(&protections));
        }
        assert!(!text(&plan(), Some(400)).contains("left out"));
    }

    #[test]
    fn in_a_pipe_every_line_of_the_plan_is_one_line() {
        let plan = plan();
        assert_eq!(text(&plan, None).lines().count(), plan.lines.len() + 3);
    }
}
