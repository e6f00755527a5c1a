//! Where data lives. The only crate with drivers: one folder per store, a Cargo feature each, all
//! behind the few traits of this file's siblings.

pub mod bookkeeping;
#[cfg(feature = "cassandra")]
pub mod cassandra;
pub mod connection;
pub mod day_keys;
pub mod dead_letter;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod error;
#[cfg(feature = "embedded")]
pub mod file;
mod instant;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod key_store;
#[cfg(feature = "mongodb")]
pub mod mongodb;
pub mod reach;
pub mod records;
pub mod sink;
pub mod source;
pub mod vault;

pub use bookkeeping::Bookkeeping;
pub use connection::Access;
pub use day_keys::DayKeys;
pub use dead_letter::DeadLetters;
pub use error::StoreError;
pub use key_store::KeyStore;
pub use records::{Records, StoredRecord};
pub use sink::{Answer, Sink};
pub use source::Source;
pub use vault::Vault;
