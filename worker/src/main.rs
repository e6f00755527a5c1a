//! The `lethe-worker` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    lethe_worker::cli::main()
}
