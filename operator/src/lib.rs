//! The control path: what is declared in a cluster becomes running, observed workers.
//!
//! A folder per kind (`pipeline/`, `store/`), each with the same phases: dereference (reads), validate and build
//! (pure), apply (writes), status. `process/` is what is around them: leadership, probes, metrics. What is written
//! into the cluster by name (labels, conditions, reasons, events) is a constant in one file each.
#![forbid(unsafe_code)]

pub mod cache;
pub mod cli;
pub mod conditions;
pub mod context;
mod control;
pub mod events;
pub mod fault;
pub mod names;
pub mod pace;
pub mod pipeline;
pub mod process;
pub mod secrets;
pub mod store;
