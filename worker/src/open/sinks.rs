//! Sinks, opened, and the places they make.

use std::path::PathBuf;

use lethe_core::pipeline::{DeadLetterTarget, Pipeline, SinkRules, SinkTarget, SourceRules};
use lethe_stores::{
    Sink,
    bookkeeping::Place,
    embedded::{TableOptions, TableSink, ViewColumn},
    file::{Existing, FileSink, FileSinkOptions},
};

use super::{OpenError, OpenOptions, Stores, unsupported};

/// Opens every sink of a pipeline, in its order.
pub(super) fn open(
    pipeline: &Pipeline,
    stores: &mut Stores<'_>,
    options: &OpenOptions,
) -> Result<Vec<Box<dyn Sink>>, OpenError> {
    pipeline.sinks.iter().map(|sink| open_one(pipeline, sink, stores, options)).collect()
}

fn open_one(
    pipeline: &Pipeline,
    sink: &SinkRules,
    stores: &mut Stores<'_>,
    options: &OpenOptions,
) -> Result<Box<dyn Sink>, OpenError> {
    let what = format!("the sink {:?}", sink.name);
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
        SinkTarget::Cassandra(_) => Err(unsupported(what, "cassandra")),
        SinkTarget::Mongodb(_) => Err(unsupported(what, "mongodb")),
        SinkTarget::Kafka(_) => Err(unsupported(what, "kafka")),
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
        Some(DeadLetterTarget::Kafka { store, topic }) => places.push(place(store, topic.clone(), "Sealed".to_owned())),
        Some(DeadLetterTarget::Embedded { store }) => {
            places.push(place(store, "lethe_dead_letter".to_owned(), "Sealed".to_owned()));
        }
        None => {}
    }
    places
}
