//! Answers on standard output. A reader that has seen enough (`| head`) is no failure.

use std::io::{self, Write, stdout};

use serde_json::Value;

use super::Failure;

/// Writes text as it is.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    write(text.as_bytes())
}

/// Writes one JSON document, and ends its line.
pub(crate) fn json(document: &Value) -> Result<(), Failure> {
    write(format!("{document:#}\n").as_bytes())
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("failed to write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
