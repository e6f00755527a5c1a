//! A table of events as a sink.
//!
//! The content of a table depends only on the events that were written to it, not on their order or
//! on how often each was written. `tests/tests/contract` checks this against a model.

pub(crate) mod order;

use std::{cmp::Reverse, sync::Arc};

use futures::future::BoxFuture;
use lethe_core::{
    outcome::Outcome,
    record::{Body, Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::Records;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::{
    Answer, Fault, Sink, StoreError,
    embedded::{
        EmbeddedStore, ViewColumn,
        schema::{
            table::{self, quoted},
            view,
        },
        sink::order::{compare, event_id, newer_than_row, text, without_rewrite},
    },
    instant::rfc3339,
};

/// Options of a table.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// Name of the table.
    pub table: String,
    /// Whether the table holds the latest state of each subject or every event.
    pub records: Records,
    /// Columns of the view `<table>_fields`.
    pub fields: Vec<ViewColumn>,
}

/// A table of events.
pub struct TableSink {
    store: Arc<EmbeddedStore>,
    statements: Arc<Statements>,
}

impl TableSink {
    /// Creates the table, its indexes and its view if they are absent. Fails with `Mismatch` if the
    /// table exists with other columns. Blocks.
    pub fn open(store: Arc<EmbeddedStore>, options: &TableOptions) -> Result<Self, StoreError> {
        let TableOptions { table, records, fields } = options;
        store.transact_blocking(|transaction| {
            table::ensure(transaction, table, *records)?;
            view::ensure(transaction, table, *records, fields)
        })?;
        Ok(Self { store, statements: Arc::new(Statements::new(table, *records)) })
    }
}

impl Sink for TableSink {
    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>> {
        // Copies the batch, because a blocking thread can't borrow it. This costs 0.1 us per
        // record.
        let (batch, statements) = (batch.clone(), Arc::clone(&self.statements));
        let deletes = batch.records.iter().any(|record| record.body == Body::Delete);
        let work = move |transaction: &Transaction<'_>| -> Result<Vec<Answer>, Fault> {
            Ok(statements.write(transaction, &batch)?.into_iter().map(Answer::Ok).collect())
        };
        let store = &self.store;
        Box::pin(async move { if deletes { store.delete(work).await } else { store.transact(work).await } })
    }
}

/// The SQL of one table.
struct Statements {
    table: String,
    records: Records,
    /// Writes one record if it is newer than the stored row.
    upsert: String,
    /// `Append`: removes the rows of a subject that are not newer than its deletion.
    remove: String,
}

impl Statements {
    fn new(table: &str, records: Records) -> Self {
        let name = quoted(table);
        let upsert = match records {
            Records::Latest => format!(
                "INSERT INTO {name} AS row (subject_ref, event_id, event_time, version, expires_at, document, deleted_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?8)
                 ON CONFLICT (subject_ref) DO UPDATE SET
                    event_id = ?2, event_time = ?3, version = ?4, expires_at = ?5, document = ?6, deleted_at = ?8
                 WHERE {}",
                newer_than_row("row", "?7", "?2")
            ),
            Records::Append => format!(
                "INSERT INTO {name} AS row (subject_ref, event_id, event_time, version, expires_at, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (subject_ref, event_id) DO UPDATE SET
                    event_time = ?3, version = ?4, expires_at = ?5, document = ?6
                 WHERE ?7 > row.version"
            ),
        };
        let remove =
            format!("DELETE FROM {name} AS row WHERE subject_ref = ?1 AND NOT {}", row_is_newer_than("?2", "?3"));
        Self { table: table.to_owned(), records, upsert, remove }
    }

    fn write(&self, transaction: &Transaction<'_>, batch: &OutgoingBatch) -> Result<Vec<Outcome>, Fault> {
        match self.records {
            Records::Latest => self.write_latest(transaction, batch),
            Records::Append => self.write_append(transaction, batch),
        }
    }

    /// Writes the newest record of each subject. Writes subjects in key order, so that neighbouring
    /// rows use the same page while it is cached.
    fn write_latest(&self, transaction: &Transaction<'_>, batch: &OutgoingBatch) -> Result<Vec<Outcome>, Fault> {
        let mut keys = Vec::with_capacity(batch.records.len());
        for (index, record) in batch.records.iter().enumerate() {
            keys.push((record.subject, without_rewrite(record.version), event_id(batch, record)?, Reverse(index)));
        }
        keys.sort_unstable();
        let mut outcomes = vec![Outcome::Superseded; batch.records.len()];
        let mut upsert = transaction.prepare_cached(&self.upsert)?;
        for group in keys.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(subject, floor, id, Reverse(winner))) = group.last() else { continue };
            let record = &batch.records[winner];
            let (document, deleted) = match &record.body {
                Body::Document(range) => (Some(text(batch, range)?), None),
                Body::Delete => (None, Some(rfc3339(record.time))),
            };
            let changed = upsert.execute(params![
                subject.to_string(),
                id,
                rfc3339(record.time),
                record.version,
                record.expires.map(rfc3339),
                document,
                floor,
                deleted,
            ])?;
            for &(_, other_floor, other_id, Reverse(index)) in group {
                if changed == 0 || (index != winner && (other_floor, other_id) == (floor, id)) {
                    // Either the stored row is newer than the whole group, or this record repeats
                    // the winner.
                    outcomes[index] = Outcome::Stale;
                }
            }
            if changed > 0 {
                outcomes[winner] = written(record);
            }
        }
        Ok(outcomes)
    }

    /// Writes every record that no deletion of its subject covers. Within a subject it keeps the
    /// order of the batch; the result does not depend on that order.
    fn write_append(&self, transaction: &Transaction<'_>, batch: &OutgoingBatch) -> Result<Vec<Outcome>, Fault> {
        let mut order: Vec<usize> = (0..batch.records.len()).collect();
        order.sort_by_key(|&index| batch.records[index].subject);
        let mut outcomes = vec![Outcome::Stale; batch.records.len()];
        for group in order.chunk_by(|&a, &b| batch.records[a].subject == batch.records[b].subject) {
            let subject = batch.records[group[0]].subject.to_string();
            let mut deletion = self.deletion(transaction, &subject)?;
            for &index in group {
                let record = &batch.records[index];
                let key = (record.version, event_id(batch, record)?);
                if deletion.as_ref().is_some_and(|(version, id)| compare(key, (*version, id)).is_le()) {
                    continue;
                }
                match &record.body {
                    Body::Document(range) => {
                        let changed = transaction.prepare_cached(&self.upsert)?.execute(params![
                            subject,
                            key.1,
                            rfc3339(record.time),
                            record.version,
                            record.expires.map(rfc3339),
                            text(batch, range)?,
                            without_rewrite(record.version),
                        ])?;
                        if changed == 0 {
                            continue;
                        }
                    }
                    Body::Delete => {
                        self.delete(transaction, &subject, key.1, record)?;
                        deletion = Some((record.version, key.1.to_owned()));
                    }
                }
                outcomes[index] = written(record);
            }
        }
        Ok(outcomes)
    }

    /// Returns the version and event id of the newest deletion of a subject, for an `Append` table.
    fn deletion(&self, transaction: &Transaction<'_>, subject: &str) -> Result<Option<(i64, String)>, Fault> {
        let sql = "SELECT version, event_id FROM lethe_deleted WHERE table_name = ?1 AND subject_ref = ?2";
        let mut statement = transaction.prepare_cached(sql)?;
        Ok(statement.query_row([&self.table, subject], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// Removes the older rows of a subject and stores the deletion, so that a replay does not
    /// restore them.
    fn delete(&self, transaction: &Transaction<'_>, subject: &str, id: &str, record: &Outgoing) -> Result<(), Fault> {
        let time = rfc3339(record.time);
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO lethe_deleted
                    (table_name, subject_ref, event_id, deleted_at, version, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![self.table, subject, id, time, record.version, record.expires.map(rfc3339)])?;
        let floor = without_rewrite(record.version);
        transaction.prepare_cached(&self.remove)?.execute(params![subject, floor, id])?;
        Ok(())
    }
}

/// Returns the SQL condition that the row (`row.version`, `row.event_id`) is newer than an event
/// (`floor`, `id`).
fn row_is_newer_than(floor: &str, id: &str) -> String {
    format!("(row.version - 9 > {floor} OR (row.version >= {floor} AND row.event_id > {id}))")
}

const fn written(record: &Outgoing) -> Outcome {
    match record.body {
        Body::Document(_) => Outcome::Delivered,
        Body::Delete => Outcome::Deleted,
    }
}
