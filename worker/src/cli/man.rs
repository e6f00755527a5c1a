//! `man`: manual pages, made of what `--help` says.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::{Man, generate_to};

use super::{Cli, Failure, answer};

/// Write manual pages.
///
/// Without a directory, the page of the program goes to standard output; with one, a page of the program and
/// of each command goes into it, over those that are there.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Manual {
    /// Where the pages go, `lethe-worker.1`, `lethe-worker-run.1` and so on. Made when absent.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker man > lethe-worker.1 && man ./lethe-worker.1
  lethe-worker man ~/.local/share/man/man1";

impl Manual {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let Some(directory) = self.directory else {
            let mut page = Vec::new();
            Man::new(Cli::command()).render(&mut page).map_err(Failure::other)?;
            return answer::text(&String::from_utf8(page).map_err(Failure::other)?);
        };
        fs::create_dir_all(&directory)
            .and_then(|()| generate_to(Cli::command(), &directory))
            .map_err(|error| Failure::Other(format!("failed to write into {}: {error}", directory.display())))
    }
}
