//! `lethe-operator`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    lethe_operator::cli::main()
}
