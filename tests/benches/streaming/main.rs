//! Costs of a streaming worker: CPU of the whole process per event, rates beside the ceiling of
//! each engine, latency, start and stop. Method and figures: docs/benchmarks.md.
//!
//! The worker is the real program on real engines. This process feeds and observes it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod ceilings;
mod measured;
mod pipelines;
mod probe;

use std::{
    env, thread,
    time::{Duration, Instant},
};

use lethe_generate::{GenerateOptions, Generator, Kind, Record};
use lethe_tests::engines::{Engines, PrivateEngine};
use measured::{Cost, Quantiles, Worker};
use pipelines::{BenchPipelines, PARTITIONS, Sinks};
use probe::Probe;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

/// Events of a run whose CPU is measured, and their subjects. Runs to a topic alone have more
/// events, so that the start of the process counts less.
const EVENTS: u64 = 150_000;
const MORE: u64 = 600_000;
const SUBJECTS: u64 = 5_000;
/// Seconds of a latency measurement, and seconds at the same rate before it: servers are busy for
/// longer than the worker with a new table and with earlier writes.
const SECONDS: u64 = 10;
const SETTLING: u64 = 60;
/// Events a second before a latency measurement: ten of each subject, so that all keys are cached.
const WARMING: u64 = 5_000;
/// Java options of the servers' own scripts (kafka-run-class.sh, jvm17-server.options).
const KAFKA_JVM: &str = "-XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
    -XX:+ExplicitGCInvokesConcurrent";
const CASSANDRA_JVM: &str = "-XX:+UseG1GC -XX:+ParallelRefProcEnabled -XX:MaxTenuringThreshold=1 -XX:G1HeapRegionSize=16m \
    -XX:G1RSetUpdatingPauseTimePercent=5 -XX:MaxGCPauseMillis=300 -XX:InitiatingHeapOccupancyPercent=70";
/// Default cache of the server in place of MongoDB: tests give it less. When a fifth of it is not
/// in its files yet, writers have to flush first.
const MONGO_CACHE: &str = "4G";
const TO_TOPIC: Sinks = Sinks { topic: true, cassandra: false, mongodb: false, append: false };
const TO_STORES: Sinks = Sinks { topic: false, cassandra: true, mongodb: true, append: false };
/// Rounds, of which the best is reported: other work of the machine only makes a round slower.
const ROUNDS: usize = 3;

fn main() {
    // Everything, or the parts that the arguments name: `cargo bench --workspace
    // --no-default-features --bench streaming -- latency`.
    let asked: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    if wants("costs") {
        let servers = Servers::lean();
        println!("| what | events | us CPU/event | events/s | of the engine's ceiling | peak RSS MiB |");
        println!("|---|---|---|---|---|---|");
        servers.bench(|pipelines| costs(&servers.engines, pipelines));
    }
    if wants("latency") || wants("stops") {
        let servers = Servers::as_they_run();
        servers.bench(|pipelines| {
            if wants("latency") {
                println!(
                    "\n| latency, record to acknowledgement by all | partitions | rate/s | p50 ms | p99 ms | to a consumer alone, p50 | p99 |"
                );
                println!("|---|---|---|---|---|---|---|");
                warm(pipelines);
                latency(pipelines, "Kafka -> Kafka", TO_TOPIC, (PARTITIONS, 5_000), Subjects::Known);
                latency(pipelines, "Kafka -> Cassandra and MongoDB", TO_STORES, (1, 1_000), Subjects::Known);
                latency(pipelines, "the same, new subjects among them", TO_STORES, (1, 1_000), Subjects::New);
                // At this rate, most records of six partitions are alone in their batch.
                latency(pipelines, "the same, all subjects known", TO_STORES, (PARTITIONS, 1_000), Subjects::Known);
            }
            if wants("stops") {
                println!("\n| what | s |");
                println!("|---|---|");
                start_and_stop(pipelines);
            }
        });
    }
}

/// A private server of each engine. In place of MongoDB it is the faster of the two servers.
struct Servers {
    engines: Engines,
    _own: [PrivateEngine; 3],
}

impl Servers {
    /// Starts Java as tests do: its second compiler and its parallel collector would take the cores
    /// of the measured worker.
    fn lean() -> Self {
        Self::start(&[], &[])
    }

    /// Starts Java as the servers' own scripts do, for latencies.
    fn as_they_run() -> Self {
        Self::start(&[("KAFKA_JVM", KAFKA_JVM)], &[("CASSANDRA_JVM", CASSANDRA_JVM)])
    }

    fn start(kafka: &[(&str, &str)], cassandra: &[(&str, &str)]) -> Self {
        let own = [
            PrivateEngine::start("kafka", kafka),
            PrivateEngine::start("cassandra", cassandra),
            PrivateEngine::start("mongo", &[("MONGO_SERVER", "rust"), ("MONGO_CACHE", MONGO_CACHE)]),
        ];
        Self { engines: own.iter().fold(Engines::default(), |all, own| all.with(&own.facts)), _own: own }
    }

    /// Runs a part, and prints the speed of the machine: it may be twice as slow an hour later.
    fn bench(&self, part: impl FnOnce(&BenchPipelines)) {
        let pipelines = BenchPipelines::new(&self.engines);
        let before = measured::generator();
        part(&pipelines);
        let after = measured::generator();
        println!("\nTo generate an event took {:.2} us of CPU before, {:.2} after.", before.micros(), after.micros());
        pipelines.end();
    }
}

fn costs(engines: &Engines, pipelines: &BenchPipelines) {
    let (topic, long) = (pipelines.topic("accounts"), pipelines.topic("more-accounts"));
    pipelines.generate(&topic, EVENTS, SUBJECTS);
    pipelines.generate(&long, MORE, SUBJECTS);
    let copied = ceilings::kafka(engines, &long, &pipelines.topic("copied"), MORE);
    row("client library alone: topic -> topic", &copied, None);
    let cassandra = ceilings::cassandra(engines, pipelines.database());
    row("driver alone: upserts in Cassandra", &cassandra, None);
    let mongodb = ceilings::mongodb(engines, pipelines.database());
    row("driver alone: upserts in MongoDB", &mongodb, None);

    let to_cassandra = Sinks { cassandra: true, ..TO_TOPIC };
    let to_both = Sinks { mongodb: true, ..to_cassandra };
    let measure = |what: &str, rounds: usize, (topic, events): (&str, u64), sinks: Sinks, ceiling: &Cost| {
        let costs = (0..rounds).map(|_| pipelines.run(topic, sinks));
        let best = costs.min_by(|one, other| one.micros().total_cmp(&other.micros())).unwrap();
        assert_eq!(best.events, events);
        row(what, &best, Some(ceiling));
    };
    let (few, many) = ((topic.as_str(), EVENTS), (long.as_str(), MORE));
    measure("Kafka -> Kafka, new subjects", 1, few, TO_TOPIC, &copied);
    // Creates the keys of dead letters, too, and warms the servers.
    pipelines.run(&long, TO_TOPIC);
    measure("Kafka -> Kafka", ROUNDS, many, TO_TOPIC, &copied);
    measure("Kafka -> Kafka + Cassandra, Latest", ROUNDS, few, to_cassandra, &cassandra);
    measure("Kafka -> Kafka + Cassandra + MongoDB, Latest", ROUNDS, few, to_both, &mongodb);
    measure("Kafka -> Kafka + Cassandra, Append", ROUNDS, few, Sinks { append: true, ..to_cassandra }, &cassandra);
}

fn row(what: &str, cost: &Cost, ceiling: Option<&Cost>) {
    let share = ceiling.map_or_else(String::new, |ceiling| format!("{:.2}", cost.rate() / ceiling.rate()));
    let rss = cost.peak_rss.map_or_else(String::new, |bytes| format!("{}", bytes >> 20));
    println!("| {what} | {} | {:.1} | {:.0} | {share} | {rss} |", cost.events, cost.micros(), cost.rate());
}

/// Runs work of the measured kind: Java is slow until it has compiled it.
fn warm(pipelines: &BenchPipelines) {
    let topic = pipelines.topic("warm");
    pipelines.generate(&topic, MORE, SUBJECTS);
    pipelines.run(&topic, TO_TOPIC);
    pipelines.run(&topic, Sinks { topic: true, ..TO_STORES });
}

/// Whether the worker has seen the subjects before.
#[derive(Clone, Copy)]
enum Subjects {
    Known,
    New,
}

/// Feeds a topic at a steady rate with current timestamps, and reads the latency from the worker. A
/// consumer that does nothing else measures the share of the topic.
fn latency(pipelines: &BenchPipelines, what: &str, sinks: Sinks, (partitions, rate): (i32, u64), subjects: Subjects) {
    let topic = pipelines.topic_of("paced", partitions);
    let worker = Worker::serve(pipelines, &topic, sinks);
    worker.wait_until_ready();
    let mut feed = Feed::new(pipelines, &topic);
    let rounds = if let Subjects::Known = subjects {
        feed.pour(&worker, WARMING, SECONDS);
        feed.pour(&worker, rate, SETTLING);
        ROUNDS
    } else {
        1
    };
    let round = |_| {
        let before = worker.quantiles();
        feed.pour(&worker, rate, SECONDS);
        Quantiles::between(&before, &worker.quantiles()).of([0.50, 0.99])
    };
    let best = (0..rounds).map(round).min_by(|one, other| one[1].total_cmp(&other[1]));
    let [p50, p99] = best.unwrap();
    // In another round: a second consumer costs the broker as much as the worker.
    let probe = Probe::start(pipelines, &topic);
    feed.pour(&worker, rate, SECONDS);
    let [topic_p50, topic_p99] = probe.end([0.50, 0.99]);
    println!("| {what} | {partitions} | {rate} | {p50:.1} | {p99:.1} | {topic_p50:.1} | {topic_p99:.1} |");
    worker.stop();
}

fn start_and_stop(pipelines: &BenchPipelines) {
    let topic = pipelines.topic("waiting");
    pipelines.generate(&topic, 200_000, SUBJECTS);
    let begun = Instant::now();
    let worker = Worker::serve(pipelines, &topic, TO_TOPIC);
    worker.wait_for_events(1);
    println!("| first event delivered, after the start of the process | {:.2} |", begun.elapsed().as_secs_f64());
    let took = worker.stop();
    println!("| end of the process, after SIGTERM under load | {:.2} |", took.as_secs_f64());
}

/// A producer with a steady rate.
struct Feed {
    producer: BaseProducer,
    topic: String,
    generator: Generator,
    record: Record,
    events: u64,
}

impl Feed {
    fn new(pipelines: &BenchPipelines, topic: &str) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", pipelines.kafka())
            // The default of Kafka 4 clients: a batch of one record costs the broker as much as one
            // of a hundred.
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
            events: 0,
        }
    }

    /// Sends so many events a second for so many seconds. Returns when the worker has delivered
    /// them.
    fn pour(&mut self, worker: &Worker, rate: u64, seconds: u64) {
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
        self.producer.flush(Duration::from_secs(30)).unwrap();
        self.events += rate * seconds;
        worker.wait_for_events(self.events);
    }
}
