//! Groups polled records by partition. Bytes are copied once, into the buffer of their batch.

use std::{collections::BTreeMap, sync::Arc};

use lethe_core::record::{Incoming, IncomingBatch};
use rdkafka::{Message, message::BorrowedMessage};

use crate::kafka::connect::native::headers;

/// How much is gathered at most before it is delivered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of records.
    pub records: usize,
    /// Bytes of keys, values and headers after which no more records are added.
    pub bytes: usize,
}

/// Records of several partitions, in order within each partition.
#[derive(Default)]
pub struct Gathered {
    batches: BTreeMap<i32, IncomingBatch>,
    records: usize,
    bytes: usize,
    /// Initial capacity of a batch, in bytes and records: the average per partition of the last
    /// time.
    room: (usize, usize),
}

impl Gathered {
    /// Returns true if no records are gathered.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Returns true if a limit is reached.
    pub fn is_full(&self, limits: Limits) -> bool {
        self.records >= limits.records || self.bytes >= limits.bytes
    }

    /// Takes all records. The next batches start with a capacity of the same size.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let partitions = self.batches.len().max(1);
        let room = (self.bytes / partitions, self.records / partitions);
        std::mem::replace(self, Self { room, ..Self::default() })
    }

    /// Discards the records of revoked partitions.
    pub fn forget(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(batch) = self.batches.remove(partition) {
                self.records -= batch.records.len();
                self.bytes -= batch.bytes.len();
            }
        }
    }

    /// Returns the offset after the last gathered record of a partition.
    pub(crate) fn next_offset(&self, partition: i32) -> Option<u64> {
        self.batches.get(&partition).map(|batch| batch.next_offset)
    }

    /// Returns one batch per partition.
    pub fn into_batches(self) -> impl Iterator<Item = (i32, IncomingBatch)> {
        self.batches.into_iter()
    }

    /// Adds a record. `stream` returns the name of its stream and the id of its topic.
    pub(crate) fn push(&mut self, stream: impl FnOnce() -> (Arc<str>, Arc<str>), message: &BorrowedMessage<'_>) {
        let batch = self.batches.entry(message.partition()).or_insert_with(|| {
            let (stream, incarnation) = stream();
            IncomingBatch {
                stream,
                incarnation,
                bytes: Vec::with_capacity(self.room.0),
                records: Vec::with_capacity(self.room.1),
                next_offset: 0,
            }
        });
        let (start, bytes) = (batch.bytes.len(), &mut batch.bytes);
        let mut copy = |part: &[u8]| {
            let start = bytes.len();
            bytes.extend_from_slice(part);
            start..bytes.len()
        };
        let (key, value) = (message.key().map(&mut copy), message.payload().map(&mut copy));
        let headers = headers(message).map(|(name, value)| (copy(name), value.map(&mut copy))).collect();
        let size = bytes.len() - start;
        let offset = message.offset().max(0).unsigned_abs();
        let timestamp = message.timestamp().to_millis();
        batch.records.push(Incoming { value, key, headers, offset, timestamp, unreadable: None });
        batch.next_offset = offset + 1;
        self.records += 1;
        self.bytes += size;
    }
}
