//! Records as they were polled, by partition: bytes are copied once, into the buffer of their batch.

use std::{collections::BTreeMap, sync::Arc};

use lethe_core::record::{Incoming, IncomingBatch};
use rdkafka::{Message, message::BorrowedMessage};

/// How much is gathered at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Records, at most.
    pub records: usize,
    /// Bytes of keys and values after which nothing more is taken.
    pub bytes: usize,
}

/// Records of several partitions, each in order.
#[derive(Default)]
pub struct Gathered {
    batches: BTreeMap<i32, IncomingBatch>,
    records: usize,
    bytes: usize,
    /// Bytes and records that a batch begins with room for: as many as a partition gave the last time.
    room: (usize, usize),
}

impl Gathered {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Whether enough was gathered.
    pub fn is_full(&self, limits: Limits) -> bool {
        self.records >= limits.records || self.bytes >= limits.bytes
    }

    /// Takes all of it: what is gathered next begins with about as much room.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let partitions = self.batches.len().max(1);
        let room = (self.bytes / partitions, self.records / partitions);
        std::mem::replace(self, Self { room, ..Self::default() })
    }

    /// Forgets what belongs to partitions that went.
    pub fn forget(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(batch) = self.batches.remove(partition) {
                self.records -= batch.records.len();
                self.bytes -= batch.bytes.len();
            }
        }
    }

    /// The offset after what was gathered of a partition.
    pub(crate) fn next_offset(&self, partition: i32) -> Option<u64> {
        self.batches.get(&partition).map(|batch| batch.next_offset)
    }

    /// The batches, a partition each.
    pub fn into_batches(self) -> impl Iterator<Item = (i32, IncomingBatch)> {
        self.batches.into_iter()
    }

    pub(crate) fn push(&mut self, stream: impl FnOnce() -> Arc<str>, message: &BorrowedMessage<'_>) {
        let batch = self.batches.entry(message.partition()).or_insert_with(|| IncomingBatch {
            stream: stream(),
            bytes: Vec::with_capacity(self.room.0),
            records: Vec::with_capacity(self.room.1),
            next_offset: 0,
        });
        let bytes = &mut batch.bytes;
        let mut copy = |part: Option<&[u8]>| {
            part.map(|part| {
                let start = bytes.len();
                bytes.extend_from_slice(part);
                start..bytes.len()
            })
        };
        let (key, value) = (copy(message.key()), copy(message.payload()));
        let size = key.as_ref().map_or(0, ExactSizeIterator::len) + value.as_ref().map_or(0, ExactSizeIterator::len);
        let offset = message.offset().max(0).unsigned_abs();
        let timestamp = message.timestamp().to_millis().unwrap_or(0);
        batch.records.push(Incoming { value, key, offset, timestamp, unreadable: None });
        batch.next_offset = offset + 1;
        self.records += 1;
        self.bytes += size;
    }
}
