//! What a pipeline is called in its stores, and where it leaves personal data.

use super::{DeadLetterTarget, Pipeline, SinkTarget, SourceRules};
use crate::place::{Form, Place, StoreRef};

/// Table of an embedded store that holds dead letters.
const DEAD_LETTER_TABLE: &str = "lethe_dead_letter";

/// A store, and a table, topic, collection or path in it.
pub(super) type Location = (StoreRef, String);

impl Pipeline {
    /// Returns the name of the pipeline in stores: `<namespace>.<name>`.
    pub fn id(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    /// Returns every place where the pipeline leaves personal data: its sinks in their order, its
    /// source, and its dead letter. Standard input is no place, since it keeps nothing.
    pub fn places(&self) -> Vec<Place> {
        let place = |(store, object), form| Place { store, object, space: self.event.space.clone(), form };
        let sinks = self.sinks.iter().map(|sink| place(sink.target.location(), Form::Reference(sink.audience)));
        let source = self.source.location().map(|at| place(at, Form::Clear(self.event.subject.clone())));
        let letters = self.dead_letter.as_ref().map(|rules| place(rules.target.location(), Form::Sealed));
        sinks.chain(source).chain(letters).collect()
    }
}

fn data_store(name: &str, object: String) -> Location {
    (StoreRef::DataStore(name.to_owned()), object)
}

impl SinkTarget {
    /// Returns where the records are written.
    pub(super) fn location(&self) -> Location {
        match self {
            Self::Cassandra(to) => data_store(&to.store_ref.name, format!("{}.{}", to.keyspace, to.table)),
            Self::Mongodb(to) => data_store(&to.store_ref.name, format!("{}.{}", to.database, to.collection)),
            Self::Kafka(to) => data_store(&to.store_ref.name, to.topic.clone()),
            Self::Embedded { store, table } => data_store(store, table.clone()),
            Self::File { path, .. } => (StoreRef::File, path.clone()),
        }
    }
}

impl SourceRules {
    /// Returns where events are read from; `None` for standard input.
    pub(super) fn location(&self) -> Option<Location> {
        match self {
            Self::Kafka { store, topic, .. } => Some(data_store(store, topic.clone())),
            Self::File { path, .. } if path == "-" => None,
            Self::File { path, .. } => Some((StoreRef::File, path.clone())),
        }
    }
}

impl DeadLetterTarget {
    /// Returns where dead letters are written.
    pub(super) fn location(&self) -> Location {
        match self {
            Self::Kafka(to) => data_store(&to.store_ref.name, to.topic.clone()),
            Self::Embedded { store } => data_store(store, DEAD_LETTER_TABLE.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_crds::profile_pipeline::Compression;

    use super::*;
    use crate::pipeline::tests::sample::pipeline;

    fn texts(pipeline: &Pipeline) -> Vec<[String; 4]> {
        let places = pipeline.places().into_iter();
        places.map(|place| [place.store.to_string(), place.object, place.space, place.form.to_string()]).collect()
    }

    #[test]
    fn the_id_is_namespace_and_name() {
        assert_eq!(pipeline().id(), "default.test");
    }

    #[test]
    fn sinks_source_and_dead_letter_are_places() {
        let mut pipeline = pipeline();
        pipeline.sinks[0].target = SinkTarget::Embedded { store: "store".to_owned(), table: "Profiles".to_owned() };
        pipeline.source = SourceRules::Kafka {
            store: "events".to_owned(),
            topic: "user_profiles".to_owned(),
            group: "g".to_owned(),
            from_earliest: true,
        };
        assert_eq!(
            texts(&pipeline),
            [
                ["store", "Profiles", "customers", "Reference:Operational"],
                ["events", "user_profiles", "customers", "Clear:/user_id"],
                ["store", "lethe_dead_letter", "customers", "Sealed"],
            ]
        );
    }

    #[test]
    fn a_file_is_a_place_and_standard_input_is_none() {
        let mut pipeline = pipeline();
        pipeline.dead_letter = None;
        let sink = ["file", "out.ndjson", "customers", "Reference:Operational"];
        assert_eq!(texts(&pipeline), [sink]);
        let SourceRules::File { path, .. } = &mut pipeline.source else { panic!("a file") };
        "data/*.ndjson".clone_into(path);
        pipeline.sinks[0].target =
            SinkTarget::File { path: "./a//b.ndjson".to_owned(), compression: Compression::None };
        assert_eq!(
            texts(&pipeline),
            [
                ["file", "./a//b.ndjson", "customers", "Reference:Operational"],
                ["file", "data/*.ndjson", "customers", "Clear:/user_id"],
            ]
        );
    }
}
