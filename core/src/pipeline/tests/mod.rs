//! Tests of the checks as a whole, and pipelines for the tests of other modules.

pub(super) mod fixtures;
mod rules;
pub(crate) mod sample;
