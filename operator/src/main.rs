//! `lethe-operator`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lethe_operator::cli::main()
}
