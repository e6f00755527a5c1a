//! Encodes records as BSON, without I/O.

pub(crate) mod buffer;
pub(crate) mod document;
mod json;
mod number;
