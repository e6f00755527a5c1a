//! What the reading threads send to the transform thread.

#[cfg(feature = "kafka")]
use std::sync::Arc;

use lethe_core::record::IncomingBatch;
use lethe_stores::FilePosition;

use super::letters::Undelivered;

/// Where the offset of a batch is committed once every sink and the dead letter have acknowledged
/// it.
#[derive(Clone, Debug)]
pub enum CommitTarget {
    /// In the key store's bookkeeping, as the position after the batch.
    Vault(FilePosition),
    /// Nowhere: a later run can't continue the stream (standard input, a pipe).
    Nowhere,
    /// In the consumer group of a topic.
    #[cfg(feature = "kafka")]
    Group(lethe_core::ack::Ticket),
}

impl CommitTarget {
    /// Returns the number of the assignment of the stream. It grows each time that the stream is
    /// assigned to this worker; a file has only one.
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Vault(_) | Self::Nowhere => 0,
            #[cfg(feature = "kafka")]
            Self::Group(ticket) => ticket.generation(),
        }
    }
}

/// Records of one stream, and where their offset is committed.
#[derive(Clone, Debug)]
pub struct SourceBatch {
    /// The records.
    pub batch: IncomingBatch,
    /// Where the offset is committed.
    pub commit_to: CommitTarget,
}

/// A message to the transform thread.
pub(super) enum Message {
    /// Records to process.
    Batches(Vec<SourceBatch>),
    /// Records that an earlier run delivered, and the number of the assignment that they are read
    /// for. Only their ids are remembered, for dedupe.
    History(IncomingBatch, u64),
    /// Records of the history that follows which were not delivered to every sink: their ids are not
    /// remembered.
    Undelivered(Undelivered),
    /// Streams whose partitions were revoked, with the numbers of their assignments.
    #[cfg(feature = "kafka")]
    Revoked(Vec<(Arc<str>, u64)>),
}
