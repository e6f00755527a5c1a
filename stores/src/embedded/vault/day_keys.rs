//! Day keys in the SQLite file.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    DayKey, DayKeys, StoreError,
    embedded::{EmbeddedStore, vault::masters::retired},
};

const FIND_DAY: &str = "SELECT state, master, sealed FROM lethe_day_keys WHERE pipeline = ?1 AND day = ?2";

/// Returns the number of live day keys that a master wraps.
pub(crate) fn count_days(connection: &Connection, master: u32) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM lethe_day_keys WHERE state = 'live' AND master = ?1";
    let count: i64 = connection.query_row(sql, [master], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

impl DayKeys for EmbeddedStore {
    fn day_key(
        &self,
        pipeline: String,
        day: String,
        candidate: WrappedKey,
    ) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let existing = transaction.query_row(FIND_DAY, [&pipeline, &day], day_key).optional()?;
            if let Some(key) = existing {
                return Ok(key);
            }
            let made = transaction.execute(
                "INSERT INTO lethe_day_keys (pipeline, day, state, master, sealed)
                 SELECT ?1, ?2, 'live', ?3, ?4
                 WHERE NOT EXISTS (SELECT 1 FROM lethe_key_checks WHERE name = 'master-' || ?3 AND retired = 1)",
                params![pipeline, day, candidate.master, candidate.sealed],
            )?;
            if made == 0 {
                return Err(retired(candidate.master));
            }
            Ok(Some(candidate))
        }))
    }

    fn find_day_key(&self, pipeline: String, day: String) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>> {
        Box::pin(self.read(move |connection| {
            let existing = connection.query_row(FIND_DAY, [&pipeline, &day], day_key).optional()?;
            Ok(existing.flatten())
        }))
    }

    fn day_keys_wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DayKey>, StoreError>> {
        Box::pin(self.read(move |connection| {
            // There is one key per day and pipeline, so a full scan is cheap.
            let sql = "SELECT pipeline, day, master, sealed FROM lethe_day_keys
                       WHERE state = 'live' AND master <> ?1 LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![master, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                let key = WrappedKey { master: row.get(2)?, sealed: row.get(3)? };
                Ok(DayKey { pipeline: row.get(0)?, day: row.get(1)?, key })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        }))
    }

    fn count_day_keys_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.read(move |connection| Ok(count_days(connection, master)?)))
    }

    fn rewrap_day_keys(&self, keys: Vec<(DayKey, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "UPDATE lethe_day_keys SET master = ?1, sealed = ?2
                 WHERE pipeline = ?3 AND day = ?4 AND state = 'live' AND master = ?5 AND sealed = ?6",
            )?;
            let mut rewrapped = 0;
            for (old, new) in &keys {
                let was = &old.key;
                rewrapped += statement.execute(params![
                    new.master,
                    new.sealed,
                    old.pipeline,
                    old.day,
                    was.master,
                    was.sealed
                ])?;
            }
            Ok(rewrapped as u64)
        }))
    }

    fn destroy_day_keys(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let keys = self
                .delete(move |transaction| {
                    let keys = transaction.execute(
                        "UPDATE lethe_day_keys SET state = 'destroyed', master = NULL, sealed = NULL
                         WHERE pipeline = ?1 AND day < ?2 AND state = 'live'",
                        [&pipeline, &before],
                    )?;
                    Ok(keys as u64)
                })
                .await?;
            if keys > 0 {
                // The key is destroyed only when the write-ahead log no longer holds it.
                self.checkpoint().await?;
            }
            Ok(keys)
        })
    }
}

/// Reads the columns state, master and sealed.
fn day_key(row: &Row<'_>) -> rusqlite::Result<Option<WrappedKey>> {
    match row.get_ref(0)?.as_str()? {
        "live" => Ok(Some(WrappedKey { master: row.get(1)?, sealed: row.get(2)? })),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn no_byte_of_a_destroyed_day_key_is_left_in_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        let (pipeline, key) = ("shop.profiles", WrappedKey { master: 1, sealed: vec![0xd1; 60] });
        store.day_key(pipeline.into(), "2026-11-20".into(), key).await.unwrap();
        store.destroy_day_keys(pipeline.into(), "2026-11-21".into()).await.unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(memchr::memmem::find(&bytes, &[0xd1; 60]).is_none());
        }
    }
}
