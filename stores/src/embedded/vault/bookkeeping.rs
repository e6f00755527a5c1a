//! How far pipelines have come, and the register of places.

use futures::future::BoxFuture;
use rusqlite::params;

use crate::{Bookkeeping, Fault, Place, Progress, StoreError, embedded::EmbeddedStore};

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
                insert.execute(params![place.store, place.name, place.space, place.form, pipeline])?;
            }
            Ok(())
        }))
    }

    fn places(&self) -> BoxFuture<'_, Result<Vec<Place>, StoreError>> {
        Box::pin(self.read(|connection| {
            let sql = "SELECT DISTINCT store, name, space, form FROM lethe_places ORDER BY store, name, space, form";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(Place { store: row.get(0)?, name: row.get(1)?, space: row.get(2)?, form: row.get(3)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn progress(offsets: &[(&str, u64)], marks: &[(&str, u64)]) -> Progress {
        let map = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Progress { offsets: map(offsets), marks: map(marks) }
    }

    #[tokio::test]
    async fn progress_is_kept_by_pipeline_and_what_is_not_named_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lethe.db");
        let store = EmbeddedStore::open("profiles", &path).unwrap();
        assert_eq!(store.progress("shop.a".into()).await.unwrap(), Progress::default());
        store.commit("shop.a".into(), progress(&[("1.ndjson", 10), ("2.ndjson", 5)], &[("clean", 7)])).await.unwrap();
        store.commit("shop.b".into(), progress(&[("1.ndjson", 99)], &[])).await.unwrap();
        store.commit("shop.a".into(), progress(&[("1.ndjson", 20)], &[])).await.unwrap();
        drop(store);

        let store = EmbeddedStore::open("profiles", &path).unwrap();
        let kept = progress(&[("1.ndjson", 20), ("2.ndjson", 5)], &[("clean", 7)]);
        assert_eq!(store.progress("shop.a".into()).await.unwrap(), kept);
        store.forget("shop.a".into()).await.unwrap();
        assert_eq!(store.progress("shop.a".into()).await.unwrap(), Progress::default());
        assert_eq!(store.progress("shop.b".into()).await.unwrap(), progress(&[("1.ndjson", 99)], &[]));
    }

    #[tokio::test]
    async fn a_place_is_registered_once_and_outlives_its_progress() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        let place = |name: &str| Place {
            store: "profiles".into(),
            name: name.into(),
            space: "customers".into(),
            form: "Reference:Operational".into(),
        };
        for pipeline in ["shop.a", "shop.b", "shop.a"] {
            store.register(pipeline.into(), vec![place("t2"), place("t1")]).await.unwrap();
        }
        store.forget("shop.a".into()).await.unwrap();
        assert_eq!(store.places().await.unwrap(), [place("t1"), place("t2")]);
    }
}
