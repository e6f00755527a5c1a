//! What Lethe promises, kept by real runs of `lethe-worker`: one file per promise.
//!
//! One binary for all of them, because linking is what costs. What they share lies in `worker` (how
//! the program runs), `folder` (what it runs on), `dump` (what it left) and `model` (what it should
//! have left).
#![allow(clippy::unwrap_used)]

mod accounting;
mod bad_input;
mod canary;
mod crash;
mod dump;
mod examples;
mod folder;
mod model;
mod real_data;
mod replay;
mod worker;
