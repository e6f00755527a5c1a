//! What a streaming worker costs: CPU of the whole process per event, rates beside each engine's own
//! ceiling, latency, start and stop. Method and figures: docs/benchmarks.md.
//!
//! The worker is the real program on real engines; this process feeds it and looks at it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod ceilings;
mod manifest;
mod measured;

use std::{
    env, thread,
    time::{Duration, Instant},
};

use lethe_tests::engines::{Engines, Own};
use lethe_worker::generate::{GenerateOptions, Generator, Kind, Record};
use manifest::{Bench, Sinks};
use measured::{Cost, Quantiles, Worker};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

/// Events of a run that is measured for its CPU, and the people that they are about. To a topic alone there are more:
/// the process starts for them, too, and opens all that it needs.
const EVENTS: u64 = 150_000;
const MORE: u64 = 600_000;
const SUBJECTS: u64 = 5_000;
/// Seconds that latency is measured for, after as many that don't count.
const SECONDS: u64 = 10;
const COLLECTOR: &str = "-XX:+UseG1GC";

fn main() {
    // An instance of their own, with the collector that servers run with, and of the servers that stand for MongoDB
    // the faster one.
    let own = [
        Own::start("kafka", &[("KAFKA_JVM", COLLECTOR)]),
        Own::start("cassandra", &[("CASSANDRA_JVM", COLLECTOR)]),
        Own::start("mongo", &[("MONGO_SERVER", "rust")]),
    ];
    let engines = own.iter().fold(Engines::default(), |all, own| all.with(&own.facts));
    let bench = Bench::new(&engines);
    // All of it, or what is asked for: `cargo bench --workspace --bench streaming -- latency`.
    let asked: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    if wants("costs") {
        println!("| what | events | us CPU/event | events/s | of the engine's ceiling | peak RSS MiB |");
        println!("|---|---|---|---|---|---|");
        costs(&engines, &bench);
    }
    if wants("latency") {
        println!("\n| latency, record to acknowledgement by all | rate/s | p50 ms | p99 ms |");
        println!("|---|---|---|---|");
        latency(&bench, "Kafka -> Kafka", Sinks { topic: true, ..Sinks::default() }, 5_000);
        let both = Sinks { cassandra: true, mongodb: true, ..Sinks::default() };
        latency(&bench, "Kafka -> Cassandra and MongoDB", both, 1_000);
    }
    if wants("stops") {
        println!("\n| what | s |");
        println!("|---|---|");
        start_and_stop(&bench);
    }
    bench.end();
}

fn costs(engines: &Engines, bench: &Bench) {
    let (topic, long) = (bench.topic("accounts"), bench.topic("more-accounts"));
    bench.generate(&topic, EVENTS, SUBJECTS);
    bench.generate(&long, MORE, SUBJECTS);
    let copied = ceilings::kafka(engines, &long, &bench.topic("copied"), MORE);
    row("client library alone: topic -> topic", &copied, None);
    let cassandra = ceilings::cassandra(engines, bench.database());
    row("driver alone: upserts in Cassandra", &cassandra, None);
    let mongodb = ceilings::mongodb(engines, bench.database());
    row("driver alone: upserts in MongoDB", &mongodb, None);

    let to_topic = Sinks { topic: true, ..Sinks::default() };
    let to_cassandra = Sinks { cassandra: true, ..to_topic };
    let to_both = Sinks { mongodb: true, ..to_cassandra };
    let measure = |what: &str, (topic, events): (&str, u64), sinks: Sinks, ceiling: &Cost| {
        let cost = bench.run(topic, sinks);
        assert_eq!(cost.events, events);
        row(what, &cost, Some(ceiling));
    };
    let (few, many) = ((topic.as_str(), EVENTS), (long.as_str(), MORE));
    measure("Kafka -> Kafka, new subjects", few, to_topic, &copied);
    measure("Kafka -> Kafka", many, to_topic, &copied);
    measure("Kafka -> Kafka + Cassandra, Latest", few, to_cassandra, &cassandra);
    measure("Kafka -> Kafka + Cassandra + MongoDB, Latest", few, to_both, &mongodb);
    measure("Kafka -> Kafka + Cassandra, Append", few, Sinks { append: true, ..to_cassandra }, &cassandra);
}

fn row(what: &str, cost: &Cost, ceiling: Option<&Cost>) {
    let share = ceiling.map_or_else(String::new, |ceiling| format!("{:.2}", cost.rate() / ceiling.rate()));
    let rss = cost.peak_rss.map_or_else(String::new, |bytes| format!("{}", bytes >> 20));
    println!("| {what} | {} | {:.1} | {:.0} | {share} | {rss} |", cost.events, cost.micros(), cost.rate());
}

/// Feeds a topic at a steady rate, stamped as it goes, and asks the worker how long it took.
fn latency(bench: &Bench, what: &str, sinks: Sinks, rate: u64) {
    let topic = bench.topic("paced");
    let worker = Worker::serve(bench, &topic, sinks);
    worker.await_ready();
    let mut feed = Feed::new(bench, &topic);
    feed.pour(rate, SECONDS);
    let before = worker.quantiles();
    feed.pour(rate, SECONDS);
    feed.end();
    worker.await_events(rate * SECONDS * 2);
    let [p50, p99] = Quantiles::between(&before, &worker.quantiles()).of([0.50, 0.99]);
    println!("| {what} | {rate} | {p50:.1} | {p99:.1} |");
    worker.stop();
}

fn start_and_stop(bench: &Bench) {
    let topic = bench.topic("waiting");
    bench.generate(&topic, 200_000, SUBJECTS);
    let begun = Instant::now();
    let worker = Worker::serve(bench, &topic, Sinks { topic: true, ..Sinks::default() });
    worker.await_events(1);
    println!("| first event delivered, after the start of the process | {:.2} |", begun.elapsed().as_secs_f64());
    let took = worker.stop();
    println!("| end of the process, after SIGTERM under load | {:.2} |", took.as_secs_f64());
}

/// A producer that keeps time.
struct Feed {
    producer: BaseProducer,
    topic: String,
    generator: Generator,
    record: Record,
}

impl Feed {
    fn new(bench: &Bench, topic: &str) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", bench.kafka())
            // As clients of Kafka 4 do by themselves: a record alone in its batch costs the broker as much as a hundred.
            .set("linger.ms", "5")
            .set("partitioner", "murmur2_random")
            .create()
            .unwrap();
        let options =
            GenerateOptions { seed: 7, subjects: SUBJECTS, ..GenerateOptions::new(Kind::Account, u64::from(u32::MAX)) };
        Self {
            producer,
            topic: topic.to_owned(),
            generator: Generator::new(options).unwrap(),
            record: Record::default(),
        }
    }

    fn pour(&mut self, rate: u64, seconds: u64) {
        let begun = Instant::now();
        for number in 0..rate * seconds {
            let due = Duration::from_millis(number * 1_000 / rate);
            if let Some(early) = due.checked_sub(begun.elapsed()) {
                self.producer.poll(Duration::ZERO);
                thread::sleep(early);
            }
            self.generator.next_record(&mut self.record);
            let record = BaseRecord::to(&self.topic).key(&self.record.key).payload(&self.record.value);
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        self.producer.poll(Duration::ZERO);
    }

    fn end(self) {
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }
}
