//! Sources of events.

use lethe_core::record::IncomingBatch;

use crate::{FilePosition, StoreError};

/// A source of events. Its methods block, so it runs on its own thread.
pub trait Source: Send {
    /// Returns the next records: at most `max`, all of one stream. Returns `None` at the end of the
    /// source. If the source grows, a later call returns what was added.
    fn next_batch(&mut self, max: usize) -> Result<Option<IncomingBatch>, StoreError>;

    /// Returns the position after the last batch, from which a later run continues. Returns `None`
    /// for a stream that a later run can't continue: standard input, a pipe.
    fn position(&self) -> Option<FilePosition>;

    /// Returns the names of files that were replaced by others since the last call. They are read
    /// from their start.
    fn take_replaced(&mut self) -> Vec<String>;

    /// Returns the total number of bytes if it is known. Used to show progress.
    fn total_bytes(&self) -> Option<u64> {
        None
    }

    /// Returns the number of bytes read so far.
    fn bytes_read(&self) -> u64;
}
