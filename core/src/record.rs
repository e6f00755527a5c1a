//! The records that a source returns and that a sink takes. The bytes of a batch are in one buffer,
//! so that a batch costs a few allocations instead of one for each event.

use std::{ops::Range, sync::Arc};

use crate::identity::Reference;

/// The position of a record in its source: a Kafka topic and partition, or a file, and an offset.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// `topic|partition`, or the file's name.
    pub stream: Arc<str>,
    /// What distinguishes the stream from an earlier one of the same name
    /// ([`IncomingBatch::incarnation`]).
    pub incarnation: Arc<str>,
    /// Record offset, or the byte offset at which the record begins (uncompressed).
    pub offset: u64,
}

/// One record of a source. Bytes are ranges of its batch's buffer.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The record's value; `None` is a tombstone.
    pub value: Option<Range<usize>>,
    /// The record's key.
    pub key: Option<Range<usize>>,
    /// The record's headers: their names and values.
    pub headers: Vec<(Range<usize>, Option<Range<usize>>)>,
    /// Offset in the batch's stream.
    pub offset: u64,
    /// The record's own timestamp, milliseconds since 1970; `None` if it has none.
    pub timestamp: Option<i64>,
    /// Why the source itself could not read it (a short CSV row, a line that is too long). The
    /// value is then the raw bytes, cut if they are too long.
    pub unreadable: Option<crate::reason::Reason>,
}

/// Records of one stream (a partition, a file), in order.
#[derive(Clone, Debug)]
pub struct IncomingBatch {
    /// `topic|partition`, or the file's name.
    pub stream: Arc<str>,
    /// What distinguishes the stream from an earlier one of the same name: the id of the topic, the
    /// fingerprint of the file. Empty if the source knows none.
    pub incarnation: Arc<str>,
    /// The bytes that the ranges point into.
    pub bytes: Vec<u8>,
    /// The records.
    pub records: Vec<Incoming>,
    /// Offset to continue from once all of these are acknowledged.
    pub next_offset: u64,
}

/// What a sink does with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Write this JSON object: a range of the batch's buffer.
    Document(Range<usize>),
    /// Delete the subject's record.
    Delete,
}

/// One record for a sink.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The subject's reference for the sink's audience.
    pub subject: Reference,
    /// The event id as this audience may see it: a range of the batch's buffer, UTF-8.
    pub event_id: Range<usize>,
    /// The event's version.
    pub version: i64,
    /// The event's time, milliseconds since 1970, as precise as the sink may show it.
    pub time: i64,
    /// Offset in its source of the record that this one was made of.
    pub offset: u64,
    /// When the record expires, milliseconds since 1970.
    pub expires: Option<i64>,
    /// What to do.
    pub body: Body,
}

/// Records for one sink, in the order of the source.
#[derive(Clone, Debug, Default)]
pub struct OutgoingBatch {
    /// The bytes that the ranges point into.
    pub bytes: Vec<u8>,
    /// The records.
    pub records: Vec<Outgoing>,
}

impl OutgoingBatch {
    /// Returns an empty batch with room for this many bytes and records.
    #[must_use]
    pub fn with_room(bytes: usize, records: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), records: Vec::with_capacity(records) }
    }
}
