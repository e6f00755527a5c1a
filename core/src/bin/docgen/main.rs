//! Writes `docs/reference/` from the types; with `--check` it only tells whether it is fresh.
#![forbid(unsafe_code)]

mod kinds;
mod page;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => page::write(),
        ["--check"] => page::check(),
        _ => {
            eprintln!("usage: docgen [--check]");
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
