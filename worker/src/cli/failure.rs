//! Failures of commands: their messages and exit codes.

use std::{fmt::Display, process::ExitCode};

use lethe_cli::{Output, output};
use lethe_core::pipeline::Mistake;
use lethe_crds::load::LoadError;
use lethe_stores::{ErrorKind, StoreError, open};

use crate::{
    open::OpenError,
    run::{KeyError, RunError},
};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Any other failure.
    Other(String),
    /// The command line is invalid in a way that clap can't detect.
    Usage(String),
    /// The manifests can't be parsed.
    Load(LoadError),
    /// A pipeline is invalid.
    Mistakes(Vec<Mistake>),
    /// The given data is invalid.
    InvalidInput(String),
    /// The manifests are invalid, and the command's answer lists the mistakes.
    AlreadyReported,
    /// A store can't be reached, or differs from its declaration.
    Store(StoreError),
    /// The run was stopped before everything it had read was delivered.
    Undelivered(String),
    /// A key is missing, lost or different.
    Key(String),
}

impl Failure {
    /// Wraps any other error.
    pub fn other(error: impl Display) -> Self {
        Failure::Other(error.to_string())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Other(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Load(_) | Failure::Mistakes(_) | Failure::InvalidInput(_) | Failure::AlreadyReported => 3,
            Failure::Store(_) | Failure::Undelivered(_) => 4,
            Failure::Key(_) => 5,
        }
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Failure::Other(message)
            | Failure::Usage(message)
            | Failure::InvalidInput(message)
            | Failure::Undelivered(message)
            | Failure::Key(message) => vec![message.clone()],
            Failure::AlreadyReported => Vec::new(),
            Failure::Load(error) => vec![error.to_string()],
            Failure::Mistakes(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
            Failure::Store(error) => vec![error.to_string()],
        }
    }

    /// Writes the messages to standard error, and returns the exit code.
    pub(super) fn report(&self, output: Output) -> ExitCode {
        match self {
            Failure::AlreadyReported => ExitCode::from(self.code()),
            _ => output::fail(self.code(), &self.lines(), output),
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Failure::Load(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.kind == ErrorKind::Input {
            return Failure::InvalidInput(error.message);
        }
        Failure::Store(error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            other => Failure::Key(other.to_string()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Mistakes(mistakes) => Failure::Mistakes(mistakes),
            OpenError::Open(error) => error.into(),
            OpenError::Undeclared(_) => Failure::Usage(error.to_string()),
            OpenError::Keys(_) | OpenError::Ring(_) | OpenError::Check(_) => Failure::Key(error.to_string()),
        }
    }
}

impl From<open::OpenError> for Failure {
    fn from(error: open::OpenError) -> Self {
        match error {
            open::OpenError::Store(error) => error.into(),
            open::OpenError::Undeclared(_) => Failure::Usage(error.to_string()),
            open::OpenError::Secret { .. } | open::OpenError::NotLive { .. } => {
                Failure::InvalidInput(error.to_string())
            }
            open::OpenError::Unsupported { .. } => Failure::Other(error.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Key(error) => error.into(),
            RunError::Undelivered { .. } => Failure::Undelivered(error.to_string()),
            other => Failure::other(other),
        }
    }
}
