//! `completions`: completions of the command line for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use lethe_cli::pages;

use super::{Cli, Failure, answer};

/// Write the completions of a shell to standard output.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker completions bash > ~/.local/share/bash-completion/completions/lethe-worker
  lethe-worker completions zsh > \"${fpath[1]}/_lethe-worker\"
  lethe-worker completions fish > ~/.config/fish/completions/lethe-worker.fish";

impl Completions {
    pub(super) fn execute(self) -> Result<(), Failure> {
        answer::bytes(&pages::completions(self.shell, Cli::command()))
    }
}
