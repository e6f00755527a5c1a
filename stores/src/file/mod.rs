//! Files: NDJSON and CSV as a source, NDJSON as a sink. Blocking I/O, constant memory whatever a file
//! holds; the sink works on tokio's blocking threads.

mod fault;
mod sink;
mod source;

#[cfg(test)]
mod tests;

pub use sink::{Existing, FileSink, FileSinkOptions};
pub use source::{FileSource, FileSourceOptions};

/// The name of files as a store, in messages and in the register of places.
const STORE: &str = "file";

/// Bytes that are kept of a record too large to be read.
const CUT: usize = 64 * 1024;
