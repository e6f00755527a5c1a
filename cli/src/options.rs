//! The options that every command takes.

use clap::{Args, ValueEnum};

/// The options that every command takes.
#[derive(Args, Debug)]
pub struct GlobalOptions {
    /// How answers are written.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text, help_heading = "Global options")]
    pub output: Output,

    /// What is logged to standard error: error, warn, info, debug, trace, or a filter such as
    /// `lethe=debug`.
    #[arg(long, global = true, env = "LETHE_LOG", default_value = "warn", help_heading = "Global options")]
    pub log: String,

    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, help_heading = "Global options")]
    pub log_format: LogFormat,
}

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For scripts: one JSON document.
    Json,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}
