//! A pipeline under load, and the comparison with the model in the end.

use std::time::{Duration, Instant};

use lethe_tests::model::Verdict;

use crate::{
    expected::Expected,
    pipeline_fixture::{PARTITIONS, PipelineFixture},
    soak::{
        group_progress::GroupProgress,
        live_worker::{LiveWorker, WorkerTotals},
        load::Load,
        recovery,
    },
    topics::eventually,
};

/// The longest time until the rest of the load is delivered: it is sent as fast as possible.
const REST: Duration = Duration::from_secs(600);
/// The most memory that a worker takes, in MiB, whatever the backlog: docs/operations.md bounds
/// what is fetched ahead, in flight and cached.
const MEMORY: u64 = 512;

/// A pipeline with two workers under load.
pub struct SoakRun<'s> {
    fixture: &'s PipelineFixture,
    load: Load,
    progress: GroupProgress,
    workers: Vec<LiveWorker>,
    totals: WorkerTotals,
    recoveries: Vec<Duration>,
    started: Instant,
}

impl<'s> SoakRun<'s> {
    /// Starts two workers and a load of `rate` events a second, in the end of at least `least`
    /// events. Returns when events are delivered.
    pub fn start(fixture: &'s PipelineFixture, rate: u64, least: u64) -> Self {
        let mut run = Self::of(fixture, || Load::start(fixture, rate, least));
        run.catch_up();
        run
    }

    /// Starts two workers and sends so many events as fast as possible.
    pub fn backlog(fixture: &'s PipelineFixture, events: u64) -> Self {
        Self::of(fixture, || Load::all(fixture, events))
    }

    fn of(fixture: &'s PipelineFixture, load: impl FnOnce() -> Load) -> Self {
        let workers: Vec<LiveWorker> = (0..2).map(|_| LiveWorker::ready(fixture)).collect();
        // Later rebalances are caused by faults alone.
        eventually("each worker has half of the partitions", || {
            workers.iter().all(|worker| worker.partitions() == u64::from(PARTITIONS.unsigned_abs()) / 2)
        });
        Self {
            fixture,
            load: load(),
            progress: GroupProgress::of(fixture),
            workers,
            totals: WorkerTotals::default(),
            recoveries: Vec::new(),
            started: Instant::now(),
        }
    }

    /// Waits until everything sent so far is delivered, while there is no fault.
    #[track_caller]
    pub fn catch_up(&mut self) {
        catch_up(&self.progress, &mut self.workers, recovery());
    }

    /// Waits until everything sent so far is delivered, after a fault that has just ended. Records
    /// and returns how long that took.
    #[track_caller]
    pub fn recover(&mut self) -> Duration {
        let took = catch_up(&self.progress, &mut self.workers, recovery());
        self.recoveries.push(took);
        took
    }

    /// Returns the running workers.
    pub fn workers(&self) -> &[LiveWorker] {
        &self.workers
    }

    /// Returns the number of events sent so far.
    pub fn sent(&self) -> u64 {
        self.load.sent()
    }

    /// Waits until every running worker has partitions, and all partitions have a worker.
    #[track_caller]
    pub fn wait_until_all_read(&self) {
        eventually("every worker has partitions", || {
            let of_each: Vec<u64> = self.workers.iter().map(LiveWorker::partitions).collect();
            of_each.iter().all(|count| *count > 0)
                && of_each.iter().sum::<u64>() == u64::from(PARTITIONS.unsigned_abs())
        });
    }

    /// Starts another worker.
    pub fn add_worker(&mut self) {
        self.workers.push(LiveWorker::ready(self.fixture));
    }

    /// Stops the oldest worker.
    #[track_caller]
    pub fn stop_oldest_worker(&mut self) {
        let oldest = self.workers.remove(0);
        self.totals.add(oldest.stop());
    }

    /// Stops the newest worker.
    #[track_caller]
    pub fn stop_newest_worker(&mut self) {
        let last = self.workers.pop().unwrap();
        self.totals.add(last.stop());
    }

    /// Returns how often partitions were assigned to the running workers.
    pub fn rebalances(&self) -> u64 {
        self.workers.iter().map(|worker| worker.metric("lethe_rebalances_total")).sum()
    }

    /// Delivers the rest, stops the workers, and compares every place with the model. Prints
    /// `name`, `what` happened, and the figures.
    #[track_caller]
    pub fn finish(mut self, name: &str, what: &str) {
        let events = self.load.finish();
        catch_up(&self.progress, &mut self.workers, REST);
        let took = self.started.elapsed();
        for worker in self.workers {
            self.totals.add(worker.stop());
        }
        let WorkerTotals { sent_again, peak, stop, workers, .. } = self.totals;
        assert!(self.totals.events >= events, "{} events delivered of {events}", self.totals.events);
        let read_again = self.totals.events - events;
        let expected = Expected::of(self.fixture);
        assert_eq!(expected.judged().len() as u64, events, "the source holds what was sent, once");
        // Fails if a store lacks an event, or has one twice or a wrong one.
        let repeated = expected.check();
        // The topic has a record twice if its event was read again, if a producer sent it again, or
        // if the source repeats it while the ids of earlier events are read again.
        let repetitions = expected.count(|verdict| *verdict == Verdict::Duplicate);
        let explained = read_again + sent_again;
        let unexplained = (repeated.output as u64).saturating_sub(explained);
        assert!(
            unexplained <= if self.totals.workers > 1 { repetitions } else { 0 },
            "{repeated:?}, {explained} explained"
        );
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
fn catch_up(progress: &GroupProgress, workers: &mut [LiveWorker], bound: Duration) -> Duration {
    progress.caught_up(bound, || workers.iter_mut().for_each(LiveWorker::assert_running)).unwrap_or_else(|behind| {
        let logs: Vec<String> = workers.iter().map(LiveWorker::log_tail).collect();
        panic!("{behind}; logs of the workers: {}", logs.join("\n---\n"))
    })
}
