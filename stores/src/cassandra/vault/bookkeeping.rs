//! Progress of pipelines, and the register of places.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use lethe_core::place::Place;
use scylla::statement::{
    Consistency,
    batch::{Batch, BatchType},
};

use crate::{
    Bookkeeping, Fault, Progress, StoreError,
    cassandra::{
        fault::unexpected,
        vault::{CassandraVault, Inner},
    },
    contract::ProgressKind,
};

impl Bookkeeping for CassandraVault {
    fn progress(&self, pipeline: String) -> BoxFuture<'_, Result<Progress, StoreError>> {
        Box::pin(self.run(self.inner.progress(pipeline)))
    }

    fn commit(&self, pipeline: String, progress: Progress) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.run(self.inner.commit(pipeline, progress)))
    }

    fn forget(&self, pipeline: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.run(self.inner.write(&self.inner.cql.forget, (pipeline,))))
    }

    fn register(&self, pipeline: String, places: Vec<Place>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.run(async move {
            for place in &places {
                let values = (place.store.as_str(), &place.object, &place.space, place.form.to_string(), &pipeline);
                self.inner.write(&self.inner.cql.register, values).await?;
            }
            Ok(())
        }))
    }

    fn places(&self) -> BoxFuture<'_, Result<Vec<Place>, StoreError>> {
        Box::pin(self.run(self.inner.places()))
    }
}

impl Inner {
    async fn progress(&self, pipeline: String) -> Result<Progress, Fault> {
        let rows = self.rows(&self.cql.progress, (pipeline,)).await?;
        let mut entries = Vec::new();
        for row in rows.rows::<(String, String, i64)>().map_err(|_| unexpected())? {
            let (kind, name, value) = row.map_err(|_| unexpected())?;
            let kind = ProgressKind::ALL.into_iter().find(|known| known.name() == kind).ok_or_else(unexpected)?;
            entries.push((kind, name, value));
        }
        Ok(Progress::of_entries(entries))
    }

    /// All rows share one partition and are one mutation, so all are written or none.
    async fn commit(&self, pipeline: String, progress: Progress) -> Result<(), Fault> {
        let entries = progress.entries()?.into_iter();
        let values: Vec<_> = entries.map(|(kind, name, value)| (&pipeline, kind.name(), name, value)).collect();
        if values.is_empty() {
            return Ok(());
        }
        let statements = values.iter().map(|_| self.cql.commit.clone().into()).collect();
        let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
        batch.set_consistency(Consistency::Quorum);
        batch.set_is_idempotent(true);
        self.store.session().batch(&batch, values).await?;
        Ok(())
    }

    async fn places(&self) -> Result<Vec<Place>, Fault> {
        let rows = self.rows(&self.cql.places, ()).await?;
        let rows = rows.rows::<(String, String, String, String)>().map_err(|_| unexpected())?;
        // A place of two pipelines has two rows. It is returned once.
        let mut places = BTreeSet::new();
        for row in rows {
            let (store, object, space, form) = row.map_err(|_| unexpected())?;
            places.insert(Place::from_stored(&store, object, space, &form)?);
        }
        Ok(places.into_iter().collect())
    }
}
