//! What a streaming worker costs: CPU of the whole process per event, rates beside each engine's own
//! ceiling, latency, start and stop. Method and figures: docs/benchmarks.md.
//!
//! The worker is the real program on real engines; this process feeds it and looks at it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod ceilings;
mod manifest;
mod measured;
mod probe;

use std::{
    env, thread,
    time::{Duration, Instant},
};

use lethe_tests::engines::{Engines, Own};
use lethe_worker::generate::{GenerateOptions, Generator, Kind, Record};
use manifest::{Bench, PARTITIONS, Sinks};
use measured::{Cost, Quantiles, Worker};
use probe::Probe;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

/// Events of a run that is measured for its CPU, and the people that they are about. To a topic alone there are more:
/// the process starts for them, too, and opens all that it needs.
const EVENTS: u64 = 150_000;
const MORE: u64 = 600_000;
const SUBJECTS: u64 = 5_000;
/// Seconds that latency is measured for, after some at the same rate that don't count: a new table, and what was written
/// while it filled, keep the servers busy for longer than a worker.
const SECONDS: u64 = 10;
const SETTLING: u64 = 60;
/// Events a second before latency is measured: ten of each subject, so that the keys of all are at hand.
const WARMING: u64 = 5_000;
/// What the servers' own scripts start Java with (kafka-run-class.sh, jvm17-server.options).
const KAFKA_JVM: &str = "-XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
    -XX:+ExplicitGCInvokesConcurrent";
const CASSANDRA_JVM: &str = "-XX:+UseG1GC -XX:+ParallelRefProcEnabled -XX:MaxTenuringThreshold=1 -XX:G1HeapRegionSize=16m \
    -XX:G1RSetUpdatingPauseTimePercent=5 -XX:MaxGCPauseMillis=300 -XX:InitiatingHeapOccupancyPercent=70";
/// The cache of the server that stands for MongoDB, as it is by default: tests give it less. Where a fifth of it is not in
/// its files yet, whoever writes has to help with that first.
const MONGO_CACHE: &str = "4G";
const TO_TOPIC: Sinks = Sinks { topic: true, cassandra: false, mongodb: false, append: false };
const TO_STORES: Sinks = Sinks { topic: false, cassandra: true, mongodb: true, append: false };
/// Of so many rounds the best is told: what else the machine does makes a round dearer, never cheaper.
const ROUNDS: usize = 3;

fn main() {
    // All of it, or what is asked for: `cargo bench --workspace --no-default-features --bench streaming -- latency`.
    let asked: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    if wants("costs") {
        let servers = Servers::lean();
        println!("| what | events | us CPU/event | events/s | of the engine's ceiling | peak RSS MiB |");
        println!("|---|---|---|---|---|---|");
        servers.bench(|bench| costs(&servers.engines, bench));
    }
    if wants("latency") || wants("stops") {
        let servers = Servers::as_they_run();
        servers.bench(|bench| {
            if wants("latency") {
                println!(
                    "\n| latency, record to acknowledgement by all | partitions | rate/s | p50 ms | p99 ms | to a consumer alone, p50 | p99 |"
                );
                println!("|---|---|---|---|---|---|---|");
                warm(bench);
                latency(bench, "Kafka -> Kafka", TO_TOPIC, (PARTITIONS, 5_000), Subjects::Known);
                latency(bench, "Kafka -> Cassandra and MongoDB", TO_STORES, (1, 1_000), Subjects::Known);
                latency(bench, "the same, new subjects among them", TO_STORES, (1, 1_000), Subjects::New);
                // At such a rate few records of six partitions find company within the feeder's linger.
                latency(bench, "the same, all subjects known", TO_STORES, (PARTITIONS, 1_000), Subjects::Known);
            }
            if wants("stops") {
                println!("\n| what | s |");
                println!("|---|---|");
                start_and_stop(bench);
            }
        });
    }
}

/// An instance of each engine of the bench's own; of the servers that stand for MongoDB the faster one.
struct Servers {
    engines: Engines,
    _own: [Own; 3],
}

impl Servers {
    /// Java as it is started for tests: its second compiler and its parallel collector would take the cores that the
    /// worker is measured on.
    fn lean() -> Self {
        Self::start(&[], &[])
    }

    /// Java as the servers' own scripts start it: what costs the worker nothing may cost whoever waits.
    fn as_they_run() -> Self {
        Self::start(&[("KAFKA_JVM", KAFKA_JVM)], &[("CASSANDRA_JVM", CASSANDRA_JVM)])
    }

    fn start(kafka: &[(&str, &str)], cassandra: &[(&str, &str)]) -> Self {
        let own = [
            Own::start("kafka", kafka),
            Own::start("cassandra", cassandra),
            Own::start("mongo", &[("MONGO_SERVER", "rust"), ("MONGO_CACHE", MONGO_CACHE)]),
        ];
        Self { engines: own.iter().fold(Engines::default(), |all, own| all.with(&own.facts)), _own: own }
    }

    /// Says how fast the machine was, too: it may be twice as slow an hour later.
    fn bench(&self, part: impl FnOnce(&Bench)) {
        let bench = Bench::new(&self.engines);
        let before = measured::generator();
        part(&bench);
        let after = measured::generator();
        println!("\nTo generate an event took {:.2} us of CPU before, {:.2} after.", before.micros(), after.micros());
        bench.end();
    }
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

    let to_cassandra = Sinks { cassandra: true, ..TO_TOPIC };
    let to_both = Sinks { mongodb: true, ..to_cassandra };
    let measure = |what: &str, rounds: usize, (topic, events): (&str, u64), sinks: Sinks, ceiling: &Cost| {
        let costs = (0..rounds).map(|_| bench.run(topic, sinks));
        let best = costs.min_by(|one, other| one.micros().total_cmp(&other.micros())).unwrap();
        assert_eq!(best.events, events);
        row(what, &best, Some(ceiling));
    };
    let (few, many) = ((topic.as_str(), EVENTS), (long.as_str(), MORE));
    measure("Kafka -> Kafka, new subjects", 1, few, TO_TOPIC, &copied);
    // Keys that only dead letters need are made, too, and the servers have seen such work.
    bench.run(&long, TO_TOPIC);
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

/// Work of the kind that is measured: Java is slow until its compiler has seen it for a while.
fn warm(bench: &Bench) {
    let topic = bench.topic("warm");
    bench.generate(&topic, MORE, SUBJECTS);
    bench.run(&topic, TO_TOPIC);
    bench.run(&topic, Sinks { topic: true, ..TO_STORES });
}

/// Whether a worker has seen the subjects before.
#[derive(Clone, Copy)]
enum Subjects {
    Known,
    New,
}

/// Feeds a topic at a steady rate, stamped as it goes, and asks the worker how long it took; a consumer that does
/// nothing else says what of it is the topic's.
fn latency(bench: &Bench, what: &str, sinks: Sinks, (partitions, rate): (i32, u64), subjects: Subjects) {
    let topic = bench.topic_of("paced", partitions);
    let worker = Worker::serve(bench, &topic, sinks);
    worker.await_ready();
    let mut feed = Feed::new(bench, &topic);
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
    // In a round of its own: that it reads costs the broker as much as that the worker does.
    let probe = Probe::start(bench, &topic);
    feed.pour(&worker, rate, SECONDS);
    let [topic_p50, topic_p99] = probe.end([0.50, 0.99]);
    println!("| {what} | {partitions} | {rate} | {p50:.1} | {p99:.1} | {topic_p50:.1} | {topic_p99:.1} |");
    worker.stop();
}

fn start_and_stop(bench: &Bench) {
    let topic = bench.topic("waiting");
    bench.generate(&topic, 200_000, SUBJECTS);
    let begun = Instant::now();
    let worker = Worker::serve(bench, &topic, TO_TOPIC);
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
    events: u64,
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
            events: 0,
        }
    }

    /// So many events a second, for so many seconds; returns when the worker has delivered them.
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
        worker.await_events(self.events);
    }
}
