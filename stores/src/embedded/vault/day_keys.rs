//! Keys of days.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    DayKey, DayKeys, StoreError,
    embedded::{EmbeddedStore, vault::masters::retired},
};

const FIND_DAY: &str = "SELECT state, master, sealed FROM lethe_day_keys WHERE pipeline = ?1 AND day = ?2";

/// Live keys of days that a master wraps.
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
            let there = transaction.query_row(FIND_DAY, [&pipeline, &day], day_key).optional()?;
            if let Some(key) = there {
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
            let there = connection.query_row(FIND_DAY, [&pipeline, &day], day_key).optional()?;
            Ok(there.flatten())
        }))
    }

    fn day_keys_wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DayKey>, StoreError>> {
        Box::pin(self.read(move |connection| {
            // A key a day and pipeline: few enough to look through them all.
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
                .transact(move |transaction| {
                    let keys = transaction.execute(
                        "UPDATE lethe_day_keys SET state = 'destroyed', master = NULL, sealed = NULL
                         WHERE pipeline = ?1 AND day < ?2 AND state = 'live'",
                        [&pipeline, &before],
                    )?;
                    Ok(keys as u64)
                })
                .await?;
            if keys > 0 {
                // A key is destroyed when the write-ahead log holds it no longer.
                self.checkpoint().await?;
            }
            Ok(keys)
        })
    }
}

/// Reads (state, master, sealed).
fn day_key(row: &Row<'_>) -> rusqlite::Result<Option<WrappedKey>> {
    match row.get_ref(0)?.as_str()? {
        "live" => Ok(Some(WrappedKey { master: row.get(1)?, sealed: row.get(2)? })),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;

    const PIPELINE: &str = "shop.profiles";

    fn store() -> (tempfile::TempDir, Arc<EmbeddedStore>) {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn a_day_has_one_key_until_it_is_destroyed_for_ever() {
        let (dir, store) = store();
        let key = |byte| WrappedKey { master: 1, sealed: vec![byte; 60] };
        let ask = |day: &str, byte| store.day_key(PIPELINE.into(), day.into(), key(byte));
        assert!(ask("2026-11-20", 0xd1).await.unwrap() == Some(key(0xd1)));
        assert!(ask("2026-11-20", 0xd2).await.unwrap() == Some(key(0xd1)));
        assert!(ask("2026-11-21", 0xd3).await.unwrap() == Some(key(0xd3)));
        store.destroy_day_keys(PIPELINE.into(), "2026-11-21".into()).await.unwrap();
        assert!(ask("2026-11-20", 0xd4).await.unwrap().is_none());
        assert!(ask("2026-11-21", 0xd5).await.unwrap() == Some(key(0xd3)));
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(memchr::memmem::find(&bytes, &[0xd1; 60]).is_none());
        }
    }

    #[tokio::test]
    async fn keys_of_days_are_rewrapped_until_none_is_left_and_lose_to_a_change() {
        let (_dir, store) = store();
        let key = |master, byte| WrappedKey { master, sealed: vec![byte; 60] };
        for (pipeline, day) in [("shop.a", "2026-11-19"), ("shop.a", "2026-11-20"), ("shop.b", "2026-11-20")] {
            store.day_key(pipeline.into(), day.into(), key(1, 7)).await.unwrap();
        }
        store.destroy_day_keys("shop.a".into(), "2026-11-20".into()).await.unwrap();
        assert_eq!(store.count_day_keys_wrapped_by(1).await.unwrap(), 2);
        let old = store.day_keys_wrapped_by_others(2, 10).await.unwrap();
        assert_eq!(old.len(), 2);
        let mut stale = old[0].clone();
        stale.key = key(1, 8);
        assert_eq!(store.rewrap_day_keys(vec![(stale, key(2, 9))]).await.unwrap(), 0);
        let pairs = old.into_iter().map(|old| (old, key(2, 9))).collect();
        assert_eq!(store.rewrap_day_keys(pairs).await.unwrap(), 2);
        assert!(store.day_keys_wrapped_by_others(2, 10).await.unwrap().is_empty());
        assert_eq!(store.count_day_keys_wrapped_by(2).await.unwrap(), 2);
        assert!(store.find_day_key("shop.b".into(), "2026-11-20".into()).await.unwrap() == Some(key(2, 9)));
    }
}
