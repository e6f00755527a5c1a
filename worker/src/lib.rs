//! Lethe's data path: threads, channels and a command line around `lethe-core` and `lethe-stores`.
#![forbid(unsafe_code)]

pub mod cli;
mod clock;
pub mod counts;
pub mod observe;
pub mod open;
pub mod redrive;
pub mod reveal;
pub mod run;
pub mod survey;
