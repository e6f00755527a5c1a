//! `keys`: creates and maintains the keys Secret.

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

/// Create and maintain keys.
///
/// Keys are stored in a Secret of type lethe.dev/keys: `root` makes tokens, `audience-<name>` makes
/// the references of an audience, `master-<n>` wraps the keys of subjects. Masters can be rotated;
/// root and audience keys can't.
#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a keys Secret.
    Create(create::Create),
    /// Check whether the stores were used with the keys of a Secret.
    Check(check::Check),
    /// Create another master key and wrap every key with it.
    Rotate(rotate::Rotate),
    /// Retire a master key permanently.
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

/// Fills a buffer with random bytes of the operating system. Fails if the system returns none.
fn random(buffer: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(buffer).map_err(|error| Failure::Other(format!("the system gives no random bytes: {error}")))
}

/// Makes a ring of random keys.
fn generate_ring(
    make: impl FnOnce(&mut dyn FnMut(&mut [u8])) -> Result<KeyRing, KeyRingError>,
) -> Result<KeyRing, Failure> {
    let mut failed = None;
    let ring = make(&mut |buffer| {
        if let Err(error) = random(buffer) {
            failed = Some(error);
        }
    });
    match failed {
        // A ring without random bytes is dropped here.
        Some(failure) => Err(failure),
        None => ring.map_err(|error| Failure::Key(error.to_string())),
    }
}
