//! Errors of stores.

use std::fmt;

/// An error of a store. Messages name files, tables and columns, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// Category of the error.
    pub kind: ErrorKind,
    /// Name of the DataStore.
    pub store: String,
    /// What happened and how to fix it.
    pub message: String,
}

impl StoreError {
    /// Creates an error of the DataStore `store`.
    pub fn new(kind: ErrorKind, store: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, store: store.into(), message: message.into() }
    }

    /// Returns whether a later retry may succeed.
    pub const fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, store, message } = self;
        if kind.is_transient() {
            write!(f, "{store} is not available: {message}")
        } else {
            write!(f, "{store}: {message}")
        }
    }
}

impl std::error::Error for StoreError {}

/// Category of a store's error. The store's `fault` sets it where the error arises, from codes and
/// types. Only where a server or driver gives a cause as text alone, it reads that text. No other
/// code derives a kind from a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// No server can be reached, or the connection broke. Transient.
    Unreachable,
    /// A host name has no address. Transient, because the DNS entry may still be created.
    Dns,
    /// A server answers, but no usable connection can be made: only one side uses TLS, or the
    /// server doesn't speak this store's protocol. Transient, because a server that just stopped
    /// looks the same.
    Handshake,
    /// The store did not answer in time. Transient.
    Timeout,
    /// The store can't process the request now: it is overloaded, a lock is held, or its disk is
    /// full. Transient.
    Busy,
    /// The certificates are not trusted or not valid: the server's certificate, the host name in
    /// it, its authority, or the client's own certificate.
    Tls,
    /// The user, password or mechanism is wrong or missing.
    Login,
    /// The user lacks a right.
    Rights,
    /// What exists in the store differs from what is declared. One of the two must be changed.
    Mismatch,
    /// The data of a source can't be read at all, such as a file in UTF-16.
    Input,
    /// A record is larger than the store accepts.
    TooLarge,
    /// The store returned an error that a retry can't fix.
    Refused,
    /// A fault of Lethe, of a driver, or of data that Lethe stored earlier.
    Internal,
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: [ErrorKind; 13] = [
        ErrorKind::Unreachable,
        ErrorKind::Dns,
        ErrorKind::Handshake,
        ErrorKind::Timeout,
        ErrorKind::Busy,
        ErrorKind::Tls,
        ErrorKind::Login,
        ErrorKind::Rights,
        ErrorKind::Mismatch,
        ErrorKind::Input,
        ErrorKind::TooLarge,
        ErrorKind::Refused,
        ErrorKind::Internal,
    ];

    /// Returns whether a later retry may succeed.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::Dns | Self::Handshake | Self::Timeout | Self::Busy => true,
            Self::Tls
            | Self::Login
            | Self::Rights
            | Self::Mismatch
            | Self::Input
            | Self::TooLarge
            | Self::Refused
            | Self::Internal => false,
        }
    }

    /// Returns the kind as a stable word, for metrics and status fields.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Dns => "dns",
            Self::Handshake => "handshake",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::Rights => "rights",
            Self::Mismatch => "mismatch",
            Self::Input => "input",
            Self::TooLarge => "too-large",
            Self::Refused => "refused",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error inside a store's code, where the name of the DataStore isn't known yet.
#[cfg(any(feature = "embedded", feature = "cassandra", feature = "mongodb"))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

#[cfg(any(feature = "embedded", feature = "cassandra", feature = "mongodb"))]
impl Fault {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn mismatch(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Mismatch, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds the name of the DataStore.
    pub(crate) fn at(self, store: &str) -> StoreError {
        StoreError::new(self.kind, store, self.message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_transient_error_says_that_the_store_is_not_available() {
        let error = |kind| StoreError::new(kind, "profiles", "no node answers").to_string();
        assert_eq!(error(ErrorKind::Unreachable), "profiles is not available: no node answers");
        assert_eq!(error(ErrorKind::Mismatch), "profiles: no node answers");
    }

    #[test]
    fn every_kind_has_a_unique_name() {
        let names: BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }
}
