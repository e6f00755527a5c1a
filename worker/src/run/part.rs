//! What travels between the threads: records of one stream each, and whom to tell when every sink
//! holds them.

use std::sync::Arc;

use lethe_core::record::IncomingBatch;

/// Whom to tell when every sink and the dead letter hold a part.
#[derive(Clone, Debug)]
pub enum Receipt {
    /// The store of bookkeeping: the part's next offset is committed there.
    Books,
    /// The consumer of a topic, which commits to its group.
    #[cfg(feature = "kafka")]
    Group(lethe_core::ack::Ticket),
}

/// Records of one stream.
#[derive(Clone, Debug)]
pub struct Part {
    /// The records.
    pub batch: IncomingBatch,
    /// Whom to tell.
    pub receipt: Receipt,
}

/// What the transform thread is fed with.
pub(super) enum Feed {
    /// To be processed.
    New(Vec<Part>),
    /// Delivered by an earlier run: only its ids count.
    Known(IncomingBatch),
    /// Streams that went to somebody else.
    #[cfg(feature = "kafka")]
    Gone(Vec<Arc<str>>),
}

#[cfg(not(feature = "kafka"))]
const _: Option<Arc<str>> = None;
