//! A pipeline under load, and what is known of it in the end.

use std::time::{Duration, Instant};

use crate::{
    ending::Ending,
    soak::{
        gauge::Gauge,
        load::Load,
        recovery,
        worker::{Past, Worker},
    },
    stage::{PARTITIONS, Stage},
    topics::eventually,
};

/// What is left in the end may take longer: the load sends it as fast as it can.
const REST: Duration = Duration::from_secs(600);
/// The most memory that a worker may take, in MiB: what is fetched ahead, under way and cached, as
/// docs/operations.md bounds it, whatever the backlog.
const MEMORY: u64 = 512;

/// A pipeline under load.
pub struct Trial<'s> {
    stage: &'s Stage,
    load: Load,
    gauge: Gauge,
    workers: Vec<Worker>,
    past: Past,
    recoveries: Vec<Duration>,
    started: Instant,
}

impl<'s> Trial<'s> {
    /// Two workers, and so many events a second; in the end at least `least`.
    pub fn begin(stage: &'s Stage, rate: u64, least: u64) -> Self {
        let mut trial = Self::of(stage, || Load::start(stage, rate, least));
        // Not before events flow: a fault must have something to hit.
        trial.flows();
        trial
    }

    /// Two workers, and so many events at once.
    pub fn backlog(stage: &'s Stage, events: u64) -> Self {
        Self::of(stage, || Load::all(stage, events))
    }

    fn of(stage: &'s Stage, load: impl FnOnce() -> Load) -> Self {
        let workers: Vec<Worker> = (0..2).map(|_| Worker::ready(stage)).collect();
        // Later rebalances are then of the faults alone.
        eventually("each has its half of the partitions", || {
            workers.iter().all(|worker| worker.partitions() == u64::from(PARTITIONS.unsigned_abs()) / 2)
        });
        Self {
            stage,
            load: load(),
            gauge: Gauge::of(stage),
            workers,
            past: Past::default(),
            recoveries: Vec::new(),
            started: Instant::now(),
        }
    }

    /// Waits until what came so far is delivered. No fault is under way.
    #[track_caller]
    pub fn flows(&mut self) {
        catch_up(&self.gauge, &mut self.workers, recovery());
    }

    /// A fault has ended this moment: how long it takes until what came until now is delivered.
    #[track_caller]
    pub fn recovers(&mut self) -> Duration {
        let took = catch_up(&self.gauge, &mut self.workers, recovery());
        self.recoveries.push(took);
        took
    }

    /// The workers that run.
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// How many events were sent so far.
    pub fn sent(&self) -> u64 {
        self.load.sent()
    }

    /// One more worker.
    pub fn hire(&mut self) {
        self.workers.push(Worker::ready(self.stage));
    }

    /// Stops the worker that runs longest.
    #[track_caller]
    pub fn retire(&mut self) {
        let oldest = self.workers.remove(0);
        self.past.add(oldest.stop());
    }

    /// Stops the worker that came last.
    #[track_caller]
    pub fn dismiss(&mut self) {
        let last = self.workers.pop().unwrap();
        self.past.add(last.stop());
    }

    /// Times that partitions were assigned anew to the workers that run.
    pub fn rebalances(&self) -> u64 {
        self.workers.iter().map(|worker| worker.metric("lethe_rebalances_total")).sum()
    }

    /// Delivers the rest, stops the workers, and holds every place against the model. Says `name`,
    /// `what` happened, and the figures.
    #[track_caller]
    pub fn end(mut self, name: &str, what: &str) {
        let events = self.load.finish();
        catch_up(&self.gauge, &mut self.workers, REST);
        let took = self.started.elapsed();
        for worker in self.workers {
            self.past.add(worker.stop());
        }
        let Past { sent_again, peak, stop, workers, .. } = self.past;
        assert!(self.past.events >= events, "{} events delivered of {events}", self.past.events);
        let read_again = self.past.events - events;
        let ending = Ending::of(self.stage);
        assert_eq!(ending.judged().len() as u64, events, "the source holds what was sent, once");
        // Lost, doubled or wrong in a store fails here.
        let repeated = ending.holds();
        // A record stands twice in the topic where its event was read again, where a producer sent it
        // again, or where the source itself repeats it while ids of earlier events are read again.
        let repetitions = ending.count(|verdict| *verdict == crate::model::Verdict::Duplicate);
        let explained = read_again + sent_again;
        let passed = (repeated.output as u64).saturating_sub(explained);
        assert!(passed <= if self.past.workers > 1 { repetitions } else { 0 }, "{repeated:?}, {explained} explained");
        assert!(peak <= MEMORY, "a worker took {peak} MiB");
        let worst = self.recoveries.iter().max().copied().unwrap_or_default();
        println!(
            "{name}: {events} events, {what}, lost 0, duplicated in stores 0, {} records of the output topic and {} \
             dead letters twice ({read_again} events read again, {sent_again} records sent again), recovery {:.1} s \
             at most, stop {:.1} s at most, memory {peak} MiB at most of {workers} workers, {:.0} s",
            repeated.output,
            repeated.letters,
            worst.as_secs_f64(),
            stop.as_secs_f64(),
            took.as_secs_f64()
        );
    }
}

#[track_caller]
fn catch_up(gauge: &Gauge, workers: &mut [Worker], bound: Duration) -> Duration {
    gauge.caught_up(bound, || workers.iter_mut().for_each(Worker::lives)).unwrap_or_else(|behind| {
        let said: Vec<String> = workers.iter().map(Worker::said).collect();
        panic!("{behind}; the workers said: {}", said.join("\n---\n"))
    })
}
