//! From a record to the bytes of Cassandra's protocol. Pure.

pub(crate) mod cell;
mod document;
mod number;
pub(crate) mod row;
