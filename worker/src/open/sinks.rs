//! Sinks, opened, and the places they make.

use std::path::PathBuf;

use lethe_core::pipeline::{DeadLetterTarget, Pipeline, SinkRules, SinkTarget, SourceRules};
use lethe_stores::{
    Sink,
    bookkeeping::Place,
    embedded::{TableOptions, TableSink, ViewColumn},
    file::{Existing, FileSink, FileSinkOptions},
};

use super::{OpenError, OpenOptions, Stores};

/// Opens every sink of a pipeline, in its order.
pub(super) async fn open(
    pipeline: &Pipeline,
    stores: &mut Stores<'_>,
    options: &OpenOptions,
) -> Result<Vec<Box<dyn Sink>>, OpenError> {
    let mut sinks = Vec::with_capacity(pipeline.sinks.len());
    for sink in &pipeline.sinks {
        sinks.push(open_one(pipeline, sink, stores, options).await?);
    }
    Ok(sinks)
}

async fn open_one(
    pipeline: &Pipeline,
    sink: &SinkRules,
    stores: &mut Stores<'_>,
    options: &OpenOptions,
) -> Result<Box<dyn Sink>, OpenError> {
    let what = what(sink);
    match &sink.target {
        SinkTarget::Embedded { store, table } => {
            let fields = sink.fields.iter().map(|at| ViewColumn::of(&pipeline.fields[*at].path)).collect();
            let table = TableOptions { table: table.clone(), records: sink.records, fields };
            Ok(Box::new(TableSink::open(stores.embedded(store, &what)?, &table)?))
        }
        SinkTarget::File { path, compression } => {
            let existing = if options.from_start { Existing::Truncate } else { Existing::Refuse };
            let path = PathBuf::from(path);
            Ok(Box::new(FileSink::new(FileSinkOptions { path, compression: *compression, existing })?))
        }
        #[cfg(feature = "cassandra")]
        SinkTarget::Cassandra(to) => {
            use lethe_stores::cassandra::{CassandraSink, CassandraTable};
            let store = stores.cassandra(&to.store_ref.name, &what).await?;
            let table = CassandraTable { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            Ok(Box::new(CassandraSink::open(store, table, stores.access()).await?))
        }
        #[cfg(feature = "mongodb")]
        SinkTarget::Mongodb(to) => {
            use lethe_stores::mongodb::{CollectionOptions, CollectionSink};
            let store = stores.mongodb(&to.store_ref.name, &what).await?;
            let collection = CollectionOptions { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            Ok(Box::new(CollectionSink::open(store, collection, stores.access()).await?))
        }
        #[cfg(feature = "kafka")]
        SinkTarget::Kafka(to) => {
            use lethe_stores::kafka::{KafkaSink, KafkaSinkOptions, ensure};
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

/// Looks whether a sink's place is what the manifest says; makes nothing.
pub(super) async fn look(sink: &SinkRules, stores: &mut Stores<'_>) -> Result<(), OpenError> {
    match &sink.target {
        SinkTarget::Embedded { .. } | SinkTarget::File { .. } => Ok(()),
        #[cfg(feature = "cassandra")]
        SinkTarget::Cassandra(to) => {
            use lethe_stores::cassandra::{CassandraSink, CassandraTable};
            let store = stores.cassandra(&to.store_ref.name, &what(sink)).await?;
            let table = CassandraTable { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            Ok(CassandraSink::look(store, table).await?)
        }
        #[cfg(feature = "mongodb")]
        SinkTarget::Mongodb(to) => {
            use lethe_stores::mongodb::{CollectionOptions, CollectionSink};
            let store = stores.mongodb(&to.store_ref.name, &what(sink)).await?;
            let collection = CollectionOptions { sink: to.clone(), records: sink.records, max_age: sink.max_age };
            CollectionSink::open(store, collection, lethe_stores::Access::Look).await?;
            Ok(())
        }
        #[cfg(feature = "kafka")]
        SinkTarget::Kafka(to) => {
            let connection = stores.kafka(&to.store_ref.name, &what(sink))?;
            lethe_stores::kafka::ensure(&connection, &topic(to, sink.records), lethe_stores::Access::Look).await?;
            Ok(())
        }
        #[cfg(not(feature = "cassandra"))]
        SinkTarget::Cassandra(_) => Err(super::unsupported(what(sink), "cassandra")),
        #[cfg(not(feature = "mongodb"))]
        SinkTarget::Mongodb(_) => Err(super::unsupported(what(sink), "mongodb")),
        #[cfg(not(feature = "kafka"))]
        SinkTarget::Kafka(_) => Err(super::unsupported(what(sink), "kafka")),
    }
}

fn what(sink: &SinkRules) -> String {
    format!("the sink {:?}", sink.name)
}

#[cfg(feature = "kafka")]
fn topic(
    to: &lethe_crds::profile_pipeline::KafkaSink,
    records: lethe_crds::profile_pipeline::Records,
) -> lethe_stores::kafka::Topic {
    use lethe_crds::profile_pipeline::{Manage, Records};
    use lethe_stores::kafka::Need;
    lethe_stores::kafka::Topic {
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

/// Every place where a pipeline leaves personal data, its source and its dead letter included.
pub(super) fn places(pipeline: &Pipeline) -> Vec<Place> {
    let space = &pipeline.event.space;
    let place =
        |store: &str, name: String, form: String| Place { store: store.to_owned(), name, space: space.clone(), form };
    let mut places: Vec<Place> = pipeline
        .sinks
        .iter()
        .map(|sink| {
            let form = format!("Reference:{:?}", sink.audience);
            match &sink.target {
                SinkTarget::Cassandra(to) => place(&to.store_ref.name, format!("{}.{}", to.keyspace, to.table), form),
                SinkTarget::Mongodb(to) => {
                    place(&to.store_ref.name, format!("{}.{}", to.database, to.collection), form)
                }
                SinkTarget::Kafka(to) => place(&to.store_ref.name, to.topic.clone(), form),
                SinkTarget::Embedded { store, table } => place(store, table.clone(), form),
                SinkTarget::File { path, .. } => place("file", path.clone(), form),
            }
        })
        .collect();
    match &pipeline.source {
        SourceRules::Kafka { store, topic, .. } => {
            places.push(place(store, topic.clone(), format!("Clear:{}", pipeline.event.subject)));
        }
        // What comes through a pipe stays nowhere.
        SourceRules::File { path, .. } if path == "-" => {}
        SourceRules::File { path, .. } => {
            places.push(place("file", path.clone(), format!("Clear:{}", pipeline.event.subject)));
        }
    }
    match pipeline.dead_letter.as_ref().map(|rules| &rules.target) {
        Some(DeadLetterTarget::Kafka(to)) => {
            places.push(place(&to.store_ref.name, to.topic.clone(), "Sealed".to_owned()));
        }
        Some(DeadLetterTarget::Embedded { store }) => {
            places.push(place(store, "lethe_dead_letter".to_owned(), "Sealed".to_owned()));
        }
        None => {}
    }
    places
}
