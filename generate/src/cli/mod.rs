//! The command line.

mod destination;
mod failure;
mod pages;
mod topic;

use std::{
    io::{self, stdout},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use lethe_cli::{
    GlobalOptions, Output,
    bar::bar,
    logs,
    table::{number, table},
};
use serde_json::json;

use self::{
    destination::{Destination, Rate, create},
    failure::Failure,
    topic::TopicArgs,
};
use crate::{GenerateOptions, Generator, Kind, Lines, Pace, Summary, Target, TargetError, pour};

/// Make up a stream of events, about people who do not exist.
///
/// Writes a JSON object a line, as fast as a disk takes them and in constant memory. With --seed
/// the same options give the same bytes, today and in a year.
#[derive(Parser)]
#[command(
    name = "lethe-generate",
    version,
    max_term_width = 100,
    after_help = AFTER_HELP,
    after_long_help = AFTER_LONG_HELP,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,

    #[command(flatten)]
    stream: Stream,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Completions(pages::Completions),
    Man(pages::Manual),
}

#[derive(Args)]
struct Stream {
    /// Which shape the events have.
    #[arg(value_enum, required = true)]
    kind: Option<Shape>,

    /// How many lines.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    count: u64,

    /// Makes the same people and events again. Left out: drawn at random (--summary shows it).
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How many people the events are about. Left out: a tenth of --count, at least 1.
    #[arg(long, value_name = "N")]
    subjects: Option<u64>,

    /// Time of the first event, RFC 3339; each line comes 0 to 20 ms after the one before, in a
    /// clickstream more slowly at first, while the shop fills. Left out: 2026-01-01T00:00:00Z when
    /// --seed is given, so that bytes repeat; else so long before now that no event is in the
    /// future.
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,

    /// Write to this file instead of standard output, or to a topic: `kafka` (a file of that name
    /// is ./kafka). A file that is there is left alone.
    #[arg(long, value_name = "FILE|kafka")]
    to: Option<Destination>,

    /// Overwrite the file of --to.
    #[arg(long, requires = "to")]
    force: bool,

    /// Write no more than so many records a second, as in 500/s or 0.2/s. Left out: as many as go.
    #[arg(long, value_name = "N/s")]
    rate: Option<Rate>,

    /// Print how many lines of each sort were made, to standard error.
    #[arg(long)]
    summary: bool,

    #[command(flatten)]
    topic: TopicArgs,

    #[command(flatten)]
    rates: Rates,
}

/// Shares of all lines; a line is of one sort only.
#[derive(Args)]
#[command(next_help_heading = "Lines of other sorts, as a share of all lines (0.01 is one in a hundred)")]
struct Rates {
    /// Lines that repeat a recent event, byte for byte.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    duplicates: f64,

    /// Lines that are JSON and break the schema of the example of that kind.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    invalid: f64,

    /// Lines that are no JSON.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    not_json: f64,

    /// Events of people who did not agree.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    no_consent: f64,

    /// Events that come 1 minute to 6 hours late.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    late: f64,

    /// Events that delete the profile.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    deletes: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// A customer account, about 600 bytes: examples/laptop reads it.
    Account,
    /// A result of randomuser.me, about 1,300 bytes: examples/randomuser reads it.
    RandomUser,
    /// A step of a visit to a shop, about 800 bytes: examples/clickstream reads it.
    Clickstream,
}

macro_rules! exit_codes {
    () => {
        "\
Exit codes:
  0  done
  1  something failed that is none of these
  2  the command line is wrong
  3  the manifests given have mistakes
  4  the store can't be reached, or is not what was declared"
    };
}

const AFTER_HELP: &str = exit_codes!();
const AFTER_LONG_HELP: &str = concat!(
    "\
Examples:
  lethe-generate account --count 5 | jq .
  lethe-generate account --count 1000000 --to profiles.ndjson \\
    --duplicates 0.02 --invalid 0.01 --not-json 0.001 --no-consent 0.05 --late 0.02 --deletes 0.005 --summary
  lethe-generate random-user --seed 7 --count 50000 --to randomuser.ndjson
  lethe-generate clickstream --count 50000000 --subjects 1000000 --to kafka --bootstrap localhost:9092 \\
    --topic clicks --rate 20000/s

",
    exit_codes!()
);

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = cli.global.output;
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(output),
    }
}

fn execute(cli: Cli) -> Result<(), Failure> {
    logs::start(&cli.global).map_err(|error| Failure::Usage(error.to_string()))?;
    match cli.command {
        None => cli.stream.execute(cli.global.output),
        Some(Command::Completions(command)) => command.execute(),
        Some(Command::Man(command)) => command.execute(),
    }
}

impl Stream {
    fn execute(self, output: Output) -> Result<(), Failure> {
        let options = self.options()?;
        let mut generator = Generator::new(options.clone()).map_err(|error| Failure::Usage(error.to_string()))?;
        if self.topic.is_given() && self.to != Some(Destination::Kafka) {
            return Err(Failure::Usage(
                "--topic, --bootstrap, --store, -f and --tombstones are for --to kafka".to_owned(),
            ));
        }
        let started = Instant::now();
        match &self.to {
            Some(Destination::File(path)) => {
                let file = create(path, self.force)?;
                self.pour(&mut generator, &mut Lines::new(file), options.count).map_err(|error| match error {
                    TargetError::Io(error) => Failure::Other(format!("failed to write {}: {error}", path.display())),
                    #[cfg(feature = "kafka")]
                    TargetError::Store(error) => error.into(),
                })?;
            }
            Some(Destination::Kafka) => {
                let mut topic = self.topic.open()?;
                self.pour(&mut generator, &mut topic, options.count).map_err(failure)?;
            }
            None => match pour(&mut generator, &mut Lines::new(stdout().lock()), self.pace(), |_| ()) {
                // The reader, such as `| head`, has closed the pipe.
                Err(TargetError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
                written => written.map_err(failure)?,
            },
        }
        self.report(&options, generator.summary(), started.elapsed(), output);
        Ok(())
    }

    /// Writes the whole stream and shows a progress bar.
    fn pour(&self, generator: &mut Generator, target: &mut dyn Target, count: u64) -> Result<(), TargetError> {
        let bar = bar(Some(count), "{human_pos} lines, {per_sec}, {eta} left");
        pour(generator, target, self.pace(), |line| bar.set_position(line))?;
        bar.finish_and_clear();
        Ok(())
    }

    fn pace(&self) -> Option<Pace> {
        self.rate.map(|rate| Pace::new(rate.milli.get()))
    }

    fn options(&self) -> Result<GenerateOptions, Failure> {
        let kind = match self.kind {
            // Clap requires a kind unless a command is given.
            None | Some(Shape::Account) => Kind::Account,
            Some(Shape::RandomUser) => Kind::RandomUser,
            Some(Shape::Clickstream) => Kind::Clickstream,
        };
        let seed = match self.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(Failure::other)?,
        };
        let rates = &self.rates;
        let mut options = GenerateOptions {
            seed,
            duplicates: rates.duplicates,
            invalid: rates.invalid,
            not_json: rates.not_json,
            no_consent: rates.no_consent,
            late: rates.late,
            deletes: rates.deletes,
            ..GenerateOptions::new(kind, self.count)
        };
        if let Some(subjects) = self.subjects {
            options.subjects = subjects;
        }
        match self.start {
            Some(start) => Ok(GenerateOptions { start, ..options }),
            None if self.seed.is_none() => options.ending_by(Timestamp::now()).ok_or_else(|| {
                Failure::Usage(
                    "so many events, 20 ms apart, leave the calendar; lower --count, or give --start".to_owned(),
                )
            }),
            None => Ok(options),
        }
    }

    fn report(&self, options: &GenerateOptions, summary: Summary, took: Duration, output: Output) {
        if !self.summary && (self.to.is_none() || output == Output::Json) {
            return;
        }
        match (output, self.summary) {
            (Output::Json, _) => {
                let document = json!({"seed": options.seed, "start": options.start.to_string(),
                    "seconds": took.as_secs_f64(), "counts": summary});
                eprintln!("{document}");
            }
            (Output::Text, true) => eprintln!("{}", text(options, &summary)),
            (Output::Text, false) => eprintln!("wrote {} lines; seed {}", number(summary.lines), options.seed),
        }
    }
}

fn failure(error: TargetError) -> Failure {
    match error {
        TargetError::Io(error) => Failure::Other(format!("failed to write events: {error}")),
        #[cfg(feature = "kafka")]
        TargetError::Store(error) => error.into(),
    }
}

fn text(options: &GenerateOptions, summary: &Summary) -> String {
    let sorts = [
        ("plain events", summary.events),
        ("duplicates", summary.duplicates),
        ("invalid", summary.invalid),
        ("no JSON", summary.not_json),
        ("no consent", summary.no_consent),
        ("late", summary.late),
        ("deletes", summary.deletes),
        ("all", summary.lines),
        ("with personal data in a note or a search", summary.personal_notes),
    ];
    let rows: Vec<_> = sorts.iter().map(|(sort, lines)| vec![(*sort).to_owned(), number(*lines)]).collect();
    let table = table(&["SORT".to_owned(), "LINES".to_owned()], &rows, 1);
    format!("{table}\n\nseed {}, start {}", options.seed, options.start)
}
