//! MongoDB: collections for events, and a vault of keys with what lies beside them.
//!
//! Raw commands, so that one carries hundreds of statements on any server from 4.4 on, and so that a
//! document goes from JSON to the wire without a tree between. Whatever is answered is on a majority.

mod append;
mod bookkeeping;
mod buffer;
mod collection;
mod day_keys;
mod document;
mod fault;
mod json;
mod keys;
mod latest;
mod masters;
mod number;
mod order;
mod records;
mod sink;
mod store;
mod tls;
mod vault;
mod writes;

pub use records::MongodbRecords;
pub use sink::{CollectionOptions, CollectionSink};
pub use store::MongodbStore;
pub use vault::MongodbVault;
