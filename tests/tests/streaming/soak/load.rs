//! A load of events at a steady rate, whatever happens to its consumers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lethe_generate::{GenerateOptions, Generator, Record};
use lethe_stores::kafka::Feeder;

use crate::pipeline_fixture::PipelineFixture;
use lethe_tests::folder::mixed_events;

/// More events than any scenario sends. Event times depend on the length of the stream.
const ENOUGH: u64 = 400_000;

/// A thread that sends events to the source topic.
pub struct Load {
    done: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    least: u64,
    thread: JoinHandle<u64>,
}

impl Load {
    /// Sends so many events as fast as possible.
    pub fn all(fixture: &PipelineFixture, events: u64) -> Self {
        Self::of(fixture, 1, events, true)
    }

    /// Sends `rate` events a second until [`Self::finish`], and `least` events at least.
    pub fn start(fixture: &PipelineFixture, rate: u64, least: u64) -> Self {
        Self::of(fixture, rate, least, false)
    }

    fn of(fixture: &PipelineFixture, rate: u64, least: u64, done: bool) -> Self {
        let feeder = fixture.block_on(Feeder::connect(&fixture.connection(), &fixture.source())).unwrap();
        let options = GenerateOptions { subjects: (least / 25).max(50), ..mixed_events(ENOUGH, 11) };
        let (done, sent) = (Arc::new(AtomicBool::new(done)), Arc::new(AtomicU64::new(0)));
        let thread = thread::spawn({
            let (done, sent) = (Arc::clone(&done), Arc::clone(&sent));
            move || pour(feeder, options, rate, least, &done, &sent)
        });
        Self { done, sent, least, thread }
    }

    /// Returns the number of events sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends what the least number lacks. Returns the number of events.
    #[track_caller]
    pub fn finish(self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        let sent = self.thread.join().expect("brokers acknowledge every event");
        assert!((self.least..ENOUGH).contains(&sent), "{sent} events were sent");
        sent
    }
}

fn pour(
    mut feeder: Feeder,
    options: GenerateOptions,
    rate: u64,
    least: u64,
    done: &AtomicBool,
    sent: &AtomicU64,
) -> u64 {
    let mut generator = Generator::new(options).unwrap();
    let mut record = Record::default();
    let started = Instant::now();
    for number in 0.. {
        let due = Duration::from_secs_f64(number as f64 / rate as f64);
        while !done.load(Ordering::Relaxed) && started.elapsed() < due {
            thread::sleep(Duration::from_millis(2));
        }
        if done.load(Ordering::Relaxed) && number >= least {
            break;
        }
        assert!(generator.next_record(&mut record), "the stream is at its end");
        feeder.send(Some(&record.key), Some(&record.value), record.timestamp).unwrap();
        sent.fetch_add(1, Ordering::Relaxed);
    }
    feeder.finish().unwrap()
}
