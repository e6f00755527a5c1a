//! How the program fails: messages and an exit code.

use std::{fmt::Display, process::ExitCode};

use lethe_cli::{Output, output};

/// Why the program failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// None of the others.
    Other(String),
    /// The command line is wrong in a way that clap can't see.
    Usage(String),
    /// The manifests or Secrets have mistakes.
    #[cfg(feature = "kafka")]
    Manifests(String),
    /// The store is not available, or is not what was declared.
    #[cfg(feature = "kafka")]
    Store(String),
}

impl Failure {
    /// Wraps an error that is none of the other kinds.
    pub(super) fn other(error: impl Display) -> Self {
        Failure::Other(error.to_string())
    }

    /// Writes the messages to standard error, and returns the exit code.
    pub(super) fn report(self, output: Output) -> ExitCode {
        let (code, message) = match self {
            Failure::Other(message) => (1, message),
            Failure::Usage(message) => (2, message),
            #[cfg(feature = "kafka")]
            Failure::Manifests(message) => (3, message),
            #[cfg(feature = "kafka")]
            Failure::Store(message) => (4, message),
        };
        output::fail(code, &[message], output)
    }
}

#[cfg(feature = "kafka")]
impl From<lethe_crds::load::LoadError> for Failure {
    fn from(error: lethe_crds::load::LoadError) -> Self {
        Failure::Manifests(error.to_string())
    }
}

#[cfg(feature = "kafka")]
impl From<lethe_stores::StoreError> for Failure {
    fn from(error: lethe_stores::StoreError) -> Self {
        Failure::Store(error.to_string())
    }
}
