//! `lethe-operator`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    lethe_cli::panics::hide_messages();
    lethe_operator::cli::main()
}
