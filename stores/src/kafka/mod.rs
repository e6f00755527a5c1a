//! Apache Kafka, through librdkafka: a topic as a source, as a sink and as a store of dead letters.
//!
//! librdkafka runs threads of its own. Code that polls it blocks and needs a dedicated thread. Code
//! that waits for deliveries is async.

mod connect;
mod dead_letters;
mod fault;
mod probe;
mod schema;
mod sink;
mod source;

pub use dead_letters::KafkaLetters;
pub use probe::probe;
pub use schema::{Need, Topic, ensure, largest_batch};
pub use sink::{Feeder, KafkaSink, KafkaSinkOptions};
pub use source::{
    Assigned, Change, ConsumerOptions, Flow, Gathered, History, KafkaConsumer, Limits, PartitionView, Reached, Start,
    strangers,
};
