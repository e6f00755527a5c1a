//! The latency of a topic from producer to consumer without a worker: the share of feeder, broker
//! and client on cores that all share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::pipelines::BenchPipelines;

/// A consumer of a topic in its own thread.
pub struct Probe {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Vec<f64>>,
}

impl Probe {
    /// Reads from the end of a topic.
    pub fn start(pipelines: &BenchPipelines, topic: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", pipelines.kafka()).set("group.id", format!("{topic}-probe"));
        // The settings of the worker.
        config.set("fetch.wait.max.ms", "200").set("fetch.queue.backoff.ms", "10");
        let consumer: BaseConsumer = config.create().unwrap();
        let known = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
        let mut all = TopicPartitionList::new();
        for partition in known.topics()[0].partitions() {
            all.add_partition_offset(topic, partition.id(), Offset::End).unwrap();
        }
        consumer.assign(&all).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                let mut took = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
                    took.push(now() - message.unwrap().timestamp().to_millis().unwrap() as f64);
                }
                took
            }
        });
        Self { ended, thread }
    }

    /// Ends it. Returns quantiles in milliseconds.
    pub fn end<const N: usize>(self, quantiles: [f64; N]) -> [f64; N] {
        self.ended.store(true, Ordering::Relaxed);
        let mut took = self.thread.join().unwrap();
        assert!(!took.is_empty(), "no record was read");
        took.sort_unstable_by(f64::total_cmp);
        quantiles.map(|quantile| took[(quantile * (took.len() - 1) as f64) as usize])
    }
}

/// Returns milliseconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1e3
}
