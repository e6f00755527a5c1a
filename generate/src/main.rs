//! The `lethe-generate` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    lethe_cli::panics::hide_messages();
    lethe_generate::cli::main()
}
