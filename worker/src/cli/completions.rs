//! `completions`: what a shell needs to complete commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure, answer};

/// Write the completions of a shell to standard output.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Completions {
    /// Which shell.
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
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "lethe-worker", &mut script);
        answer::text(&String::from_utf8(script).map_err(Failure::other)?)
    }
}
