//! Where data is stored. The only crate with drivers: one folder per store, a Cargo feature each, all
//! behind the traits of [`contract`]. [`open`] makes an opened store from what is declared.

#[cfg(feature = "cassandra")]
pub mod cassandra;
pub mod contract;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "embedded")]
pub mod file;
mod instant;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "mongodb")]
pub mod mongodb;
pub mod open;

pub(crate) use contract::Fault;
pub use contract::{
    Access, Answer, Bookkeeping, DayKey, DayKeys, DeadLetters, ErrorKind, KeyCheck, KeyEntry, KeyRow, Letter,
    LetterKey, MasterKeys, Place, Probe, Progress, Records, Sink, Source, StoreError, StoredRecord, SubjectKeys,
    SubjectWant, Vault,
};
