//! A topic as the target of a stream.

use lethe_stores::kafka::Feeder;

use super::{Record, Target, TargetError};

/// Writes records to a topic, keyed by subject, so that a subject's events stay in order.
pub struct Topic {
    /// `None` once it is finished.
    feeder: Option<Feeder>,
    tombstones: bool,
}

impl Topic {
    /// Writes with this producer. With `tombstones`, a deletion is a record without a value.
    pub fn new(feeder: Feeder, tombstones: bool) -> Self {
        Self { feeder: Some(feeder), tombstones }
    }
}

impl Target for Topic {
    fn write(&mut self, record: &Record) -> Result<(), TargetError> {
        let Some(feeder) = &mut self.feeder else { return Ok(()) };
        let value = if record.deleted && self.tombstones { None } else { Some(&record.value[..]) };
        Ok(feeder.send(Some(&record.key), value, record.timestamp)?)
    }

    /// Does nothing: the producer sends records without waiting for more.
    fn flush(&mut self) -> Result<(), TargetError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), TargetError> {
        if let Some(feeder) = self.feeder.take() {
            feeder.finish()?;
        }
        Ok(())
    }
}
