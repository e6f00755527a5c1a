//! The command line, with one file per command. Answers go to standard output, logs and progress to
//! standard error.

mod answer;
mod completions;
mod detect;
mod failure;
mod files;
mod keys;
mod lint;
mod listen;
mod man;
mod plan;
mod progress;
mod redrive;
mod reveal;
mod run;
mod spaces;
mod token;

use std::{mem::ManuallyDrop, process::ExitCode};

use clap::{Parser, Subcommand};
pub(crate) use lethe_cli::Output;
use lethe_cli::{GlobalOptions, bar, logs, table};

pub use failure::Failure;

/// Stream profiles through files, Kafka, Cassandra and MongoDB, with every field protected as
/// declared.
#[derive(Parser)]
#[command(name = "lethe-worker", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pipeline.
    Run(run::Run),
    /// Report all mistakes in manifests.
    Lint(lint::Lint),
    /// Show how each field reaches each sink.
    Plan(plan::Plan),
    /// Find the fields of your data that hold personal data, and suggest how to declare them.
    Detect(detect::Detect),
    /// Create and maintain keys.
    Keys(keys::Keys),
    Redrive(redrive::Redrive),
    Reveal(reveal::Reveal),
    /// Show the token of an identifier.
    Token(token::Token),
    /// Write the completions of a shell to standard output.
    Completions(completions::Completions),
    /// Write manual pages.
    Man(man::Manual),
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  something failed that is none of these
  2  the command line is wrong
  3  the manifests or the data given have mistakes
  4  a store can't be reached, or is not what was declared
  5  a key is missing, lost or another one than was used before";

/// Runs a future on a new runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    // The runtime is never dropped. Dropping it would end tasks of MongoDB's driver in an order
    // that makes others of them panic.
    ManuallyDrop::new(runtime.map_err(Failure::other)?).block_on(work)
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = cli.global.output;
    if let Err(error) = logs::start(&cli.global) {
        return Failure::Usage(error.to_string()).report(output);
    }
    let done = match cli.command {
        Command::Run(command) => command.execute(output),
        Command::Lint(command) => command.execute(output),
        Command::Plan(command) => command.execute(output),
        Command::Detect(command) => command.execute(output),
        Command::Keys(command) => command.execute(output),
        Command::Redrive(command) => command.execute(output),
        Command::Reveal(command) => command.execute(output),
        Command::Token(command) => command.execute(output),
        Command::Completions(command) => command.execute(),
        Command::Man(command) => command.execute(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(output),
    }
}
