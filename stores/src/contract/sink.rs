//! Destinations of events.

use futures::future::BoxFuture;
use lethe_core::{outcome::Outcome, reason::Rejection, record::OutgoingBatch};

use crate::{FilePosition, StoreError};

/// The result for one record. `Ok` holds `Delivered`, `Deleted`, `Stale` or `Superseded`. `Err`
/// means that the store can never accept this record (`SinkRefused`): a retry would fail as well. A
/// rejection names a rule and a declared path, never a value.
pub type Answer = Result<Outcome, Rejection>;

/// How a sink begins. Both hold what was committed last; `None` if nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// Continue after what was committed last, and discard what was written later.
    Continue(Option<FilePosition>),
    /// Discard everything that was written, also what was committed.
    StartOver(Option<FilePosition>),
}

/// A destination of events.
pub trait Sink: Send {
    /// Writes a batch and returns one answer per record, in the order of the batch. All answered
    /// records are durable when this returns.
    ///
    /// An error means that the state of the whole batch is unknown. The caller then writes the same
    /// batch again, which does not change records that were already written.
    ///
    /// Await this future to its end. Some drivers lose track of their connection if a future is
    /// dropped half-way.
    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>>;

    /// Returns whether a record that is written twice may be stored twice.
    fn repeats(&self) -> bool {
        false
    }

    /// Returns a mark that is committed together with the source's offset. A sink needs one if it
    /// can't discard by itself what it wrote after the last commit: for a file, the mark is its
    /// length in bytes. Stores return `None`.
    fn mark(&self) -> Option<FilePosition> {
        None
    }

    /// Discards what an earlier run wrote and `from` doesn't keep. Called once, before the first
    /// write. A sink discards nothing but what is recorded as written by it.
    fn restore(&mut self, _from: Restore) -> Result<(), StoreError> {
        Ok(())
    }
}
