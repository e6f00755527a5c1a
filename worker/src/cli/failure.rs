//! How a command fails: what is said, and the exit code.

use std::{fmt::Display, process::ExitCode};

use lethe_core::pipeline::Mistake;
use lethe_crds::load::LoadError;
use lethe_stores::StoreError;
use serde_json::json;

use super::Output;
use crate::{
    open::OpenError,
    run::{KeyError, RunError},
};

/// How a command fails.
#[derive(Debug)]
pub enum Failure {
    /// None of the others.
    Other(String),
    /// The command line is wrong in a way that clap can't see.
    Usage(String),
    /// Manifests have mistakes that were read before they were understood.
    Load(LoadError),
    /// A pipeline has mistakes.
    Mistakes(Vec<Mistake>),
    /// Data that was given has mistakes.
    Given(String),
    /// Manifests have mistakes, and the answer of the command says which.
    Told,
    /// A store can't be reached, or is not what was declared.
    Store(StoreError),
    /// It was stopped before everything that it had read was delivered.
    Undelivered(String),
    /// A key is missing, lost or another one.
    Key(String),
}

impl Failure {
    /// Any error that is none of the others.
    pub fn other(error: impl Display) -> Self {
        Failure::Other(error.to_string())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Other(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Load(_) | Failure::Mistakes(_) | Failure::Given(_) | Failure::Told => 3,
            Failure::Store(_) | Failure::Undelivered(_) => 4,
            Failure::Key(_) => 5,
        }
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Failure::Other(message)
            | Failure::Usage(message)
            | Failure::Given(message)
            | Failure::Undelivered(message)
            | Failure::Key(message) => vec![message.clone()],
            Failure::Told => Vec::new(),
            Failure::Load(error) => vec![error.to_string()],
            Failure::Mistakes(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
            Failure::Store(error) => vec![error.to_string()],
        }
    }

    /// Says what failed on standard error.
    pub(super) fn report(&self, output: Output) -> ExitCode {
        match output {
            Output::Text => {
                for line in self.lines() {
                    eprintln!("error: {line}");
                }
            }
            Output::Json if matches!(self, Failure::Told) => {}
            Output::Json => eprintln!("{}", json!({"error": {"code": self.code(), "messages": self.lines()}})),
        }
        ExitCode::from(self.code())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Failure::Load(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => Failure::Store(error),
            other => Failure::Key(other.to_string()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Mistakes(mistakes) => Failure::Mistakes(mistakes),
            OpenError::Store(error) => Failure::Store(error),
            OpenError::Which(_) => Failure::Usage(error.to_string()),
            OpenError::Keys(_) | OpenError::Ring(_) | OpenError::Check(_) => Failure::Key(error.to_string()),
            OpenError::Secret { .. } | OpenError::NotLive { .. } => Failure::Given(error.to_string()),
            OpenError::Unsupported { .. } => Failure::Other(error.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => Failure::Store(error),
            RunError::Key(error) => error.into(),
            RunError::Undelivered { .. } => Failure::Undelivered(error.to_string()),
            other => Failure::other(other),
        }
    }
}
