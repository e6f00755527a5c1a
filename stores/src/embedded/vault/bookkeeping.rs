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
