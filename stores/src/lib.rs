//! Drivers of the stores. This is the only crate that depends on database drivers. It has one
//! folder and one Cargo feature per store; every store implements the traits of [`contract`].
//! [`open`] turns a declared DataStore into an opened store.

#[cfg(feature = "cassandra")]
pub mod cassandra;
pub mod contract;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "embedded")]
pub mod file;
#[cfg(any(feature = "embedded", feature = "cassandra", feature = "mongodb"))]
mod instant;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "mongodb")]
pub mod mongodb;
pub mod open;

#[cfg(any(feature = "embedded", feature = "cassandra", feature = "mongodb"))]
pub(crate) use contract::Fault;
pub use contract::{
    Access, Answer, Bookkeeping, DayKey, DayKeys, DeadLetters, ErrorKind, FilePosition, KeyCheck, KeyEntry, KeyRow,
    Letter, LetterKey, MasterKeys, Probe, Progress, Records, Restore, Sink, Source, StoreError, StoredRecord,
    SubjectKeys, SubjectWant, Vault,
};
