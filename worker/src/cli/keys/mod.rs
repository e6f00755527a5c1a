//! `keys`: the keys Secret, made and looked after.

mod access;
mod check;
mod create;
mod edit;
mod manifest;
mod retire;
mod rewrap;
mod rotate;
mod save;
mod secret_file;
mod user;

use clap::{Args, Subcommand};
use lethe_core::keys::{KeyRing, KeyRingError};

use super::{Failure, Output, block_on};

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
    /// Say whether the keys of a Secret are those that the stores were used with.
    Check(check::Check),
    /// Make another master key and wrap every key by it.
    Rotate(rotate::Rotate),
    /// Take a master key out of use, for ever.
    Retire(retire::Retire),
}

impl Keys {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        match self.command {
            Command::Create(command) => command.execute(output),
            Command::Check(command) => block_on(command.execute(output)),
            Command::Rotate(command) => block_on(command.execute(output)),
            Command::Retire(command) => block_on(command.execute(output)),
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

/// Makes a ring of random bytes.
fn draw(make: impl FnOnce(&mut dyn FnMut(&mut [u8])) -> Result<KeyRing, KeyRingError>) -> Result<KeyRing, Failure> {
    let mut failed = None;
    let ring = make(&mut |buffer| {
        if let Err(error) = random(buffer) {
            failed = Some(error);
        }
    });
    match failed {
        // What was drawn without random bytes is dropped here.
        Some(failure) => Err(failure),
        None => ring.map_err(|error| Failure::Key(error.to_string())),
    }
}
