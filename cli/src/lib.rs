//! What the command lines of Lethe's programs share: global options, logs, output, tables, pages.
#![forbid(unsafe_code)]

pub mod bar;
pub mod logs;
pub mod options;
pub mod output;
pub mod pages;
pub mod panics;
pub mod table;

pub use options::{GlobalOptions, LogFormat, Output};
