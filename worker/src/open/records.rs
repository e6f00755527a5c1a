//! Places whose records can be looked up by subject.

use lethe_core::pipeline::{Pipeline, SinkRules, SinkTarget};
use lethe_stores::{Records, embedded::TableRecords};

use super::{OpenError, Stores};

/// A place that can be searched.
pub(crate) struct Found {
    /// Name of the DataStore.
    pub(crate) store: String,
    /// The table or collection.
    pub(crate) table: String,
    /// Its records.
    pub(crate) records: Box<dyn Records>,
}

/// Opens the place of a sink to be read; `None` where it can't be searched by subject.
pub(crate) async fn open_records(
    pipeline: &Pipeline,
    sink: &SinkRules,
    stores: &mut Stores<'_>,
) -> Result<Option<Found>, OpenError> {
    let what = format!("the sink {:?}", sink.name);
    let found = match &sink.target {
        SinkTarget::Embedded { store, table } => {
            let from = stores.embedded(store, &what)?;
            let records = Box::new(TableRecords::new(from, table.clone()));
            Found { store: store.clone(), table: table.clone(), records }
        }
        #[cfg(feature = "cassandra")]
        SinkTarget::Cassandra(to) => {
            use lethe_stores::cassandra::{CassandraRecords, CassandraTable};
            let from = stores.cassandra(&to.store_ref.name, &what).await?;
            let table = CassandraTable { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            Found {
                store: to.store_ref.name.clone(),
                table: format!("{}.{}", to.keyspace, to.table),
                records: Box::new(CassandraRecords::new(from, table)),
            }
        }
        #[cfg(feature = "mongodb")]
        SinkTarget::Mongodb(to) => {
            use lethe_stores::mongodb::{CollectionOptions, MongodbRecords};
            let from = stores.mongodb(&to.store_ref.name, &what).await?;
            let options = CollectionOptions { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            Found {
                store: to.store_ref.name.clone(),
                table: format!("{}.{}", to.database, to.collection),
                records: Box::new(MongodbRecords::new(from, options)),
            }
        }
        #[cfg(not(feature = "cassandra"))]
        SinkTarget::Cassandra(_) => return Err(super::unsupported(what, "cassandra")),
        #[cfg(not(feature = "mongodb"))]
        SinkTarget::Mongodb(_) => return Err(super::unsupported(what, "mongodb")),
        SinkTarget::Kafka(_) | SinkTarget::File { .. } => return Ok(None),
    };
    let _ = pipeline;
    Ok(Some(found))
}
