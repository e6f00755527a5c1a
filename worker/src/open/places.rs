//! The places where a pipeline leaves personal data.

use lethe_core::pipeline::{DeadLetterTarget, Pipeline, SinkTarget, SourceRules};
use lethe_stores::Place;

/// Returns every place where a pipeline leaves personal data, including its source and its dead
/// letter.
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
        // Standard input is no place, since it keeps nothing.
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
