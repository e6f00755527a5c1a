//! SQLite in a file beside the worker: tables for events, subjects' keys, dead letters and
//! bookkeeping. A whole pipeline on a laptop, with no server.
//!
//! All I/O is SQLite's own and runs on tokio's blocking threads; nothing here holds up the runtime,
//! but [`EmbeddedStore::open`] and [`TableSink::open`], which block and belong at the start.

mod bookkeeping;
mod day_keys;
mod dead_letter;
mod fault;
mod house;
mod key_store;
mod order;
mod rows;
mod sink;
mod store;
mod sweep;
mod table;
mod view;

#[cfg(test)]
mod laws;

pub use rows::TableRecords;
pub use sink::{TableOptions, TableSink};
pub use store::EmbeddedStore;
pub use sweep::Swept;
pub use view::ViewColumn;
