//! Opens and checks sinks.

use std::path::PathBuf;

use lethe_core::{
    keys::FileKey,
    pipeline::{Pipeline, SinkRules, SinkTarget},
};

use super::{OpenError, Stores};
use crate::{
    Sink,
    embedded::{TableOptions, TableSink, ViewColumn},
    file::{FileSink, FileSinkOptions},
};

/// Opens the sinks of a pipeline, in their declared order. `key` is for the fingerprints of files.
pub async fn open_sinks(
    pipeline: &Pipeline,
    stores: &mut Stores<'_>,
    key: &FileKey,
) -> Result<Vec<Box<dyn Sink>>, OpenError> {
    let mut sinks = Vec::with_capacity(pipeline.sinks.len());
    for sink in &pipeline.sinks {
        sinks.push(open_one(pipeline, sink, stores, key).await?);
    }
    Ok(sinks)
}

async fn open_one(
    pipeline: &Pipeline,
    sink: &SinkRules,
    stores: &mut Stores<'_>,
    key: &FileKey,
) -> Result<Box<dyn Sink>, OpenError> {
    let what = what(sink);
    match &sink.target {
        SinkTarget::Embedded { store, table } => {
            let fields = sink.fields.iter().map(|at| ViewColumn::of(&pipeline.fields[*at].path)).collect();
            let table = TableOptions { table: table.clone(), records: sink.records, fields };
            Ok(Box::new(TableSink::open(stores.embedded(store, &what)?, &table)?))
        }
        SinkTarget::File { path, compression } => {
            let options = FileSinkOptions { path: PathBuf::from(path), compression: *compression, key: key.clone() };
            Ok(Box::new(FileSink::new(options)?))
        }
        #[cfg(feature = "cassandra")]
        SinkTarget::Cassandra(to) => {
            use crate::cassandra::{CassandraSink, CassandraTable};
            let store = stores.cassandra(&to.store_ref.name, &what).await?;
            let table = CassandraTable { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            Ok(Box::new(CassandraSink::open(store, table, stores.access()).await?))
        }
        #[cfg(feature = "mongodb")]
        SinkTarget::Mongodb(to) => {
            use crate::mongodb::{CollectionOptions, CollectionSink};
            let store = stores.mongodb(&to.store_ref.name, &what).await?;
            let collection = CollectionOptions { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            Ok(Box::new(CollectionSink::open(store, collection, stores.access()).await?))
        }
        #[cfg(feature = "kafka")]
        SinkTarget::Kafka(to) => {
            use crate::kafka::{KafkaSink, KafkaSinkOptions, ensure};
            let connection = stores.kafka(&to.store_ref.name, &what)?;
            ensure(&connection, &topic(to, sink.records), stores.access()).await?;
            let options = KafkaSinkOptions { topic: to.topic.clone(), records: sink.records };
            Ok(Box::new(KafkaSink::open(&connection, &options)?))
        }
        #[cfg(not(feature = "cassandra"))]
        SinkTarget::Cassandra(_) => Err(super::unsupported(what, "cassandra")),
        #[cfg(not(feature = "mongodb"))]
        SinkTarget::Mongodb(_) => Err(super::unsupported(what, "mongodb")),
        #[cfg(not(feature = "kafka"))]
        SinkTarget::Kafka(_) => Err(super::unsupported(what, "kafka")),
    }
}

/// Checks that the table, collection or topic of a sink matches the manifest. Creates nothing.
pub async fn check_sink(sink: &SinkRules, stores: &mut Stores<'_>) -> Result<(), OpenError> {
    match &sink.target {
        SinkTarget::Embedded { .. } | SinkTarget::File { .. } => Ok(()),
        #[cfg(feature = "cassandra")]
        SinkTarget::Cassandra(to) => {
            use crate::cassandra::{CassandraSink, CassandraTable};
            let store = stores.cassandra(&to.store_ref.name, &what(sink)).await?;
            let table = CassandraTable { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            Ok(CassandraSink::check(store, table).await?)
        }
        #[cfg(feature = "mongodb")]
        SinkTarget::Mongodb(to) => {
            use crate::mongodb::{CollectionOptions, CollectionSink};
            let store = stores.mongodb(&to.store_ref.name, &what(sink)).await?;
            let collection = CollectionOptions { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            CollectionSink::open(store, collection, crate::Access::ReadOnly).await?;
            Ok(())
        }
        #[cfg(feature = "kafka")]
        SinkTarget::Kafka(to) => {
            let connection = stores.kafka(&to.store_ref.name, &what(sink))?;
            crate::kafka::ensure(&connection, &topic(to, sink.records), crate::Access::ReadOnly).await?;
            Ok(())
        }
        #[cfg(not(feature = "cassandra"))]
        SinkTarget::Cassandra(_) => Err(super::unsupported(what(sink), "cassandra")),
        #[cfg(not(feature = "mongodb"))]
        SinkTarget::Mongodb(_) => Err(super::unsupported(what(sink), "mongodb")),
        #[cfg(not(feature = "kafka"))]
        SinkTarget::Kafka(_) => {
            // Unused in a build without any server.
            let _ = stores;
            Err(super::unsupported(what(sink), "kafka"))
        }
    }
}

fn what(sink: &SinkRules) -> String {
    format!("the sink {:?}", sink.name)
}

#[cfg(feature = "kafka")]
fn topic(
    to: &lethe_crds::profile_pipeline::KafkaSink,
    records: lethe_crds::profile_pipeline::Records,
) -> crate::kafka::Topic {
    use crate::kafka::Need;
    use lethe_crds::profile_pipeline::{Manage, Records};
    crate::kafka::Topic {
        name: to.topic.clone(),
        need: match records {
            Records::Latest => Need::Latest,
            Records::Append => Need::Append,
        },
        manage: to.manage.unwrap_or(Manage::Check),
        partitions: to.partitions,
        replication: to.replication,
    }
}
