//! What a table holds about one subject, read and not changed.

use std::sync::Arc;

use futures::future::BoxFuture;
use lethe_core::identity::Reference;
use rusqlite::{OptionalExtension, params};

use crate::{
    Fault, Records, StoreError, StoredRecord,
    embedded::{
        EmbeddedStore,
        schema::table::{kind, quoted},
    },
};

/// A table that a sink of Lethe writes, to be read.
pub struct TableRecords(Arc<EmbeddedStore>, String);

impl TableRecords {
    /// The table of this name; whether the file has it shows when it is read.
    pub fn new(store: Arc<EmbeddedStore>, table: String) -> Self {
        Self(store, table)
    }
}

impl Records for TableRecords {
    fn records_of(&self, subject: Reference) -> BoxFuture<'_, Result<Option<Vec<StoredRecord>>, StoreError>> {
        let table = self.1.clone();
        Box::pin(self.0.read(move |connection| {
            let sql = "SELECT records FROM lethe_tables WHERE table_name = ?1";
            let records: Option<String> = connection.query_row(sql, [&table], |row| row.get(0)).optional()?;
            let (Some(records), Some("table")) = (records, kind(connection, &table)?.as_deref()) else {
                return Ok(None);
            };
            let deleted = match records.as_str() {
                "Latest" => "deleted_at",
                "Append" => "NULL",
                _ => {
                    return Err(Fault::internal(format!(
                        "table {table} is kept in a way that this version doesn't know"
                    )));
                }
            };
            let mut statement = connection.prepare(&format!(
                "SELECT event_id, event_time, expires_at, {deleted}, document FROM {}
                 WHERE subject_ref = ?1 ORDER BY version, event_id",
                quoted(&table)
            ))?;
            let rows = statement.query_map(params![subject.to_string()], |row| {
                Ok(StoredRecord {
                    event_id: row.get(0)?,
                    event_time: row.get(1)?,
                    expires_at: row.get(2)?,
                    deleted_at: row.get(3)?,
                    document: row.get(4)?,
                })
            })?;
            Ok(Some(rows.collect::<Result<_, _>>()?))
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::record::{Body, Outgoing, OutgoingBatch};
    use lethe_crds::profile_pipeline::Records as Keep;

    use super::*;
    use crate::{
        Sink,
        embedded::{TableOptions, TableSink},
    };

    fn write(id: &str, who: u8, version: i64, document: Option<&str>, batch: &mut OutgoingBatch) {
        let mut push = |text: &str| {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(text.as_bytes());
            start..batch.bytes.len()
        };
        let event_id = push(id);
        let body = document.map_or(Body::Delete, |document| Body::Document(push(document)));
        let subject = Reference([who; 32]);
        let time = version / 1000;
        batch.records.push(Outgoing { subject, event_id, version, time, offset: 0, expires: None, body });
    }

    fn records(store: &Arc<EmbeddedStore>, table: &str) -> TableRecords {
        TableRecords::new(Arc::clone(store), table.to_owned())
    }

    #[tokio::test]
    async fn a_subject_s_records_are_read_oldest_first_and_nobody_else_s() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        let mut batch = OutgoingBatch::default();
        write("b", 1, 20_000, Some("{\"n\":2}"), &mut batch);
        write("a", 1, 10_000, Some("{\"n\":1}"), &mut batch);
        write("c", 2, 10_000, Some("{\"n\":3}"), &mut batch);
        let options = |table: &str, records| TableOptions { table: table.to_owned(), records, fields: Vec::new() };
        let mut sink = TableSink::open(store.clone(), &options("every", Keep::Append)).unwrap();
        sink.write(&batch).await.unwrap();
        let found = records(&store, "every").records_of(Reference([1; 32])).await.unwrap().unwrap();
        let shown: Vec<_> = found.iter().map(|record| (record.event_id.as_str(), record.document.as_deref())).collect();
        assert_eq!(shown, [("a", Some("{\"n\":1}")), ("b", Some("{\"n\":2}"))]);

        let mut sink = TableSink::open(store.clone(), &options("last", Keep::Latest)).unwrap();
        write("d", 1, 30_000, None, &mut batch);
        sink.write(&batch).await.unwrap();
        let found = records(&store, "last").records_of(Reference([1; 32])).await.unwrap().unwrap();
        assert!(found.len() == 1 && found[0].document.is_none());
        assert_eq!(found[0].deleted_at.as_deref(), Some("1970-01-01T00:00:00.030Z"));
    }

    #[tokio::test]
    async fn a_table_that_no_sink_writes_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        for table in ["absent", "lethe_keys"] {
            assert!(records(&store, table).records_of(Reference([1; 32])).await.unwrap().is_none(), "{table}");
        }
    }
}
