//! Keys of days. A destroyed key leaves a row without a key, so that a late insert creates no new
//! one.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;
use mongodb::bson::{Document, doc};

use crate::{
    DayKey, DayKeys, Fault, StoreError,
    mongodb::vault::{
        DAY_KEYS, MongodbVault, id,
        keys::{still, wrapped, wrapped_by, wrapped_by_others, wrapping},
    },
};

impl MongodbVault {
    async fn make_day_key(
        &self,
        pipeline: &str,
        day: &str,
        candidate: WrappedKey,
    ) -> Result<Option<WrappedKey>, Fault> {
        let id = id(&[pipeline, day]);
        let mut made = false;
        let mut row = self.one(DAY_KEYS, &id).await?;
        if row.is_none() {
            self.masters().await?.refuse(std::iter::once(candidate.master))?;
            let mut new = doc! {"_id": &id, "pipeline": pipeline, "day": day, "state": "live"};
            new.extend(wrapping(&candidate));
            made = self.insert_absent(DAY_KEYS, vec![new]).await?.is_empty();
            if !made {
                row = self.one(DAY_KEYS, &id).await?;
            }
        }
        let key = match row {
            Some(row) => self.day_row(&row)?,
            None if made => Some(candidate),
            None => return Err(self.strange(DAY_KEYS)),
        };
        if let Some(key) = &key {
            // As with the keys of subjects, the masters are checked after the key is written.
            let masters = self.masters().await?;
            if made && masters.is_retired(key.master) {
                self.delete(DAY_KEYS, still(&id, key)).await?;
            }
            masters.refuse(std::iter::once(key.master))?;
        }
        Ok(key)
    }

    /// Returns the key of a row; `None` if it was destroyed.
    fn day_row(&self, row: &Document) -> Result<Option<WrappedKey>, Fault> {
        match row.get_str("state") {
            Ok("live") => wrapped(row).map(Some).ok_or_else(|| self.strange(DAY_KEYS)),
            Ok("destroyed") => Ok(None),
            _ => Err(self.strange(DAY_KEYS)),
        }
    }

    async fn look_for_day_key(&self, pipeline: &str, day: &str) -> Result<Option<WrappedKey>, Fault> {
        match self.one(DAY_KEYS, &id(&[pipeline, day])).await? {
            Some(row) => self.day_row(&row),
            None => Ok(None),
        }
    }

    async fn days_of_others(&self, master: u32, limit: usize) -> Result<Vec<DayKey>, Fault> {
        // There is one key per day and pipeline, so a scan is fast enough.
        let rows = self.some(DAY_KEYS, wrapped_by_others(master), limit).await?;
        let keys = rows.iter().map(|row| {
            let text = |name| row.get_str(name).ok().map(str::to_owned);
            Some(DayKey { pipeline: text("pipeline")?, day: text("day")?, key: wrapped(row)? })
        });
        keys.collect::<Option<_>>().ok_or_else(|| self.strange(DAY_KEYS))
    }

    async fn wrap_days_again(&self, keys: &[(DayKey, WrappedKey)]) -> Result<u64, Fault> {
        let new = || keys.iter().map(|(_, new)| new.master);
        self.masters().await?.refuse(new())?;
        let updates = keys.iter().map(|(old, new)| {
            doc! {"q": still(&id(&[&old.pipeline, &old.day]), &old.key), "u": {"$set": wrapping(new)}}
        });
        let (changed, _) = self.update(DAY_KEYS, updates.collect()).await?;
        self.masters().await?.refuse(new())?;
        Ok(changed)
    }
}

impl DayKeys for MongodbVault {
    fn day_key(
        &self,
        pipeline: String,
        day: String,
        candidate: WrappedKey,
    ) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>> {
        Box::pin(async move { self.make_day_key(&pipeline, &day, candidate).await.map_err(|fault| self.at(fault)) })
    }

    fn find_day_key(&self, pipeline: String, day: String) -> BoxFuture<'_, Result<Option<WrappedKey>, StoreError>> {
        Box::pin(async move { self.look_for_day_key(&pipeline, &day).await.map_err(|fault| self.at(fault)) })
    }

    fn day_keys_wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DayKey>, StoreError>> {
        Box::pin(async move { self.days_of_others(master, limit).await.map_err(|fault| self.at(fault)) })
    }

    fn count_day_keys_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { self.count(DAY_KEYS, wrapped_by(master)).await.map_err(|fault| self.at(fault)) })
    }

    fn rewrap_day_keys(&self, keys: Vec<(DayKey, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { self.wrap_days_again(&keys).await.map_err(|fault| self.at(fault)) })
    }

    fn destroy_day_keys(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let filter = doc! {"pipeline": pipeline, "day": {"$lt": before}, "state": "live"};
            let change = doc! {"$set": {"state": "destroyed"}, "$unset": {"master": 1, "sealed": 1}};
            let updates = vec![doc! {"q": filter, "u": change, "multi": true}];
            self.update(DAY_KEYS, updates).await.map(|(changed, _)| changed).map_err(|fault| self.at(fault))
        })
    }
}
