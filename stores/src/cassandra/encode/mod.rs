//! Encodes records for Cassandra's protocol. Pure.

pub(crate) mod cell;
mod document;
mod number;
pub(crate) mod row;
