//! What Lethe promises, kept by real runs of `lethe-worker`: one file per promise.
//!
//! One binary for all of them, because linking is what costs. What they share lies in `worker` (how
//! the program runs), `folder` (what it runs on), `dump` (what it left), `model` (what it should have
//! left) and `planted` (a person who must be found nowhere).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod accounting;
mod bad_input;
mod canary;
mod crash;
mod dump;
mod examples;
mod folder;
mod model;
mod planted;
mod real_data;
mod replay;
#[allow(dead_code, reason = "the promises on streams use the rest")]
mod worker;
