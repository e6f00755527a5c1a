//! A worker that runs until it is told to stop: what it says of itself, and what it takes.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    memory::{Memory, memory},
    soak::house::ports,
    stage::Stage,
    topics::{eventually, within},
};

/// What a stop may take.
pub const STOP: Duration = Duration::from_secs(10);
/// How long a worker may take until it reads: its stores may be starting.
const READY: Duration = Duration::from_secs(60);

/// A worker in its pipeline's group. Whoever drops it kills it.
pub struct Worker {
    child: Child,
    port: u16,
    log: PathBuf,
    answer: PathBuf,
}

/// What is known of workers that have ended, or of one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past {
    /// Events they delivered.
    pub events: u64,
    /// Records that they sent to an output topic once more, because nobody knew whether it has them.
    pub sent_again: u64,
    /// The most memory that one of them took, in MiB.
    pub peak: u64,
    /// The longest stop.
    pub stop: Duration,
    /// How many they were.
    pub workers: u64,
}

impl Past {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.sent_again += other.sent_again;
        self.peak = self.peak.max(other.peak);
        self.stop = self.stop.max(other.stop);
        self.workers += other.workers;
    }
}

impl Worker {
    /// Starts one.
    pub fn start(stage: &Stage) -> Self {
        let port = ports(1);
        let (log, answer) = (stage.folder.file(&format!("{port}.log")), stage.folder.file(&format!("{port}.answer")));
        let address = format!("127.0.0.1:{port}");
        let mut command =
            stage.folder.worker(&["run", "-f", ".", "--join", "--quiet", "--output", "json", "--listen", &address]);
        command.stdout(File::create(&answer).unwrap()).stderr(File::create(&log).unwrap()).stdin(Stdio::null());
        Self { child: command.spawn().unwrap(), port, log, answer }
    }

    /// Starts one, and waits until the group has given it partitions, or none.
    pub fn ready(stage: &Stage) -> Self {
        let mut worker = Self::start(stage);
        within(READY, "the worker reads", || {
            worker.lives();
            worker.ask("/readyz").is_some_and(|(code, _)| code == 200)
        });
        worker
    }

    /// Asks for a page: its code, and what it says.
    pub fn ask(&self, page: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {page} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Its `/status`.
    #[track_caller]
    pub fn status(&self) -> Value {
        let (_, body) = self.ask("/status").unwrap_or_else(|| panic!("no status; it said: {}", self.said()));
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}"))
    }

    /// The sum of the series of a metric.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        let (_, body) = self.ask("/metrics").unwrap_or_else(|| panic!("no metrics; it said: {}", self.said()));
        let series =
            body.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64).sum()
    }

    /// Since when it waits for a store of this name; `None` where it doesn't.
    pub fn stalled_since(&self, store: &str) -> Option<String> {
        let status = self.status();
        let all = [&status["sinks"], &status["stores"]].into_iter().flat_map(|list| list.as_array().unwrap());
        let of = all.into_iter().find(|one| one["name"] == store).unwrap_or_else(|| panic!("no {store}: {status}"));
        of["stalledSince"].as_str().map(str::to_owned)
    }

    /// How many partitions it reads.
    pub fn partitions(&self) -> u64 {
        self.status()["source"]["total"].as_u64().unwrap()
    }

    /// The most memory that it has taken so far, in MiB.
    #[track_caller]
    pub fn peak(&self) -> u64 {
        let peak = memory(self.child.id(), Memory::Peak);
        peak.unwrap_or_else(|| panic!("it has ended; it said: {}", self.said()))
    }

    /// What it said about its work: the end of it.
    pub fn said(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Fails the test if it has ended.
    #[track_caller]
    pub fn lives(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("it ended by itself, {status}; it said: {}", self.said());
        }
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let told = Command::new("sh").args(["-c", "kill -$1 $0", &self.child.id().to_string(), name]).status();
        assert!(told.unwrap().success());
    }

    /// Tells it to stop, waits for that, and says what it did.
    #[track_caller]
    pub fn stop(mut self) -> Past {
        self.lives();
        let (peak, sent_again) = (self.peak(), self.metric("lethe_output_duplicates_possible_total"));
        let started = Instant::now();
        self.signal("TERM");
        let ended = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < STOP, "it still stops after {STOP:?}; it said: {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        };
        let stop = started.elapsed();
        assert!(ended.success(), "{ended}; it said: {}", self.said());
        let answer: Value = serde_json::from_slice(&fs::read(&self.answer).unwrap()).unwrap();
        let events = answer["counts"]["events"].as_u64().unwrap();
        Past { events, sent_again, peak, stop, workers: 1 }
    }

    /// Waits until it waits for one of these stores; answers which, and for how many milliseconds it has.
    #[track_caller]
    pub fn waits_for(&self, stores: &[&'static str]) -> (&'static str, i64) {
        let mut found = None;
        eventually(&format!("it waits for one of {stores:?}"), || {
            found = stores.iter().find_map(|store| Some((*store, self.stalled_since(store)?)));
            found.is_some()
        });
        let (store, since) = found.unwrap();
        let since: jiff::Timestamp = since.parse().unwrap();
        assert_eq!(self.status()["state"], "Stalled", "{store}");
        (store, jiff::Timestamp::now().as_millisecond() - since.as_millisecond())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
