//! The pure logic of Lethe.
//!
//! It has no I/O, no async code, no clock and no randomness. A caller passes in bytes, the time and
//! random bytes, and gets back bytes, outcomes and mistakes.
#![forbid(unsafe_code)]

pub mod ack;
pub mod clean;
pub mod dedupe;
pub mod detect;
pub mod engine;
pub mod identity;
mod invisible;
pub mod json;
pub mod keys;
pub mod latest;
pub mod letter;
pub mod outcome;
mod phone;
pub mod pipeline;
pub mod place;
pub mod plan;
pub mod pointer;
pub mod protect;
pub mod reason;
pub mod record;
pub mod scalar;
pub mod schema;
pub mod seal;
pub mod sensitive;
pub mod subject;
pub mod time;
pub mod version;
pub mod walk;
