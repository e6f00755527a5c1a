//! Files: NDJSON and CSV as a source, NDJSON as a sink. Blocking I/O, constant memory whatever a file
//! holds; the sink works on tokio's blocking threads.

mod cells;
mod csv;
mod input;
mod ndjson;
mod pattern;
mod sink;
mod source;
mod window;

#[cfg(test)]
mod resume_tests;

pub use sink::{Existing, FileSink, FileSinkOptions};
pub use source::{FileSource, FileSourceOptions};

use std::{fmt::Display, io};

use crate::StoreError;

/// The name of files as a store, in messages and in the register of places.
const STORE: &str = "file";

/// Bytes that are kept of a record too large to be read.
const CUT: usize = 64 * 1024;

/// What is there is not what was declared.
fn mismatch(message: impl Into<String>) -> StoreError {
    StoreError::Mismatch { store: STORE.to_owned(), message: message.into() }
}

/// A file that can't be read or written. An error of the operating system names no data.
fn failed(doing: impl Display, error: &io::Error) -> StoreError {
    let message = format!("failed to {doing}: {error}");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::Unavailable { store: STORE.to_owned(), message }
        }
        _ => StoreError::Failed { store: STORE.to_owned(), message },
    }
}
