//! Files: NDJSON and CSV as a source, NDJSON as a sink. I/O blocks, and the sink runs it on tokio's
//! blocking threads. Memory use does not depend on the size of a file.

mod fault;
mod sink;
mod source;
mod trail;

#[cfg(test)]
mod tests;

pub use sink::{FileSink, FileSinkOptions};
pub use source::{FileEnd, FileSource, FileSourceOptions, Timestamps, matches};

/// The name of files as a store, in messages and in the register of places.
const STORE: &str = "file";

/// How many bytes are kept of a record that is too large, at most.
pub const CUT: usize = 64 * 1024;
