//! Workers that are killed at any moment: others take over, and stores hold what the model says in
//! the end. Repetitions, which topics alone may have, are counted.

use std::{
    thread,
    time::{Duration, Instant},
};

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use rdkafka::consumer::BaseConsumer;

use crate::{
    expected::Expected,
    memory::{Memory, memory},
    pipeline_fixture::PipelineFixture,
    soak::{group_progress::POLL, recovery, scale},
    topics::{self, Offsets},
};
use lethe_tests::{folder::mixed_events, process::Running};

/// Workers of the group.
const WORKERS: usize = 2;
/// The longest time of a stop.
const STOP: Duration = Duration::from_secs(10);

/// `LETHE_SOAK=1`, as set by `make soak`, asks for more events and more kills.
#[test]
fn workers_killed_repeatedly_lose_nothing_and_duplicate_nothing_in_stores() {
    let (events, kills) = scale((20_000, 3), (500_000, 50));
    let fixture = PipelineFixture::new();
    fixture.generate(&mixed_events(events, 21));
    let started = Instant::now();
    let mut group = WorkerGroup::start(&fixture, 22);
    group.kill_workers(events, kills);
    group.finish(Duration::from_secs(60 + events / 500));
    let took = started.elapsed();
    let WorkerGroup { recoveries, memory, .. } = group;
    let repeated = Expected::of(&fixture).check();
    let slowest = recoveries.iter().max().unwrap();
    println!(
        "faults: {events} events, {WORKERS} workers, {kills} kills, {:.0} s: both stores, the topic and the dead letters \
         equal to the model, 0 lost, 0 duplicated in stores; read again and written to topics once more: {} records, {} \
         dead letters; slowest of {} recoveries that no further kill cut off {:.1} s, most memory {memory} MiB",
        took.as_secs_f64(),
        repeated.output,
        repeated.letters,
        recoveries.len(),
        slowest.as_secs_f64()
    );
    assert!(*slowest < recovery(), "{recoveries:?}");
}

/// Workers of one group, and the figures of their kills.
struct WorkerGroup<'s> {
    fixture: &'s PipelineFixture,
    workers: Vec<Running>,
    group: BaseConsumer,
    random: Pcg64Mcg,
    /// A kill after which some partition has not advanced yet: its time, and the offsets at that
    /// time.
    stalled: Option<(Instant, Offsets)>,
    recoveries: Vec<Duration>,
    /// The most resident memory of a worker, in MiB.
    memory: u64,
}

impl<'s> WorkerGroup<'s> {
    fn start(fixture: &'s PipelineFixture, seed: u128) -> Self {
        Self {
            fixture,
            workers: (0..WORKERS).map(|_| worker(fixture)).collect(),
            group: fixture.topics.reader(&fixture.group()),
            random: Pcg64Mcg::new((seed << 1) | 1),
            stalled: None,
            recoveries: Vec::new(),
            memory: 0,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    /// Kills so many workers. Every other kill comes at a random moment after the last one, while a
    /// worker opens its stores and the group rebalances. The others come a random moment after a
    /// random number of records in the output topic, so that they spread over the run. In a soak,
    /// each of those waits for the recovery from the last kill, so that its duration is known.
    fn kill_workers(&mut self, events: u64, kills: u64) {
        let mut points: Vec<u64> = (0..kills).map(|_| self.below(events * 6 / 10)).collect();
        points.sort_unstable();
        let clean = self.fixture.clean();
        let recovers = scale(false, true);
        for (number, point) in (0..).zip(points) {
            let early = number % 2 == 1;
            let topics = &self.fixture.topics;
            let bound = Duration::from_secs(120);
            self.until(bound, |group| {
                early || (topics.count(&clean) > point && !(recovers && group.stalled.is_some()))
            });
            let moment = self.below(if early { 3_000_000 } else { 100_000 });
            thread::sleep(Duration::from_micros(moment));
            let at = self.below(WORKERS as u64) as usize;
            let killed = std::mem::replace(&mut self.workers[at], worker(self.fixture)).kill();
            assert_eq!(killed.code, None, "it ended before it was killed: {}", killed.err());
            let committed = self.committed();
            let is_read = committed.values().all(|(at, end)| at == end);
            assert!(!(recovers && is_read), "kill {number} came when all was read");
            self.stalled = Some((Instant::now(), committed));
        }
    }

    /// Waits until everything is committed, then stops the workers.
    fn finish(&mut self, bound: Duration) {
        self.until(bound, |group| group.committed().values().all(|(at, end)| at == end));
        self.observe();
        for worker in &self.workers {
            worker.terminate();
        }
        for worker in self.workers.drain(..) {
            worker.finish_within(STOP).success();
        }
    }

    fn committed(&self) -> Offsets {
        topics::committed(&self.fixture.source(), &self.group, topics::PATIENCE).unwrap()
    }

    #[track_caller]
    fn until(&mut self, bound: Duration, is_so: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            self.observe();
            if started.elapsed() > bound {
                let committed = self.committed();
                let logs: Vec<String> = self.workers.drain(..).map(|worker| worker.kill().err()).collect();
                panic!("the group does not advance: {committed:?}; {}", logs.join("\n---\n"));
            }
            thread::sleep(POLL);
        }
    }

    /// Records memory and recoveries.
    fn observe(&mut self) {
        let resident = self.workers.iter().filter_map(|worker| memory(worker.pid(), Memory::Resident));
        self.memory = self.memory.max(resident.max().unwrap_or(0));
        let Some((killed, before)) = &self.stalled else { return };
        let now = self.committed();
        if now.iter().all(|(partition, (at, end))| at == end || before.get(partition).is_none_or(|was| at > &was.0)) {
            self.recoveries.push(killed.elapsed());
            self.stalled = None;
        }
    }
}

/// Starts a worker that waits for more events when it has read everything.
fn worker(fixture: &PipelineFixture) -> Running {
    Running::start(&mut fixture.folder.worker(&["run", "-f", ".", "--join", "--quiet", "--output", "json"]))
}
