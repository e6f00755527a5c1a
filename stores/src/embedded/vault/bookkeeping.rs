//! Progress of pipelines, and the register of places.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use lethe_core::place::Place;
use rusqlite::params;

use crate::{Bookkeeping, Fault, Progress, StoreError, embedded::EmbeddedStore};

impl Bookkeeping for EmbeddedStore {
    fn progress(&self, pipeline: String) -> BoxFuture<'_, Result<Progress, StoreError>> {
        Box::pin(self.read(move |connection| {
            let mut progress = Progress::default();
            let mut statement =
                connection.prepare_cached("SELECT kind, name, value FROM lethe_progress WHERE pipeline = ?1")?;
            let mut rows = statement.query([&pipeline])?;
            while let Some(row) = rows.next()? {
                let map = match row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)? {
                    "offset" => &mut progress.offsets,
                    _ => &mut progress.marks,
                };
                map.insert(row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs());
            }
            Ok(progress)
        }))
    }

    fn commit(&self, pipeline: String, progress: Progress) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO lethe_progress (pipeline, kind, name, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (pipeline, kind, name) DO UPDATE SET value = ?4 WHERE value <> ?4",
            )?;
            for (kind, values) in [("offset", &progress.offsets), ("mark", &progress.marks)] {
                for (name, value) in values {
                    let value = i64::try_from(*value)
                        .map_err(|_| Fault::internal(format!("an {kind} of 2^63 bytes or more can't be kept")))?;
                    upsert.execute(params![pipeline, kind, name, value])?;
                }
            }
            Ok(())
        }))
    }

    fn forget(&self, pipeline: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| {
            transaction.execute("DELETE FROM lethe_progress WHERE pipeline = ?1", [pipeline])?;
            Ok(())
        }))
    }

    fn register(&self, pipeline: String, places: Vec<Place>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO lethe_places (store, name, space, form, pipeline) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for place in &places {
                let (store, form) = (place.store.as_str(), place.form.to_string());
                insert.execute(params![store, place.object, place.space, form, pipeline])?;
            }
            Ok(())
        }))
    }

    fn places(&self) -> BoxFuture<'_, Result<Vec<Place>, StoreError>> {
        Box::pin(self.read(|connection| {
            let sql = "SELECT DISTINCT store, name, space, form FROM lethe_places";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([])?;
            let mut places = BTreeSet::new();
            while let Some(row) = rows.next()? {
                let text = |column| row.get::<_, String>(column);
                places.insert(Place::from_stored(&text(0)?, text(1)?, text(2)?, &text(3)?)?);
            }
            Ok(places.into_iter().collect())
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_register_with_a_place_of_a_later_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lethe.db");
        let store = EmbeddedStore::open("profiles", &path).unwrap();
        let insert = "INSERT INTO lethe_places VALUES ('profiles', 't1', 'customers', 'Hashed:Auditors', 'shop.a')";
        rusqlite::Connection::open(&path).unwrap().execute(insert, []).unwrap();
        let error = store.places().await.unwrap_err().to_string();
        assert!(error.contains("Hashed:Auditors") && error.contains("later version"), "{error}");
    }
}
