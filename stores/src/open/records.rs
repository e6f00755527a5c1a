//! Opens tables and collections for reading by subject.

use lethe_core::pipeline::{SinkRules, SinkTarget};

use super::{OpenError, Stores};
use crate::{Records, embedded::TableRecords};

/// A table or collection that can be searched by subject.
pub struct Found {
    /// Name of the DataStore.
    pub store: String,
    /// Name of the table or collection.
    pub table: String,
    /// Read access to its records.
    pub records: Box<dyn Records>,
}

/// Opens the table or collection of a sink for reading. Returns `None` if the sink's store can't be
/// searched by subject: topics and files.
pub async fn open_records(sink: &SinkRules, stores: &mut Stores<'_>) -> Result<Option<Found>, OpenError> {
    let what = format!("the sink {:?}", sink.name);
    let found = match &sink.target {
        SinkTarget::Embedded { store, table } => {
            let from = stores.embedded(store, &what)?;
            let records = Box::new(TableRecords::new(from, table.clone()));
            Found { store: store.clone(), table: table.clone(), records }
        }
        #[cfg(feature = "cassandra")]
        SinkTarget::Cassandra(to) => {
            use crate::cassandra::{CassandraRecords, CassandraTable};
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
            use crate::mongodb::{CollectionOptions, MongodbRecords};
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
    Ok(Some(found))
}
