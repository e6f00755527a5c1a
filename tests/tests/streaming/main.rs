//! What Lethe promises of streams, kept by real runs on real servers: one file per promise.
//!
//! Servers come from `tests/engines`, or from the variables that name others (its README). What tests
//! share lies in `lethe_tests::engines` (the servers), `stage` (a pipeline on them), `topics` and `tables` (what lies
//! there) and `ending` (what should lie there).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod accounting;
mod canary;
mod cassandra;
mod ending;
mod errors;
mod example;
mod expired;
mod faults;
#[path = "../promises/folder.rs"]
#[allow(dead_code, reason = "the promises on files use the rest")]
mod folder;
mod listen;
mod memory;
#[path = "../promises/model.rs"]
#[allow(dead_code, reason = "the promises on files use the rest")]
mod model;
mod mongodb;
mod node;
mod order;
#[path = "../promises/planted.rs"]
mod planted;
mod proxy;
mod rebalance;
mod redrive;
mod soak;
mod stage;
mod tables;
mod topics;
#[path = "../promises/worker.rs"]
#[allow(dead_code, reason = "the promises on files use the rest")]
mod worker;
