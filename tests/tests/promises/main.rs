//! Lethe's promises, tested by real runs of `lethe-worker`: one file per promise.
//!
//! One binary has all of them, because linking is slow. `dump` reads an embedded store; the rest of
//! what they share is in `lethe_tests`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod accounting;
mod bad_input;
mod canary;
mod crash;
mod dump;
mod examples;
mod growing;
mod odd_values;
mod real_data;
mod replay;
