//! Sends single records.

use std::sync::Arc;

use lethe_core::{
    identity::hex,
    reason::Rejection,
    record::{Body, OutgoingBatch},
};
use scylla::statement::prepared::PreparedStatement;

use crate::{
    ErrorKind, Fault,
    cassandra::{
        CassandraStore,
        encode::row::{EncodeError, Row, RowEncoder, refused, time_to_live},
        sink::deletion::Deletion,
    },
    instant::now,
};

/// Writes the records of one table.
pub(crate) struct Writer {
    pub(crate) store: Arc<CassandraStore>,
    pub(crate) insert: PreparedStatement,
    pub(crate) deletion: Deletion,
    pub(crate) encoder: RowEncoder,
}

/// The result of a record that the table can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The row was written.
    Written,
    /// The rows of the subject that are not newer were deleted.
    Deleted,
    /// The record has already expired. It was not sent, because a time to live of 0 means no
    /// expiry.
    Expired,
}

impl Writer {
    /// Writes a record with the given version, and waits for as many replicas as the sink's
    /// consistency requires. Returns a rejection if the table can't hold the record.
    pub(crate) async fn send(
        &self,
        batch: &OutgoingBatch,
        record: usize,
        version: i64,
    ) -> Result<Result<Sent, Rejection>, Fault> {
        let record = &batch.records[record];
        let subject = hex(&record.subject.0);
        let Body::Document(range) = &record.body else {
            self.deletion.send(&self.store, batch, record, version, &subject).await?;
            return Ok(Ok(Sent::Deleted));
        };
        let ttl = match record.expires {
            None => None,
            Some(expires) => match time_to_live(expires, now()) {
                None => return Ok(Ok(Sent::Expired)),
                ttl => ttl,
            },
        };
        let document = batch.bytes.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let Some(document) = document else { return Err(no_document()) };
        let cells = match self.encoder.cells(batch, record, document, &subject) {
            Ok(cells) => cells,
            Err(EncodeError::Refused(rejection)) => return Ok(Err(rejection)),
            Err(EncodeError::NotJson) => return Err(no_document()),
        };
        let row = Row { cells: &cells, version, time_to_live: ttl };
        match self.store.session().execute_unpaged(&self.insert, row).await.map_err(Fault::from) {
            Ok(_) => Ok(Ok(Sent::Written)),
            Err(fault) if fault.kind == ErrorKind::TooLarge => Ok(Err(refused("size", None))),
            Err(fault) => Err(fault),
        }
    }
}

fn no_document() -> Fault {
    Fault::internal("a record of the batch is not a JSON object, or its range is outside of the batch")
}
