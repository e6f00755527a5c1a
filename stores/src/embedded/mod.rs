//! The embedded store: a SQLite file with tables for events, subjects' keys, dead letters and
//! bookkeeping. It runs a whole pipeline on a laptop without a server.
//!
//! All I/O is SQLite's own and runs on tokio's blocking threads, so it does not block the runtime.
//! The exceptions are [`EmbeddedStore::open`] and [`TableSink::open`], which block and should be
//! called at startup.

mod connect;
mod dead_letters;
mod fault;
mod records;
mod retain;
mod schema;
mod sink;
mod vault;

#[cfg(test)]
mod tests;

pub use connect::EmbeddedStore;
pub use records::TableRecords;
pub use retain::Swept;
pub use schema::view::ViewColumn;
pub use sink::{TableOptions, TableSink};
