//! The command line: one file per command. What a command answers goes to standard output, what it
//! says about its work to standard error.

mod answer;
mod bar;
mod completions;
mod detect;
mod failure;
mod files;
mod generate;
mod keys;
mod lint;
mod listen;
mod logs;
mod man;
mod plan;
mod progress;
mod redrive;
mod reveal;
mod run;
mod spaces;
mod table;
mod token;

use std::{mem::ManuallyDrop, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

pub use failure::Failure;

/// Stream profiles through files, Kafka, Cassandra and MongoDB with every field protected as declared.
#[derive(Parser)]
#[command(name = "lethe-worker", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    /// How answers are written.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text, help_heading = "Global options")]
    output: Output,

    /// How much is said on standard error: error, warn, info, debug, trace, or a filter such as
    /// `lethe_worker=debug`.
    #[arg(long, global = true, env = "LETHE_LOG", default_value = "warn", help_heading = "Global options")]
    log: String,

    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, help_heading = "Global options")]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For scripts: one JSON document.
    Json,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pipeline.
    Run(run::Run),
    /// Say everything that is wrong with manifests.
    Lint(lint::Lint),
    /// Show what becomes of each field in each sink.
    Plan(plan::Plan),
    /// Say which fields of your data hold personal data, and what to declare about them.
    Detect(detect::Detect),
    /// Make up a stream of events, about people who do not exist.
    Generate(generate::Generate),
    /// Make keys, and look after them.
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

/// Does work that waits for stores.
pub(crate) fn wait_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    // It ends with the process: taken down before, it would end tasks of MongoDB's driver in an order that makes
    // others of them panic.
    ManuallyDrop::new(runtime.map_err(Failure::other)?).block_on(work)
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(failure) = logs::start(&cli.log, cli.log_format) {
        return failure.report(cli.output);
    }
    let done = match cli.command {
        Command::Run(command) => command.execute(cli.output),
        Command::Lint(command) => command.execute(cli.output),
        Command::Plan(command) => command.execute(cli.output),
        Command::Detect(command) => command.execute(cli.output),
        Command::Generate(command) => command.execute(cli.output),
        Command::Keys(command) => command.execute(cli.output),
        Command::Redrive(command) => command.execute(cli.output),
        Command::Reveal(command) => command.execute(cli.output),
        Command::Token(command) => command.execute(cli.output),
        Command::Completions(command) => command.execute(),
        Command::Man(command) => command.execute(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(cli.output),
    }
}
