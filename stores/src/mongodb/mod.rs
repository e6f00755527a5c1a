//! MongoDB: collections as sinks, and a vault of keys.
//!
//! The connector sends raw commands. So one command holds hundreds of statements on any server from
//! 4.4 on, and a document is encoded from JSON to BSON without an intermediate tree. Every
//! acknowledged write is stored by a majority, and every read returns only what a majority has
//! stored.

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
