//! The control path: turns the ProfilePipelines and DataStores of a cluster into running, observed
//! workers.
//!
//! Each kind has a folder (`pipeline/`, `store/`) with the same phases: dereference (reads),
//! validate and build (pure), apply (writes), status. `process/` holds leadership, probes and
//! metrics. Names that are written into the cluster (labels, conditions, reasons, Events) are
//! constants in one file each.
#![forbid(unsafe_code)]

pub mod cli;
pub mod conditions;
pub mod context;
mod controller;
pub mod events;
pub mod fault;
pub mod names;
pub mod pipeline;
pub mod process;
pub mod rollout_limit;
pub mod secrets;
pub mod store;
pub mod watches;
