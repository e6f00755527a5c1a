//! Answers on standard output, failures on standard error.

use std::{
    io::{self, Write, stdout},
    process::ExitCode,
};

use serde_json::json;

use crate::Output;

/// Writes an answer to standard output. A reader that closes the pipe early (`| head`) is no error.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes the messages of a failure to standard error, and returns its exit code.
pub fn fail(code: u8, messages: &[String], output: Output) -> ExitCode {
    match output {
        Output::Text => {
            for message in messages {
                eprintln!("error: {message}");
            }
        }
        Output::Json => eprintln!("{}", json!({"error": {"code": code, "messages": messages}})),
    }
    ExitCode::from(code)
}
