//! What tests and benches of Lethe's promises share. The promises are in `tests/`, one file each.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

pub mod canaries;
pub mod engines;
pub mod folder;
pub mod model;
pub mod process;
pub mod programs;
