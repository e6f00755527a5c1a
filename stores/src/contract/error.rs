//! What can go wrong in a store.

use std::fmt;

/// A store's answer that is no success. Messages name files, tables and columns, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Name of the DataStore.
    pub store: String,
    /// What happened, and what to do.
    pub message: String,
}

impl StoreError {
    /// An error of the store `store`.
    pub fn new(kind: ErrorKind, store: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, store: store.into(), message: message.into() }
    }

    /// Returns whether trying again later may help.
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

/// What went wrong in a store. The kind is set where the error arises; nothing else looks at texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// No server can be reached, or the connection broke. Transient.
    Unreachable,
    /// The name of a host has no address. Transient: DNS may not know it yet.
    Dns,
    /// A server is there, but no usable connection came of it: TLS on one side only, or a server that
    /// doesn't speak this store's protocol (yet). Transient: a server that just stopped looks the same.
    Handshake,
    /// The store did not answer in time. Transient.
    Timeout,
    /// The store can't do it now: it is overloaded, a lock is held, its disk is full. Transient.
    Busy,
    /// There is no trust: the certificate, the name in it, the authority, or the client's own certificate.
    Tls,
    /// The user, the password or the mechanism is wrong or missing.
    Login,
    /// The user may not do what is needed.
    Rights,
    /// What is there differs from what was declared; one of the two must change.
    Mismatch,
    /// One record is larger than the store takes.
    TooLarge,
    /// The store answered with an error that another try won't cure.
    Refused,
    /// Lethe, a driver, or what Lethe stored there before is at fault.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [ErrorKind; 12] = [
        ErrorKind::Unreachable,
        ErrorKind::Dns,
        ErrorKind::Handshake,
        ErrorKind::Timeout,
        ErrorKind::Busy,
        ErrorKind::Tls,
        ErrorKind::Login,
        ErrorKind::Rights,
        ErrorKind::Mismatch,
        ErrorKind::TooLarge,
        ErrorKind::Refused,
        ErrorKind::Internal,
    ];

    /// Returns whether trying again later may help.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::Dns | Self::Handshake | Self::Timeout | Self::Busy => true,
            Self::Tls
            | Self::Login
            | Self::Rights
            | Self::Mismatch
            | Self::TooLarge
            | Self::Refused
            | Self::Internal => false,
        }
    }

    /// The kind as a word. It is stable.
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

/// A failure inside a store's code, where the name of the DataStore isn't known yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

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

    pub(crate) const fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// The same as an error of the store `store`.
    pub(crate) fn at(self, store: &str) -> StoreError {
        StoreError::new(self.kind, store, self.message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_error_that_passes_by_itself_reads_as_one() {
        let error = |kind| StoreError::new(kind, "profiles", "no node answers").to_string();
        assert_eq!(error(ErrorKind::Unreachable), "profiles is not available: no node answers");
        assert_eq!(error(ErrorKind::Mismatch), "profiles: no node answers");
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }
}
