//! Events that come at their own pace, whatever happens to whoever reads them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lethe_stores::kafka::Feeder;
use lethe_worker::generate::{GenerateOptions, Generator, Record};

use crate::{folder::troubled, stage::Stage};

/// More than any scenario sends: a stream has an end, and its times lie before it.
const ENOUGH: u64 = 400_000;

/// A thread that sends events to the source.
pub struct Load {
    done: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    least: u64,
    thread: JoinHandle<u64>,
}

impl Load {
    /// Sends so many events as fast as it can.
    pub fn all(stage: &Stage, events: u64) -> Self {
        Self::of(stage, 1, events, true)
    }

    /// Starts to send, so many events a second, until it is told to finish; in the end there are `least`
    /// at least.
    pub fn start(stage: &Stage, rate: u64, least: u64) -> Self {
        Self::of(stage, rate, least, false)
    }

    fn of(stage: &Stage, rate: u64, least: u64, done: bool) -> Self {
        let feeder = stage.wait(Feeder::connect(&stage.connection(), &stage.source())).unwrap();
        let options = GenerateOptions { subjects: (least / 25).max(50), ..troubled(ENOUGH, 11) };
        let (done, sent) = (Arc::new(AtomicBool::new(done)), Arc::new(AtomicU64::new(0)));
        let thread = thread::spawn({
            let (done, sent) = (Arc::clone(&done), Arc::clone(&sent));
            move || pour(feeder, options, rate, least, &done, &sent)
        });
        Self { done, sent, least, thread }
    }

    /// How many were sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends what is missing of the least, and answers how many there are.
    #[track_caller]
    pub fn finish(self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        let sent = self.thread.join().expect("brokers took what was sent");
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
