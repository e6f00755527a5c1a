//! Where events come from.

use lethe_core::record::IncomingBatch;

use crate::StoreError;

/// Where events come from. Blocking: it has a thread of its own.
pub trait Source: Send {
    /// The next records, at most `max` of them and all of one stream; `None` at the end.
    fn next_batch(&mut self, max: usize) -> Result<Option<IncomingBatch>, StoreError>;

    /// Bytes in all, where that is known: for progress.
    fn total_bytes(&self) -> Option<u64> {
        None
    }

    /// Bytes read so far, of those in all.
    fn bytes_read(&self) -> u64;
}
