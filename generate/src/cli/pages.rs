//! `completions` and `man`.

use std::{io, path::PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use lethe_cli::{output, pages};

use super::{Cli, Failure};

/// Write the completions of a shell to standard output.
#[derive(Args)]
#[command(after_long_help = COMPLETIONS_EXAMPLES)]
pub(super) struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  lethe-generate completions bash > ~/.local/share/bash-completion/completions/lethe-generate
  lethe-generate completions zsh > \"${fpath[1]}/_lethe-generate\"
  lethe-generate completions fish > ~/.config/fish/completions/lethe-generate.fish";

/// Write manual pages.
///
/// Without a directory, the page of the program goes to standard output; with one, a page of the
/// program and of each command goes into it, over those that are there.
#[derive(Args)]
#[command(after_long_help = MANUAL_EXAMPLES)]
pub(super) struct Manual {
    /// Where the pages go, `lethe-generate.1` and so on. Made when absent.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

const MANUAL_EXAMPLES: &str = "\
Examples:
  lethe-generate man > lethe-generate.1 && man ./lethe-generate.1
  lethe-generate man ~/.local/share/man/man1";

impl Completions {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        write(&pages::completions(self.shell, Cli::command()))
    }
}

impl Manual {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        match &self.directory {
            None => write(&pages::manual(Cli::command()).map_err(Failure::other)?),
            Some(directory) => pages::write_manuals(Cli::command(), directory).map_err(|error: io::Error| {
                Failure::Other(format!("failed to write into {}: {error}", directory.display()))
            }),
        }
    }
}

fn write(page: &[u8]) -> Result<(), Failure> {
    output::write(page).map_err(|error| Failure::Other(format!("failed to write to standard output: {error}")))
}
