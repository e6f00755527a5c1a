//! Where data lives. The only crate with drivers: one folder per store, a Cargo feature each, all
//! behind the few traits of this file's siblings.

pub mod bookkeeping;
pub mod dead_letter;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod error;
#[cfg(feature = "embedded")]
pub mod file;
#[cfg(feature = "embedded")]
mod instant;
pub mod key_store;
pub mod sink;
pub mod source;

pub use bookkeeping::Bookkeeping;
pub use dead_letter::DeadLetters;
pub use error::StoreError;
pub use key_store::KeyStore;
pub use sink::Sink;
pub use source::Source;
