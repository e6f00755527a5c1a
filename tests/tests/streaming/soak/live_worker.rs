//! A worker that runs until it is stopped: its status, its metrics and its memory.

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
    pipeline_fixture::PipelineFixture,
    soak::soak_servers::ports,
    topics::{eventually, within},
};

/// The longest time of a stop.
pub const STOP: Duration = Duration::from_secs(10);
/// The longest time until a worker is ready: its stores may be starting.
const READY: Duration = Duration::from_secs(60);

/// A running worker of a pipeline. It is killed when it is dropped.
pub struct LiveWorker {
    child: Child,
    port: u16,
    log: PathBuf,
    output: PathBuf,
}

/// Figures of one or several workers that have ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerTotals {
    /// Events that they delivered.
    pub events: u64,
    /// Records that they sent to an output topic again because the first acknowledgement was lost.
    pub sent_again: u64,
    /// The most memory that one of them took, in MiB.
    pub peak: u64,
    /// The longest stop.
    pub stop: Duration,
    /// Number of workers.
    pub workers: u64,
}

impl WorkerTotals {
    /// Adds the figures of another.
    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.sent_again += other.sent_again;
        self.peak = self.peak.max(other.peak);
        self.stop = self.stop.max(other.stop);
        self.workers += other.workers;
    }
}

impl LiveWorker {
    /// Starts a worker.
    pub fn start(fixture: &PipelineFixture) -> Self {
        let port = ports(1);
        let (log, output) =
            (fixture.folder.file(&format!("{port}.log")), fixture.folder.file(&format!("{port}.output")));
        let address = format!("127.0.0.1:{port}");
        let mut command =
            fixture.folder.worker(&["run", "-f", ".", "--join", "--quiet", "--output", "json", "--listen", &address]);
        command.stdout(File::create(&output).unwrap()).stderr(File::create(&log).unwrap()).stdin(Stdio::null());
        Self { child: command.spawn().unwrap(), port, log, output }
    }

    /// Starts a worker and waits until it is ready: its group has assigned its partitions, if any.
    pub fn ready(fixture: &PipelineFixture) -> Self {
        let mut worker = Self::start(fixture);
        within(READY, "the worker reads", || {
            worker.assert_running();
            worker.http_get("/readyz").is_some_and(|(code, _)| code == 200)
        });
        worker
    }

    /// Requests a page. Returns the status code and the body, or `None` if there is no response.
    pub fn http_get(&self, page: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {page} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Returns its `/status`.
    #[track_caller]
    pub fn status(&self) -> Value {
        let (_, body) = self.http_get("/status").unwrap_or_else(|| panic!("no status; its log: {}", self.log_tail()));
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}"))
    }

    /// Returns the sum of the series of a metric.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        let (_, body) = self.http_get("/metrics").unwrap_or_else(|| panic!("no metrics; its log: {}", self.log_tail()));
        let series =
            body.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64).sum()
    }

    /// Returns since when it waits for the sink or store of this name, or `None` if it does not
    /// wait.
    pub fn stalled_since(&self, store: &str) -> Option<String> {
        let status = self.status();
        let all = [&status["sinks"], &status["stores"]].into_iter().flat_map(|list| list.as_array().unwrap());
        let of = all.into_iter().find(|one| one["name"] == store).unwrap_or_else(|| panic!("no {store}: {status}"));
        of["stalledSince"].as_str().map(str::to_owned)
    }

    /// Returns the number of its partitions.
    pub fn partitions(&self) -> u64 {
        self.status()["source"]["total"].as_u64().unwrap()
    }

    /// Returns its peak memory so far in MiB.
    #[track_caller]
    pub fn peak(&self) -> u64 {
        let peak = memory(self.child.id(), Memory::Peak);
        peak.unwrap_or_else(|| panic!("it has ended; its log: {}", self.log_tail()))
    }

    /// Returns the last lines of its log.
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Fails the test if it has ended.
    #[track_caller]
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("it ended by itself, {status}; its log: {}", self.log_tail());
        }
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", "kill -$1 $0", &self.child.id().to_string(), name]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends SIGTERM and waits for the end. Returns its figures.
    #[track_caller]
    pub fn stop(mut self) -> WorkerTotals {
        self.assert_running();
        let (peak, sent_again) = (self.peak(), self.metric("lethe_output_duplicates_possible_total"));
        let started = Instant::now();
        self.signal("TERM");
        let ended = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < STOP, "it still stops after {STOP:?}; its log: {}", self.log_tail());
            std::thread::sleep(Duration::from_millis(5));
        };
        let stop = started.elapsed();
        assert!(ended.success(), "{ended}; its log: {}", self.log_tail());
        let report: Value = serde_json::from_slice(&fs::read(&self.output).unwrap()).unwrap();
        let events = report["counts"]["events"].as_u64().unwrap();
        WorkerTotals { events, sent_again, peak, stop, workers: 1 }
    }

    /// Waits until it waits for one of these stores. Returns which, and for how many milliseconds.
    #[track_caller]
    pub fn wait_until_stalled(&self, stores: &[&'static str]) -> (&'static str, i64) {
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

impl Drop for LiveWorker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
