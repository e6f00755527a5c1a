//! Apache Kafka, through librdkafka: a topic as a source, as a sink, as a place for dead letters.
//!
//! librdkafka keeps threads of its own. What polls it blocks and needs a thread of its own; what waits
//! for deliveries is async.

mod connect;
mod dead_letters;
mod fault;
mod probe;
mod schema;
mod sink;
mod source;

pub use dead_letters::KafkaLetters;
pub use probe::probe;
pub use schema::{Need, Topic, ensure};
pub use sink::{Feeder, KafkaSink, KafkaSinkOptions};
pub use source::{
    Assigned, Change, ConsumerOptions, Flow, Gathered, History, KafkaConsumer, Limits, PartitionView, strangers,
};
