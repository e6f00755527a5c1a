//! Runs, redrives and reveals of whole pipelines on real files and real SQLite.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod accounting;
mod fixture;
mod guards;
mod redrive;
mod resume;
mod reveal;
