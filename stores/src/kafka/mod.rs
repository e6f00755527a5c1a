//! Apache Kafka, through librdkafka: a topic as a source, as a sink, as a place for dead letters.
//!
//! librdkafka keeps threads of its own. What polls it blocks and belongs on a thread of its own;
//! what waits for deliveries is async.

mod client;
mod consumer;
mod dead_letter;
mod fault;
mod feeder;
mod flow;
mod gather;
mod history;
mod native;
mod producer;
mod rebalance;
mod sink;
mod topic;
mod turns;

pub use client::probe;
pub use consumer::{ConsumerOptions, KafkaConsumer, strangers};
pub use dead_letter::KafkaLetters;
pub use feeder::Feeder;
pub use flow::Flow;
pub use gather::{Gathered, Limits};
pub use history::History;
pub use rebalance::{Assigned, Change, PartitionView};
pub use sink::{KafkaSink, KafkaSinkOptions};
pub use topic::{Need, Topic, ensure};
