//! Where events go.

use futures::future::BoxFuture;
use lethe_core::{outcome::Outcome, record::OutgoingBatch};

use crate::StoreError;

/// Where events go.
pub trait Sink: Send {
    /// Writes a batch and answers an outcome per record, in order: `Delivered`, `Deleted`, `Stale`
    /// or `Superseded`. When it returns, what it answers is durable. An error means that nothing
    /// is known of the batch: it is written again whole, which changes nothing that was written.
    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Outcome>, StoreError>>;

    /// A mark that is committed with the source's offset, for a sink that can't drop what was
    /// written after the last commit by itself (a file: its length). `None` for stores.
    fn mark(&self) -> Option<u64> {
        None
    }

    /// Goes back to a mark: what was written after it is dropped. Called once, before any write.
    fn restore(&mut self, _mark: Option<u64>) -> Result<(), StoreError> {
        Ok(())
    }
}
