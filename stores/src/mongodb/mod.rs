//! MongoDB: collections for events, and a vault of keys with what lies beside them.
//!
//! Raw commands, so that one carries hundreds of statements on any server from 4.4 on, and so that a
//! document goes from JSON to the wire without a tree between. Whatever is answered is on a majority.

mod connect;
mod encode;
mod fault;
mod probe;
mod records;
mod schema;
mod sink;
mod vault;

pub use connect::MongodbStore;
pub use probe::probe;
pub use records::MongodbRecords;
pub use sink::{CollectionOptions, CollectionSink};
pub use vault::MongodbVault;
