//! From a record to BSON. Pure.

pub(crate) mod buffer;
pub(crate) mod document;
mod json;
mod number;
