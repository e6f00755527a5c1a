//! A collection of events as a sink.
//!
//! The contents of a collection depend only on the set of events written to it, and not on their
//! order or on how often each was written.

mod append;
mod latest;
pub(crate) mod order;
pub(crate) mod writes;

use std::sync::Arc;

use futures::future::BoxFuture;
use lethe_core::{outcome::Outcome, record::OutgoingBatch};
use lethe_crds::profile_pipeline::{MongodbSink, Records};

use crate::{
    Access, Answer, Sink, StoreError,
    mongodb::{connect::MongodbStore, schema, sink::writes::Place},
};

/// Options of the sink.
#[derive(Clone, Debug)]
pub struct CollectionOptions {
    /// Database and collection, and whether Lethe creates the collection.
    pub sink: MongodbSink,
    /// Whether the collection holds the latest state of each subject or every event.
    pub records: Records,
    /// Maximum age of a record, in milliseconds. If it is set, the collection needs a TTL index.
    pub max_age: Option<i64>,
}

/// A sink that writes to a collection.
pub struct CollectionSink {
    store: Arc<MongodbStore>,
    place: Place,
    records: Records,
    /// For `Append`: whether the collection is known to hold a marker of a deletion.
    has_markers: bool,
}

impl CollectionSink {
    /// Checks that the collection and its indexes exist and fit. With `manage: Create` and
    /// [`Access::Create`] absent ones are created. With `manage: Check` the error is a `Mismatch`
    /// that names the commands to run.
    pub async fn open(
        store: Arc<MongodbStore>,
        options: CollectionOptions,
        access: Access,
    ) -> Result<Self, StoreError> {
        schema::ensure(&store, &options, access).await.map_err(|fault| fault.at(store.name()))?;
        let CollectionOptions { sink, records, .. } = options;
        let place = Place { database: sink.database, collection: sink.collection };
        Ok(Self { store, place, records, has_markers: false })
    }
}

impl Sink for CollectionSink {
    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>> {
        Box::pin(async move {
            let (store, place) = (&*self.store, &self.place);
            let answers = match self.records {
                Records::Latest => {
                    let mut answers: Vec<Answer> = batch.records.iter().map(|_| Ok(Outcome::Stale)).collect();
                    let all = 0..batch.records.len();
                    let id = |subject: lethe_core::identity::Reference| subject.to_string();
                    latest::settle(store, place, batch, all, id, &mut answers).await.map(|()| answers)
                }
                Records::Append => append::write(store, place, batch, &mut self.has_markers).await,
            };
            answers.map_err(|fault| fault.at(store.name()))
        })
    }
}
