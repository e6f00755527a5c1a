//! Opens what is declared: DataStores with their Secrets, and the source, sinks and dead letters of
//! a pipeline. Only this module knows which drivers the build contains.

#[cfg(all(feature = "embedded", any(feature = "kafka", feature = "cassandra", feature = "mongodb")))]
mod connector;
#[cfg(feature = "embedded")]
mod dead_letters;
#[cfg(feature = "embedded")]
mod records;
mod secrets;
#[cfg(feature = "embedded")]
mod sinks;
#[cfg(feature = "embedded")]
mod source;
#[cfg(feature = "embedded")]
mod stores;

#[cfg(feature = "embedded")]
pub use dead_letters::{check_dead_letters, compare_record_sizes, open_dead_letters};
#[cfg(feature = "embedded")]
pub use records::{Found, open_records};
pub use secrets::{
    SecretError, SecretFault, Secrets, cassandra_connection, kafka_connection, mongodb_connection, secrets_of,
};
#[cfg(feature = "embedded")]
pub use sinks::{check_sink, open_sinks};
#[cfg(feature = "embedded")]
pub use source::{OpenedSource, open_source};
#[cfg(feature = "embedded")]
pub use stores::Stores;

use crate::StoreError;
pub use crate::contract::{CassandraConnection, KafkaConnection, Login, MongodbConnection, TlsOptions};

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The manifests don't declare a DataStore that is needed.
    #[error("{0}")]
    Undeclared(String),
    /// The store returned an error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A Secret of a connection can't be used.
    #[error("the DataStore {store:?} names the Secret {secret:?}: {message}")]
    Secret {
        /// The DataStore.
        store: String,
        /// The Secret.
        secret: String,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// The store is on another machine, and the caller did not allow that.
    #[error(
        "the DataStore {store:?} is at {address}, which is not on this machine: add --live if this run is meant to read \
         and write there"
    )]
    NotLive {
        /// The DataStore.
        store: String,
        /// The address.
        address: String,
    },
    /// This build contains no driver for the store.
    #[error("{what} is on {kind}, and this build of lethe-worker has no support for it; it has: {}", SUPPORTED.join(", "))]
    Unsupported {
        /// What needs the store, e.g. `the source`.
        what: String,
        /// Kind of the store.
        kind: String,
    },
}

impl From<SecretError> for OpenError {
    fn from(error: SecretError) -> Self {
        let message = match error.fault {
            SecretFault::Absent => "the manifests don't hold it; give its file with -f, too".to_owned(),
            fault @ (SecretFault::NotAllowed(_) | SecretFault::NoKey(_) | SecretFault::NotText(_)) => fault.to_string(),
        };
        OpenError::Secret { store: error.store, secret: error.secret, message }
    }
}

/// Kinds of stores that this build can open.
const SUPPORTED: &[&str] = &[
    #[cfg(feature = "embedded")]
    "embedded",
    #[cfg(feature = "embedded")]
    "file",
    #[cfg(feature = "kafka")]
    "kafka",
    #[cfg(feature = "cassandra")]
    "cassandra",
    #[cfg(feature = "mongodb")]
    "mongodb",
];

#[cfg(feature = "embedded")]
fn unsupported(what: impl Into<String>, kind: impl std::fmt::Display) -> OpenError {
    OpenError::Unsupported { what: what.into(), kind: kind.to_string() }
}
