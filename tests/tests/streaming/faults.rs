//! Workers that are killed at any moment: others take over, and all ends as the model says. What may
//! stand twice, in topics alone, is counted.

use std::{
    thread,
    time::{Duration, Instant},
};

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use rdkafka::consumer::BaseConsumer;

use crate::{
    ending::Ending,
    folder::troubled,
    memory::{Memory, memory},
    soak::{gauge::LOOKS, recovery, scale},
    stage::Stage,
    topics::{self, Offsets},
    worker::Running,
};

/// Workers of the group.
const WORKERS: usize = 2;
/// How long a worker may take to stop when it is asked to.
const STOP: Duration = Duration::from_secs(10);

/// With `LETHE_SOAK=1`, as `make soak` has it: more events, more kills.
#[test]
fn workers_killed_again_and_again_lose_nothing_and_write_nothing_twice() {
    let (events, kills) = scale((20_000, 3), (500_000, 50));
    let stage = Stage::new();
    stage.generate(&troubled(events, 21));
    let started = Instant::now();
    let mut crew = Crew::start(&stage, 22);
    crew.shake(events, kills);
    crew.finish(Duration::from_secs(60 + events / 500));
    let took = started.elapsed();
    let Crew { recoveries, memory, .. } = crew;
    let repeated = Ending::of(&stage).holds();
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

/// Workers of one group, and what was seen of them.
struct Crew<'s> {
    stage: &'s Stage,
    workers: Vec<Running>,
    group: BaseConsumer,
    random: Pcg64Mcg,
    /// A kill that some partition has not gone on from: when, and how far each had come.
    stalled: Option<(Instant, Offsets)>,
    recoveries: Vec<Duration>,
    /// The most that a worker took, in MiB.
    memory: u64,
}

impl<'s> Crew<'s> {
    fn start(stage: &'s Stage, seed: u128) -> Self {
        Self {
            stage,
            workers: (0..WORKERS).map(|_| worker(stage)).collect(),
            group: stage.topics.reader(&stage.group()),
            random: Pcg64Mcg::new((seed << 1) | 1),
            stalled: None,
            recoveries: Vec::new(),
            memory: 0,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    /// Kills workers so many times: every other kill at a moment after the last one, when a worker opens
    /// its stores and its group is being divided anew, the others at a point of the output topic and a
    /// moment after it, so that they fall all over the run. Where there is enough to read, the last kill is
    /// recovered from before: how long that takes is seen each time.
    fn shake(&mut self, events: u64, kills: u64) {
        let mut points: Vec<u64> = (0..kills).map(|_| self.below(events * 6 / 10)).collect();
        points.sort_unstable();
        let clean = self.stage.clean();
        let recovers = scale(false, true);
        for (number, point) in (0..).zip(points) {
            let early = number % 2 == 1;
            let topics = &self.stage.topics;
            let bound = Duration::from_secs(120);
            self.until(bound, |crew| early || (topics.count(&clean) > point && !(recovers && crew.stalled.is_some())));
            let moment = self.below(if early { 3_000_000 } else { 100_000 });
            thread::sleep(Duration::from_micros(moment));
            let at = self.below(WORKERS as u64) as usize;
            let killed = std::mem::replace(&mut self.workers[at], worker(self.stage)).kill();
            assert_eq!(killed.code, None, "it failed by itself: {}", killed.err());
            let committed = self.committed();
            let is_read = committed.values().all(|(at, end)| at == end);
            assert!(!(recovers && is_read), "kill {number} came when all was read");
            self.stalled = Some((Instant::now(), committed));
        }
    }

    /// Waits until everything is committed, then asks the workers to stop.
    fn finish(&mut self, bound: Duration) {
        self.until(bound, |crew| crew.committed().values().all(|(at, end)| at == end));
        self.look();
        for worker in &self.workers {
            worker.terminate();
        }
        for worker in self.workers.drain(..) {
            worker.finish_within(STOP).well();
        }
    }

    fn committed(&self) -> Offsets {
        topics::committed(&self.stage.source(), &self.group, topics::PATIENCE).unwrap()
    }

    #[track_caller]
    fn until(&mut self, bound: Duration, is_so: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            self.look();
            if started.elapsed() > bound {
                let committed = self.committed();
                let said: Vec<String> = self.workers.drain(..).map(|worker| worker.kill().err()).collect();
                panic!("the group stands still: {committed:?}; {}", said.join("\n---\n"));
            }
            thread::sleep(LOOKS);
        }
    }

    /// Notes how the group does.
    fn look(&mut self) {
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

/// A worker that waits for more when it has read everything.
fn worker(stage: &Stage) -> Running {
    Running::start(&mut stage.folder.worker(&["run", "-f", ".", "--join", "--quiet", "--output", "json"]))
}
