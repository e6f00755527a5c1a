//! The references of a pipeline to DataStores.

use super::{
    CassandraSink, DeadLetter, EmbeddedDeadLetter, EmbeddedSink, FileSink, FileSource, KafkaDeadLetter, KafkaSink,
    KafkaSource, Keys, MongodbSink, ProfilePipelineSpec, Sink, Source,
};
use crate::reference::StoreRef;

// Every pattern below names all fields (no `..`): a new field does not compile until this file says
// whether it refers to a DataStore.

impl ProfilePipelineSpec {
    /// Returns every reference to a DataStore, in the order of the fields. A DataStore that is
    /// referred to twice is in it twice.
    pub fn store_refs(&self) -> Vec<&StoreRef> {
        let Self {
            processing: _,
            source,
            event: _,
            dedupe: _,
            keys,
            revision: _,
            default_region: _,
            fields: _,
            consent: _,
            sinks,
            dead_letter,
            replicas: _,
            suspend: _,
            workers: _,
        } = self;
        let Keys { secret_ref: _, store_ref: key_store, database: _ } = keys;
        let mut refs: Vec<&StoreRef> = source.store_ref().into_iter().collect();
        refs.push(key_store);
        refs.extend(sinks.iter().flat_map(Sink::store_refs));
        refs.extend(dead_letter.iter().flat_map(DeadLetter::store_refs));
        refs
    }
}

impl Source {
    fn store_ref(&self) -> Option<&StoreRef> {
        let Self { kafka, file } = self;
        if let Some(FileSource { path: _, format: _, csv: _ }) = file {}
        kafka.as_ref().map(|KafkaSource { store_ref, topic: _, group: _, start_from: _ }| store_ref)
    }
}

impl Sink {
    fn store_refs(&self) -> impl Iterator<Item = &StoreRef> {
        let Self {
            name: _,
            audience: _,
            records: _,
            max_age: _,
            time_precision: _,
            fields: _,
            cassandra,
            mongodb,
            kafka,
            embedded,
            file,
        } = self;
        if let Some(FileSink { path: _, compression: _ }) = file {}
        let cassandra = cassandra.as_ref().map(
            |CassandraSink {
                 store_ref,
                 keyspace: _,
                 table: _,
                 manage: _,
                 columns: _,
                 partition_key: _,
                 clustering_key: _,
                 consistency: _,
             }| store_ref,
        );
        let mongodb =
            mongodb.as_ref().map(|MongodbSink { store_ref, database: _, collection: _, manage: _ }| store_ref);
        let kafka =
            kafka.as_ref().map(|KafkaSink { store_ref, topic: _, manage: _, partitions: _, replication: _ }| store_ref);
        let embedded = embedded.as_ref().map(|EmbeddedSink { store_ref, table: _ }| store_ref);
        [cassandra, mongodb, kafka, embedded].into_iter().flatten()
    }
}

impl DeadLetter {
    fn store_refs(&self) -> impl Iterator<Item = &StoreRef> {
        let Self { keep_for: _, kafka, embedded } = self;
        let kafka = kafka
            .as_ref()
            .map(|KafkaDeadLetter { store_ref, topic: _, manage: _, partitions: _, replication: _ }| store_ref);
        let embedded = embedded.as_ref().map(|EmbeddedDeadLetter { store_ref }| store_ref);
        [kafka, embedded].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    /// A pipeline with every field that refers to a DataStore. It breaks the exactly-one rules,
    /// which its type does not check.
    fn every_reference() -> Value {
        let store = |name: &str| json!({"name": name});
        json!({
            "source": {"kafka": {"storeRef": store("source-kafka"), "topic": "t"}},
            "event": {"subject": {"space": "customers", "id": "/user_id"}},
            "keys": {"secretRef": {"name": "k"}, "storeRef": store("keys")},
            "fields": [{"path": "/email", "category": "user", "protect": {"encrypt": {}}}],
            "sinks": [{
                "name": "out", "audience": "Operational", "records": "Latest",
                "cassandra": {"storeRef": store("cassandra"), "keyspace": "k", "table": "t",
                              "columns": [], "partitionKey": []},
                "mongodb": {"storeRef": store("mongodb"), "database": "d", "collection": "c"},
                "kafka": {"storeRef": store("kafka"), "topic": "t"},
                "embedded": {"storeRef": store("embedded"), "table": "t"},
                "file": {"path": "a"}
            }],
            "deadLetter": {
                "keepFor": "7d",
                "kafka": {"storeRef": store("dead-letter-kafka"), "topic": "t"},
                "embedded": {"storeRef": store("dead-letter-embedded")}
            }
        })
    }

    /// Counts the properties called `storeRef` in a schema.
    fn declared_references(schema: &Value) -> usize {
        match schema {
            Value::Object(members) => members
                .iter()
                .map(|(key, member)| match key.as_str() {
                    "properties" => usize::from(member.get("storeRef").is_some()) + declared_references(member),
                    _ => declared_references(member),
                })
                .sum(),
            Value::Array(items) => items.iter().map(declared_references).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }

    #[test]
    fn every_reference_of_the_schema_is_returned_in_the_order_of_the_fields() {
        let spec: ProfilePipelineSpec = serde_json::from_value(every_reference()).unwrap();
        let names: Vec<&str> = spec.store_refs().iter().map(|reference| reference.name.as_str()).collect();
        let expected = [
            "source-kafka",
            "keys",
            "cassandra",
            "mongodb",
            "kafka",
            "embedded",
            "dead-letter-kafka",
            "dead-letter-embedded",
        ];
        assert_eq!(names, expected);
        let crds = crate::crds();
        let crd = crds.iter().find(|crd| crd.spec.names.kind == "ProfilePipeline").unwrap();
        let schema = serde_json::to_value(crd.spec.versions[0].schema.as_ref().unwrap()).unwrap();
        assert_eq!(declared_references(&schema), expected.len(), "the schema has another number of storeRefs");
    }

    #[test]
    fn a_file_source_refers_to_no_store() {
        let mut spec = every_reference();
        spec["source"] = json!({"file": {"path": "-", "format": "Ndjson"}});
        spec["deadLetter"] = Value::Null;
        let spec: ProfilePipelineSpec = serde_json::from_value(spec).unwrap();
        let names: Vec<&str> = spec.store_refs().iter().map(|reference| reference.name.as_str()).collect();
        assert_eq!(names, ["keys", "cassandra", "mongodb", "kafka", "embedded"]);
    }
}
