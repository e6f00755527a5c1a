//! Reads the records of one subject from a table.

use std::sync::Arc;

use futures::future::BoxFuture;
use lethe_core::{identity::Reference, json::push_string};
use lethe_crds::profile_pipeline::{CassandraColumn, CassandraSink as Declared, Meta};
use scylla::{
    statement::Statement,
    value::{CqlValue, Row},
};

use crate::{
    Fault, Records, StoreError, StoredRecord,
    cassandra::{
        CassandraStore, CassandraTable,
        fault::unexpected,
        schema::{
            check,
            statements::{consistency, full_name, quoted},
        },
    },
    instant::{now, rfc3339},
};

/// Read access to a table that a sink of Lethe writes.
pub struct CassandraRecords {
    store: Arc<CassandraStore>,
    sink: Declared,
}

impl CassandraRecords {
    /// Creates read access to the table of a sink. Whether the table exists is checked when it is
    /// read.
    pub fn new(store: Arc<CassandraStore>, table: CassandraTable) -> Self {
        Self { store, sink: table.sink }
    }

    async fn read(&self, subject: Reference) -> Result<Option<Vec<StoredRecord>>, Fault> {
        let sink = &self.sink;
        if check::describe(&self.store, &sink.keyspace, &sink.table).await?.is_none() {
            return Ok(None);
        }
        let mut statement = Statement::new(select(sink));
        statement.set_consistency(level(sink));
        statement.set_is_idempotent(true);
        let answer = self.store.session().query_unpaged(statement, (subject.to_string(),)).await?;
        let rows = answer.into_rows_result().map_err(|_| unexpected())?;
        let now = now();
        let mut found = Vec::new();
        for row in rows.rows::<Row>().map_err(|_| unexpected())? {
            found.push(record(sink, row.map_err(|_| unexpected())?, now)?);
        }
        found.sort_by_key(|(written, _)| *written);
        Ok(Some(found.into_iter().map(|(_, record)| record).collect()))
    }
}

impl Records for CassandraRecords {
    fn records_of(&self, subject: Reference) -> BoxFuture<'_, Result<Option<Vec<StoredRecord>>, StoreError>> {
        Box::pin(async move { self.read(subject).await.map_err(|fault| fault.at(self.store.name())) })
    }
}

/// Returns a read consistency that sees what the sink wrote. `EACH_QUORUM` exists for writes only.
fn level(sink: &Declared) -> scylla::statement::Consistency {
    match consistency(sink.consistency) {
        scylla::statement::Consistency::EachQuorum => scylla::statement::Consistency::LocalQuorum,
        level => level,
    }
}

fn is_key(sink: &Declared, column: &CassandraColumn) -> bool {
    sink.partition_key.contains(&column.name) || sink.clustering_key.iter().flatten().any(|name| *name == column.name)
}

/// Returns the `SELECT` of a subject's rows: every column as JSON, then the event id and time as
/// values, then version and remaining TTL of each column that is not part of the key.
fn select(sink: &Declared) -> String {
    let mut parts: Vec<String> =
        sink.columns.iter().map(|column| format!("toJson({})", quoted(&column.name))).collect();
    parts.extend(metas(sink).map(|(_, column)| quoted(&column.name)));
    for column in sink.columns.iter().filter(|column| !is_key(sink, column)) {
        let name = quoted(&column.name);
        parts.push(format!("WRITETIME({name})"));
        parts.push(format!("TTL({name})"));
    }
    let subject = sink.partition_key.first().map_or_else(String::new, |name| quoted(name));
    format!("SELECT {} FROM {} WHERE {subject} = ?", parts.join(", "), full_name(&sink.keyspace, &sink.table))
}

fn metas(sink: &Declared) -> impl Iterator<Item = (Meta, &CassandraColumn)> {
    let wanted = |column: &CassandraColumn| column.meta.filter(|meta| matches!(meta, Meta::EventId | Meta::EventTime));
    sink.columns.iter().filter_map(move |column| Some((wanted(column)?, column)))
}

/// Converts a row. Returns it with its write timestamp, by which Cassandra orders writes.
fn record(sink: &Declared, row: Row, now: i64) -> Result<(i64, StoredRecord), Fault> {
    let mut values = row.columns.into_iter();
    let mut document = b"{".to_vec();
    for column in &sink.columns {
        let json = match values.next().ok_or_else(unexpected)? {
            Some(CqlValue::Text(json)) => json,
            None => "null".to_owned(),
            Some(_) => return Err(unexpected()),
        };
        if json == "null" {
            continue;
        }
        if document.len() > 1 {
            document.push(b',');
        }
        push_string(&column.name, &mut document);
        document.push(b':');
        document.extend_from_slice(json.as_bytes());
    }
    document.push(b'}');
    let (mut event_id, mut event_time) = (String::new(), String::new());
    // A row that consists of its key has no write timestamp, so its event time is used.
    let (mut written, mut key_version) = (None, i64::MIN);
    for _ in metas(sink) {
        match values.next().ok_or_else(unexpected)? {
            Some(CqlValue::Text(id)) => event_id = id,
            Some(CqlValue::Timestamp(time)) => {
                event_time = rfc3339(time.0);
                key_version = time.0.saturating_mul(1000);
            }
            None => {}
            Some(_) => return Err(unexpected()),
        }
    }
    let mut ttl: Option<i32> = None;
    for value in values {
        match value {
            Some(CqlValue::BigInt(version)) => written = written.max(Some(version)),
            Some(CqlValue::Int(left)) => ttl = ttl.max(Some(left)),
            _ => {}
        }
    }
    let record = StoredRecord {
        event_id,
        event_time,
        expires_at: ttl.map(|seconds| rfc3339(now + i64::from(seconds) * 1000)),
        deleted_at: None,
        document: Some(String::from_utf8(document).map_err(|_| unexpected())?),
    };
    Ok((written.unwrap_or(key_version), record))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use scylla::value::CqlTimestamp;

    use super::*;
    use crate::cassandra::schema::statements::tests::sink;

    #[test]
    fn a_row_without_values_is_ordered_by_its_event_time() {
        let text = |text: &str| Some(CqlValue::Text(text.to_owned()));
        let keys = [text("\"r\""), text("\"t\""), text("\"e-1\""), None, None];
        let metas = [Some(CqlValue::Timestamp(CqlTimestamp(5))), text("e-1")];
        let row = |of: [Option<CqlValue>; 4]| Row { columns: keys.iter().chain(&metas).chain(&of).cloned().collect() };
        let (written, empty) = record(&sink(), row([const { None }; 4]), 0).unwrap();
        assert_eq!((written, empty.event_time.as_str()), (5000, "1970-01-01T00:00:00.005Z"));
        let (written, full) =
            record(&sink(), row([None, None, Some(CqlValue::BigInt(5010)), Some(CqlValue::Int(9))]), 0).unwrap();
        assert_eq!((written, full.expires_at.as_deref()), (5010, Some("1970-01-01T00:00:09.000Z")));
        assert!(full.document == empty.document && full.event_id == "e-1");
    }

    #[test]
    fn the_rows_of_a_subject_are_read_with_their_versions_and_ttls() {
        assert_eq!(
            select(&sink()),
            "SELECT toJson(\"subject_ref\"), toJson(\"event_time\"), toJson(\"event_id\"), toJson(\"city\"), \
             toJson(\"spent\"), \"event_time\", \"event_id\", WRITETIME(\"city\"), TTL(\"city\"), \
             WRITETIME(\"spent\"), TTL(\"spent\") FROM \"shop\".\"events\" WHERE \"subject_ref\" = ?"
        );
    }
}
