//! SQLite in a file beside the worker: tables for events, subjects' keys, dead letters and
//! bookkeeping. A whole pipeline on a laptop, with no server.
//!
//! All I/O is SQLite's own and runs on tokio's blocking threads; nothing here holds up the runtime,
//! but [`EmbeddedStore::open`] and [`TableSink::open`], which block and belong at the start.

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
