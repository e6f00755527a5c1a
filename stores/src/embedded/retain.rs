//! Removing what has expired, delete markers too.

use rusqlite::{Transaction, params};

use crate::{
    Fault, StoreError,
    embedded::{EmbeddedStore, schema::table::quoted},
    instant::rfc3339,
};

/// What a sweep removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows removed, by table, in the order of their names; tables that lost none are left out.
    pub rows: Vec<(String, u64)>,
    /// Whether a table may hold more that has expired: sweep again.
    pub more: bool,
}

impl Swept {
    /// Rows removed in all.
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }
}

impl EmbeddedStore {
    /// Removes rows whose expiry is `now` (milliseconds since 1970) or earlier: up to `limit` of each
    /// table, a transaction a table, so that writers wait for one bounded batch at most.
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
            let rows = self.transact(move |transaction| sweep.run(transaction, now, limit)).await?;
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
        let there: i64 = transaction.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [&self.table],
            |row| row.get(0),
        )?;
        if there == 0 {
            // Somebody dropped it by hand; a sink that writes it again makes it anew.
            return Ok(0);
        }
        let (table, key) = (quoted(&self.table), self.key);
        // Text compares as time does: one length, UTC; a year before 0 sorts before all others.
        let sql =
            format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE expires_at <= ?1 LIMIT ?2)");
        Ok(transaction.prepare_cached(&sql)?.execute(params![rfc3339(now), limit])? as u64)
    }
}
