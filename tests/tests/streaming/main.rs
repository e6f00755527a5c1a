//! Lethe's promises about streams, tested by real runs on real servers: one file per promise.
//!
//! Servers are those of `tests/engines`, or of the variables that name others (see its README).
//! Tests share `lethe_tests` (servers, programs, the model), `pipeline_fixture` (a pipeline with
//! names of its own), `topics` and `tables` (what stores hold) and `expected` (what they should
//! hold).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod accounting;
mod canary;
mod cassandra;
mod errors;
mod example;
mod expected;
mod expired;
mod faults;
mod foreign_records;
mod listen;
mod memory;
mod mongodb;
mod node;
mod order;
mod pipeline_fixture;
mod proxy;
mod rebalance;
mod record_sizes;
mod redrive;
mod soak;
mod tables;
mod topic_replaced;
mod topics;
mod transactions;
