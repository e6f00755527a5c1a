//! Where events go.

use futures::future::BoxFuture;
use lethe_core::{outcome::Outcome, reason::Rejection, record::OutgoingBatch};

use crate::StoreError;

/// What became of one record: `Delivered`, `Deleted`, `Stale` or `Superseded`; or why the store can't
/// take it (`SinkRefused`), however often it is tried. A refusal names a rule and a declared path, and
/// no value.
pub type Answer = Result<Outcome, Rejection>;

/// Where events go.
pub trait Sink: Send {
    /// Writes a batch and answers for each record, in order. When it returns, what it answers is
    /// durable. An error means that nothing is known of the batch: it is written again whole, which
    /// changes nothing that was written.
    ///
    /// A caller awaits it to its end: a driver whose future is dropped half-way may lose track of
    /// its connection.
    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>>;

    /// Whether a record that is written twice may stand there twice.
    fn repeats(&self) -> bool {
        false
    }

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
