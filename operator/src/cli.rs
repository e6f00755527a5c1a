//! The command line.

use std::{io::IsTerminal, mem::ManuallyDrop, net::SocketAddr, process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::{
    context::Settings,
    process::{self, Ended, Options},
};

/// Turn ProfilePipelines and DataStores of a cluster into running, observed workers.
#[derive(Parser)]
#[command(name = "lethe-operator", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    /// Log level on standard error: error, warn, info, debug, trace, or a filter such as
    /// `info,kube=debug`.
    #[arg(long, global = true, env = "LETHE_LOG", default_value = "info")]
    log: String,

    /// Format of log lines.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator. Of several, one leads and the others stand by.
    Run(Run),
    /// Write the completions of a shell to standard output.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(clap::Args)]
struct Run {
    /// Namespaces to watch, separated by commas or given several times. Left out: all of them.
    #[arg(short, long = "namespace", env = "LETHE_NAMESPACES", value_delimiter = ',')]
    namespaces: Vec<String>,

    /// Namespace of the operator itself, which holds its Lease.
    #[arg(long, env = "LETHE_OPERATOR_NAMESPACE", default_value = "lethe-system")]
    operator_namespace: String,

    /// Image of the workers, with a tag or a digest.
    #[arg(long, env = "LETHE_WORKER_IMAGE", default_value = concat!("ghcr.io/lethe-dev/lethe-worker:", env!("CARGO_PKG_VERSION")))]
    worker_image: String,

    /// When nodes pull it: Always, IfNotPresent or Never. Left out: as Kubernetes decides.
    #[arg(long, env = "LETHE_WORKER_IMAGE_PULL_POLICY", value_parser = ["Always", "IfNotPresent", "Never"])]
    worker_image_pull_policy: Option<String>,

    /// Address that serves /livez, /readyz and /metrics; port 0 takes any free port.
    #[arg(long, env = "LETHE_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,

    /// Seconds between two probes of a DataStore.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=3600))]
    store_interval: u64,

    /// Seconds between two checks of the workers' status and of Secrets.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=3600))]
    look_interval: u64,

    /// Objects of a kind that are reconciled concurrently.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
}

const AFTER_HELP: &str = "\
The cluster is the one of the pod that this runs in, or the one that KUBECONFIG names.

Exit codes:
  0  asked to stop
  1  something failed that is none of these
  2  the command line is wrong
  3  another process leads, or the Lease could not be renewed: start it again";

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let run = match cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "lethe-operator", &mut std::io::stdout());
            return ExitCode::SUCCESS;
        }
        Command::Run(run) => run,
    };
    if let Err(error) = init_logs(&cli.log, cli.log_format) {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    // The clients of Kubernetes, Cassandra and MongoDB share one provider of cryptography.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a provider of cryptography is installed already");
    }
    let options = Options {
        settings: Settings {
            image: run.worker_image,
            image_pull_policy: run.worker_image_pull_policy,
            store_interval: Duration::from_secs(run.store_interval),
            look_interval: Duration::from_secs(run.look_interval),
            concurrency: run.concurrency,
        },
        namespaces: run.namespaces,
        lease_namespace: run.operator_namespace,
        listen: run.listen,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        // Never dropped: requests of drivers that are in flight end with the process. Dropping it
        // would end tasks of MongoDB's driver in an order that makes others of them panic.
        Ok(runtime) => ManuallyDrop::new(runtime),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(process::run(options)) {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::LostLeadership) => ExitCode::from(3),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sets up logging. A plain level applies to Lethe's own code, and other crates log warnings only.
fn init_logs(filter: &str, format: LogFormat) -> Result<(), String> {
    let is_level = filter.parse::<tracing::level_filters::LevelFilter>().is_ok();
    let filter = if is_level { format!("warn,lethe={filter}") } else { filter.to_owned() };
    let filter = EnvFilter::try_new(&filter)
        .map_err(|error| format!("--log {filter:?} is no filter ({error}); try error, warn, info, debug or trace"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours are for terminals only.
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
