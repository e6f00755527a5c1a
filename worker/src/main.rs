//! The `lethe-worker` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    lethe_worker::cli::main()
}
