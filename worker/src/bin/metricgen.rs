//! Writes the table of metrics in docs/operations.md; with `--check` it only tells whether it is
//! fresh. The rest of that page is written by people and left alone.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use lethe_worker::observe::{check_page, write_page};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => write_page(),
        ["--check"] => check_page(),
        _ => {
            eprintln!("usage: metricgen [--check]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
