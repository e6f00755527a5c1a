//! What Lethe's words mean.
//!
//! Pure: no I/O, no async, no clock and no randomness of its own. A caller passes bytes, the time
//! and random bytes in, and gets bytes, outcomes and mistakes back.
#![forbid(unsafe_code)]

pub mod ack;
pub mod clean;
pub mod dedupe;
pub mod detect;
pub mod engine;
pub mod identity;
pub mod json;
pub mod keys;
pub mod latest;
pub mod letter;
pub mod outcome;
mod phone;
pub mod pipeline;
pub mod place;
pub mod plan;
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
