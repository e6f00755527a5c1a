//! What a user can declare to Lethe: the custom resources of the group `lethe.dev`, the rules the
//! API server checks on them, and the one loader that reads them from files.
//!
//! This crate holds shapes only. `lethe-core` gives them their meaning and checks the rules that
//! span two lists.
#![forbid(unsafe_code)]

pub mod data_store;
mod definition;
pub mod duration;
pub mod load;
pub mod profile_pipeline;
pub mod reference;
pub mod shape;
#[cfg(test)]
mod tests;

pub use data_store::{DataStore, DataStoreSpec, DataStoreStatus};
pub use definition::crds;
pub use duration::Duration;
pub use profile_pipeline::{ProfilePipeline, ProfilePipelineSpec, ProfilePipelineStatus};

/// The API group of every kind.
pub const GROUP: &str = "lethe.dev";
/// The API version of every kind; it changes by addition only.
pub const VERSION: &str = "v1alpha1";
