//! `keys`: the keys Secret, made and looked after.

mod create;
mod manifest;
mod secret_file;

use clap::{Args, Subcommand};

use super::{Failure, Output};

/// Make keys, and look after them.
///
/// Keys lie in a Secret of type lethe.dev/keys: `root` makes tokens, `audience-<name>` makes the
/// references of an audience, `master-<n>` wraps each person's own keys. Root and audiences are never
/// rotated; masters are.
#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a keys Secret.
    Create(create::Create),
}

impl Keys {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        match self.command {
            Command::Create(command) => command.execute(output),
        }
    }
}

/// Fills a buffer with bytes fit for keys, by the operating system.
///
/// # Errors
/// The operating system gives none.
fn random(buffer: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(buffer).map_err(|error| Failure::Other(format!("the system gives no random bytes: {error}")))
}
