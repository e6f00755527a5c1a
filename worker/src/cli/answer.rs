//! Answers on standard output. A reader that has seen enough (`| head`) is no failure.

use lethe_cli::output;
use serde_json::Value;

use super::Failure;

/// Writes text as it is.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Writes one JSON document, and ends its line.
pub(crate) fn json(document: &Value) -> Result<(), Failure> {
    bytes(format!("{document:#}\n").as_bytes())
}

/// Writes bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    output::write(bytes).map_err(|error| Failure::Other(format!("failed to write to standard output: {error}")))
}
