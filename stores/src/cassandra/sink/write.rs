//! One record, sent.

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
        encode::row::{NoRow, Row, Shape, refused, time_to_live},
        sink::deletion::Deletion,
    },
    instant::now,
};

/// What writes the records of one table.
pub(crate) struct Writer {
    pub(crate) store: Arc<CassandraStore>,
    pub(crate) insert: PreparedStatement,
    pub(crate) deletion: Deletion,
    pub(crate) shape: Shape,
}

/// What became of a record that the table can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A row.
    Written,
    /// The subject's rows that are not newer are gone.
    Deleted,
    /// Its life was over: it was not sent, for a life of zero would last for ever.
    Expired,
}

impl Writer {
    /// Sends a record at a version, and waits until as many replicas hold it as the sink asks for.
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
        let life = match record.expires {
            None => None,
            Some(expires) => match time_to_live(expires, now()) {
                None => return Ok(Ok(Sent::Expired)),
                life => life,
            },
        };
        let document = batch.bytes.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let Some(document) = document else { return Err(no_document()) };
        let cells = match self.shape.cells(batch, record, document, &subject) {
            Ok(cells) => cells,
            Err(NoRow::Refused(rejection)) => return Ok(Err(rejection)),
            Err(NoRow::NotJson) => return Err(no_document()),
        };
        let row = Row { cells: &cells, version, time_to_live: life };
        match self.store.session().execute_unpaged(&self.insert, row).await.map_err(Fault::from) {
            Ok(_) => Ok(Ok(Sent::Written)),
            Err(fault) if fault.kind == ErrorKind::TooLarge => Ok(Err(refused("size", None))),
            Err(fault) => Err(fault),
        }
    }
}

fn no_document() -> Fault {
    Fault::internal("a record of the batch is no JSON object, or lies outside of it")
}
