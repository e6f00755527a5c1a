//! Lethe's promises, kept by real runs: see `tests/promises/`, one file per promise. Here lies what
//! tests and benches share.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

pub mod engines;
