//! What is SQLite's own of a table of events.

mod deleted;
mod table;
