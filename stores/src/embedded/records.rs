//! Reads the records of one subject from a table.

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

/// Read access to a table that a sink of Lethe writes.
pub struct TableRecords(Arc<EmbeddedStore>, String);

impl TableRecords {
    /// Creates read access to the table of this name. Whether the table exists is checked when it
    /// is read.
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

    use super::*;

    #[tokio::test]
    async fn a_table_that_no_sink_writes_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        for table in ["absent", "lethe_keys"] {
            assert!(
                TableRecords::new(Arc::clone(&store), table.to_owned())
                    .records_of(Reference([1; 32]))
                    .await
                    .unwrap()
                    .is_none(),
                "{table}"
            );
        }
    }
}
