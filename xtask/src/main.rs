//! Writes the generated files of this repository: `cargo run -p xtask -- all`.
#![forbid(unsafe_code)]

mod crds;
mod file;
mod metrics;
mod reference;
mod verdicts;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::file::{File, FileError};

/// Write the generated files of this repository.
#[derive(Parser)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    generator: Generator,
}

#[derive(Subcommand)]
enum Generator {
    /// The CustomResourceDefinitions: crds/*.yaml.
    Crds(Mode),
    /// The reference of kinds, outcomes, reasons and mistakes: docs/reference/.
    Reference(Mode),
    /// The table of metrics in docs/operations.md.
    Metrics(Mode),
    /// The verdicts of a real API server about manifests: crds/testdata/verdicts.yaml.
    ///
    /// kubectl must reach a server on which `kubectl apply -f crds/` was run. Nothing is written
    /// there.
    Verdicts(Mode),
    /// All of them but the verdicts, which need a server.
    All(Mode),
}

#[derive(Args)]
struct Mode {
    /// Write nothing; fail if a file is stale.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let (files, mode) = match Cli::parse().generator {
        Generator::Crds(mode) => (crds::files(), mode),
        Generator::Reference(mode) => (Ok(reference::files()), mode),
        Generator::Metrics(mode) => (metrics::files(), mode),
        Generator::Verdicts(mode) => (verdicts::files(), mode),
        Generator::All(mode) => (all(), mode),
    };
    let done = files.and_then(|files| if mode.check { file::check(&files) } else { file::write(&files) });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns every file that is generated from types.
fn all() -> Result<Vec<File>, FileError> {
    Ok([crds::files()?, reference::files(), metrics::files()?].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_generated_file_is_fresh() {
        file::check(&all().unwrap()).unwrap();
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
