//! Day keys.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;

use crate::{
    DayKey, DayKeys, Fault, StoreError,
    cassandra::{
        fault::unexpected,
        vault::{
            CassandraVault, Inner,
            conditional::{Applied, MAX_ATTEMPTS, contended},
        },
    },
};

/// A stored day key; the inner `None` means that it was destroyed.
type StoredDayKey = Option<Option<WrappedKey>>;

impl DayKeys for CassandraVault {
    fn day_key(
        &self,
        pipeline: String,
        day: String,
        candidate: WrappedKey,
    ) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>> {
        Box::pin(self.run(self.inner.day_key(pipeline, day, candidate)))
    }

    fn find_day_key(&self, pipeline: String, day: String) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>> {
        Box::pin(self.run(async move { Ok(self.inner.find_day(&pipeline, &day, false).await?.flatten()) }))
    }

    fn day_keys_wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DayKey>, StoreError>> {
        Box::pin(self.run(async move {
            let mut keys = self.inner.live_days().await?;
            keys.retain(|day| day.key.master != master);
            keys.truncate(limit);
            Ok(keys)
        }))
    }

    fn count_day_keys_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.run(self.inner.count_day_keys_wrapped_by(master)))
    }

    fn rewrap_day_keys(&self, keys: Vec<(DayKey, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.run(async move {
            let mut rewrapped = 0;
            for (old, new) in keys {
                rewrapped += u64::from(self.inner.rewrap_day(&old, &new).await?);
            }
            Ok(rewrapped)
        }))
    }

    fn destroy_day_keys(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.run(self.inner.destroy_days(pipeline, before)))
    }
}

impl Inner {
    async fn find_day(&self, pipeline: &str, day: &str, serial: bool) -> Result<StoredDayKey, Fault> {
        let statement = if serial { &self.cql.day_key_serial } else { &self.cql.day_key };
        let rows = self.rows(statement, (pipeline, day)).await?;
        let row = rows.maybe_first_row::<(String, Option<i64>, Option<Vec<u8>>)>().map_err(|_| unexpected())?;
        row.map(|(state, master, sealed)| wrapped(&state, master, sealed)).transpose()
    }

    async fn day_key(&self, pipeline: String, day: String, key: WrappedKey) -> Result<Option<WrappedKey>, Fault> {
        if let Some(existing) = self.find_day(&pipeline, &day, false).await? {
            return Ok(existing);
        }
        for _ in 0..MAX_ATTEMPTS {
            self.ensure_not_retired(key.master).await?;
            let values = (&pipeline, &day, i64::from(key.master), key.sealed.as_slice());
            if self.write_if(&self.cql.insert_day_key, values).await? == Applied::Yes {
                self.ensure_not_retired_uncached(key.master).await?;
                return Ok(Some(key));
            }
            if let Some(existing) = self.find_day(&pipeline, &day, true).await? {
                return Ok(existing);
            }
        }
        Err(contended())
    }

    async fn rewrap_day(&self, old: &DayKey, new: &WrappedKey) -> Result<bool, Fault> {
        self.ensure_not_retired(new.master).await?;
        for _ in 0..MAX_ATTEMPTS {
            let values = (
                i64::from(new.master),
                new.sealed.as_slice(),
                &old.pipeline,
                &old.day,
                i64::from(old.key.master),
                old.key.sealed.as_slice(),
            );
            match self.write_if(&self.cql.rewrap_day_key, values).await? {
                Applied::Yes => return Ok(true),
                Applied::No => return Ok(false),
                Applied::Unknown => match self.find_day(&old.pipeline, &old.day, true).await?.flatten() {
                    Some(is) if is == *new => return Ok(true),
                    Some(is) if is == old.key => {}
                    _ => return Ok(false),
                },
            }
        }
        Err(contended())
    }

    async fn destroy_days(&self, pipeline: String, before: String) -> Result<u64, Fault> {
        let mut destroyed = 0;
        let rows = self.rows(&self.cql.days_before, (&pipeline, &before)).await?;
        for row in rows.rows::<(String, String)>().map_err(|_| unexpected())? {
            let (day, state) = row.map_err(|_| unexpected())?;
            if state == "live" {
                destroyed += u64::from(self.destroy_day(&pipeline, &day).await?);
            }
        }
        Ok(destroyed)
    }

    async fn destroy_day(&self, pipeline: &str, day: &str) -> Result<bool, Fault> {
        for _ in 0..MAX_ATTEMPTS {
            match self.write_if(&self.cql.destroy_day_key, (pipeline, day)).await? {
                Applied::Yes => return Ok(true),
                Applied::No => return Ok(false),
                Applied::Unknown if self.find_day(pipeline, day, true).await? == Some(None) => return Ok(true),
                Applied::Unknown => {}
            }
        }
        Err(contended())
    }

    pub(crate) async fn count_day_keys_wrapped_by(&self, master: u32) -> Result<u64, Fault> {
        Ok(self.live_days().await?.iter().filter(|day| day.key.master == master).count() as u64)
    }

    /// Returns all live day keys. There is one key per day and pipeline, so a full scan is cheap.
    async fn live_days(&self) -> Result<Vec<DayKey>, Fault> {
        let rows = self.rows(&self.cql.scan_day_keys, ()).await?;
        let rows = rows.rows::<(String, String, String, Option<i64>, Option<Vec<u8>>)>().map_err(|_| unexpected())?;
        let mut keys = Vec::new();
        for row in rows {
            let (pipeline, day, state, master, sealed) = row.map_err(|_| unexpected())?;
            if let Some(key) = wrapped(&state, master, sealed)? {
                keys.push(DayKey { pipeline, day, key });
            }
        }
        Ok(keys)
    }
}

fn wrapped(state: &str, master: Option<i64>, sealed: Option<Vec<u8>>) -> Result<Option<WrappedKey>, Fault> {
    match (state, master.and_then(|master| u32::try_from(master).ok()), sealed) {
        ("live", Some(master), Some(sealed)) => Ok(Some(WrappedKey { master, sealed })),
        ("destroyed", ..) => Ok(None),
        _ => Err(Fault::internal("a row of lethe_day_keys is of a kind that this version doesn't know")),
    }
}
