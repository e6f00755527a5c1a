//! Whole pipelines on real files and real SQLite: what a run, a redrive and a reveal promise.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod accounting;
mod guards;
mod redrive;
mod resume;
mod reveal;
mod stage;
