//! `man`: manual pages, generated from the help texts.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use lethe_cli::pages;

use super::{Cli, Failure, answer};

/// Write manual pages.
///
/// Without a directory, writes the page of the program to standard output. With one, writes a page
/// for the program and one for each command into it, and overwrites existing pages.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Manual {
    /// The directory for the pages, `lethe-worker.1`, `lethe-worker-run.1` and so on. Created if
    /// absent.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker man > lethe-worker.1 && man ./lethe-worker.1
  lethe-worker man ~/.local/share/man/man1";

impl Manual {
    pub(super) fn execute(self) -> Result<(), Failure> {
        match self.directory {
            None => answer::bytes(&pages::manual(Cli::command()).map_err(Failure::other)?),
            Some(directory) => pages::write_manuals(Cli::command(), &directory)
                .map_err(|error| Failure::Other(format!("failed to write into {}: {error}", directory.display()))),
        }
    }
}
