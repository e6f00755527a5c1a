//! The contract of all stores: their traits, the types of these traits, and their error. A store
//! implements the traits that fit it.

mod connection;
mod dead_letters;
mod error;
mod probe;
mod records;
mod sink;
mod source;
mod vault;

pub use connection::{CassandraConnection, KafkaConnection, Login, MongodbConnection, TlsOptions};
pub use dead_letters::{DeadLetters, Letter, LetterKey};
#[cfg(any(feature = "embedded", feature = "cassandra", feature = "mongodb"))]
pub(crate) use error::Fault;
pub use error::{ErrorKind, StoreError};
pub use probe::Probe;
pub use records::{Records, StoredRecord};
pub use sink::{Answer, Restore, Sink};
pub use source::Source;
#[cfg(any(feature = "embedded", feature = "cassandra", feature = "mongodb"))]
pub(crate) use vault::ProgressKind;
pub use vault::{
    Bookkeeping, DayKey, DayKeys, FilePosition, KeyCheck, KeyEntry, KeyRow, MasterKeys, Progress, SubjectKeys,
    SubjectWant, Vault,
};

/// Whether an absent table, topic or collection may be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Create it if the manifest allows that.
    Create,
    /// Read only: create and change nothing.
    ReadOnly,
}
