//! Removes expired rows and expired delete markers.

use rusqlite::{Transaction, params};

use crate::{
    Fault, StoreError,
    embedded::{EmbeddedStore, schema::table::quoted},
    instant::rfc3339,
};

/// The rows that a sweep removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Number of removed rows per table, ordered by table name. Tables without removed rows are
    /// left out.
    pub rows: Vec<(String, u64)>,
    /// Whether a table may hold more expired rows. If so, sweep again.
    pub more: bool,
}

impl Swept {
    /// Returns the total number of removed rows.
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }
}

impl EmbeddedStore {
    /// Removes rows that expired at or before `now` (milliseconds since 1970). Removes at most
    /// `limit` rows per table, one transaction per table, so that writers wait for one bounded
    /// batch at most.
    pub async fn sweep(&self, now: i64, limit: usize) -> Result<Swept, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let tables: Vec<(String, String)> = self
            .read(|connection| {
                let mut statement =
                    connection.prepare("SELECT table_name, records FROM lethe_tables ORDER BY table_name")?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await?;
        let mut swept = Swept::default();
        let own = ("lethe_deleted".to_owned(), "table_name, subject_ref");
        let keyed = tables.into_iter().map(|(table, records)| match records.as_str() {
            "Append" => (table, "subject_ref, event_id"),
            _ => (table, "subject_ref"),
        });
        for (table, key) in keyed.chain([own]) {
            let sweep = Sweep { table: table.clone(), key };
            let rows = self.delete(move |transaction| sweep.run(transaction, now, limit)).await?;
            if rows > 0 {
                swept.more |= rows >= limit.unsigned_abs();
                swept.rows.push((table, rows));
            }
        }
        Ok(swept)
    }
}

struct Sweep {
    table: String,
    key: &'static str,
}

impl Sweep {
    fn run(&self, transaction: &Transaction<'_>, now: i64, limit: i64) -> Result<u64, Fault> {
        let tables: i64 = transaction.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [&self.table],
            |row| row.get(0),
        )?;
        if tables == 0 {
            // The table was dropped by hand. The sink creates it again when it is opened.
            return Ok(0);
        }
        let (table, key) = (quoted(&self.table), self.key);
        // Comparing the texts compares the times: they have the same length and are in UTC. Years
        // before 0 sort before all others.
        let sql =
            format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE expires_at <= ?1 LIMIT ?2)");
        Ok(transaction.prepare_cached(&sql)?.execute(params![rfc3339(now), limit])? as u64)
    }
}
