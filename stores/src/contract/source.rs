//! Sources of events.

use lethe_core::record::IncomingBatch;

use crate::StoreError;

/// A source of events. Its methods block, so it runs on its own thread.
pub trait Source: Send {
    /// Returns the next records: at most `max`, all of one stream. Returns `None` at the end of the
    /// source.
    fn next_batch(&mut self, max: usize) -> Result<Option<IncomingBatch>, StoreError>;

    /// Returns the total number of bytes if it is known. Used to show progress.
    fn total_bytes(&self) -> Option<u64> {
        None
    }

    /// Returns the number of bytes read so far.
    fn bytes_read(&self) -> u64;
}
