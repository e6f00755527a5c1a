//! Progress of pipelines, and the register of places.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use lethe_core::place::Place;
use rusqlite::params;

use crate::{Bookkeeping, Progress, StoreError, contract::ProgressKind, embedded::EmbeddedStore};

impl Bookkeeping for EmbeddedStore {
    fn progress(&self, pipeline: String) -> BoxFuture<'_, Result<Progress, StoreError>> {
        Box::pin(self.read(move |connection| {
            let sql = "SELECT name, value FROM lethe_progress WHERE pipeline = ?1 AND kind = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let mut entries = Vec::new();
            for kind in ProgressKind::ALL {
                let mut rows = statement.query([&pipeline, kind.name()])?;
                while let Some(row) = rows.next()? {
                    entries.push((kind, row.get(0)?, row.get(1)?));
                }
            }
            Ok(Progress::of_entries(entries))
        }))
    }

    fn commit(&self, pipeline: String, progress: Progress) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO lethe_progress (pipeline, kind, name, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (pipeline, kind, name) DO UPDATE SET value = ?4 WHERE value <> ?4",
            )?;
            for (kind, name, value) in progress.entries()? {
                upsert.execute(params![pipeline, kind.name(), name, value])?;
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
