//! Costs of a running worker, and of work in this process.

use std::{
    fs,
    hint::black_box,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lethe_generate::{GenerateOptions, Generator, Kind};

use crate::pipelines::{BenchPipelines, Sinks};

/// Events that are generated to measure the speed of the machine.
const GENERATED: u64 = 2_000_000;

/// The cost of some work.
pub struct Cost {
    pub events: u64,
    /// CPU of the whole process, user and kernel.
    pub cpu: Duration,
    pub wall: Duration,
    pub peak_rss: Option<u64>,
}

impl Cost {
    pub fn micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.events as f64
    }

    pub fn rate(&self) -> f64 {
        self.events as f64 / self.wall.as_secs_f64()
    }
}

/// Returns the fields of `/proc/<pid>/stat` from the state on.
fn stat(of: &str) -> Vec<u64> {
    let stat = fs::read_to_string(format!("/proc/{of}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').map(|field| field.trim().parse().unwrap_or(0)).collect()
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}

/// Returns the CPU time of this process so far.
fn own_cpu() -> Duration {
    let stat = stat("self");
    ticks(stat[11] + stat[12])
}

/// Returns the CPU time of children that have ended, as getrusage(RUSAGE_CHILDREN).
fn children_cpu() -> Duration {
    let stat = stat("self");
    ticks(stat[13] + stat[14])
}

/// Returns the peak resident memory of a process in bytes.
fn peak_rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Measures work in this process.
pub fn of_this_process(events: u64, work: impl FnOnce()) -> Cost {
    let (cpu, begun) = (own_cpu(), Instant::now());
    work();
    Cost { events, cpu: own_cpu().saturating_sub(cpu), wall: begun.elapsed(), peak_rss: None }
}

/// Measures the generation of events that are written nowhere: the speed of the machine without
/// servers.
pub fn generator() -> Cost {
    let options = GenerateOptions { subjects: 5_000, ..GenerateOptions::new(Kind::Account, GENERATED) };
    let mut generator = Generator::new(options).unwrap();
    let mut event = Vec::new();
    of_this_process(GENERATED, || {
        while generator.next_into(&mut event) {
            black_box(&event);
            event.clear();
        }
    })
}

/// Measures a command to its end. Its standard output must be a report of `run`.
pub fn measure(command: &mut Command) -> Cost {
    let before = children_cpu();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    });
    let mut peak = None;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        peak = peak_rss(child.id()).or(peak);
        thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "the worker failed");
    let report: serde_json::Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    Cost {
        events: report["counts"]["events"].as_u64().unwrap(),
        cpu: children_cpu().saturating_sub(before),
        wall: Duration::from_secs_f64(report["seconds"].as_f64().unwrap()),
        peak_rss: peak,
    }
}

/// A running worker. It is killed when it is dropped.
pub struct Worker {
    child: Child,
    address: String,
}

impl Worker {
    pub fn serve(pipelines: &BenchPipelines, topic: &str, sinks: Sinks) -> Self {
        let mut child = pipelines
            .worker(topic, sinks)
            .args(["--listen", "127.0.0.1:0", "--log", "info"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map(Result::unwrap).find_map(|line| {
            let (_, after) = line.split_once("address=")?;
            Some(after.split_whitespace().next()?.to_owned())
        });
        let address = address.expect("its log has the address");
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn http_get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.http_get("/metrics").unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Waits until it has partitions.
    pub fn wait_until_ready(&self) {
        self.wait_until(|worker| worker.metric("lethe_assigned_partitions{") > 0.0);
    }

    /// Waits until so many events are delivered to every sink.
    pub fn wait_for_events(&self, events: u64) {
        self.wait_until(|worker| worker.metric("lethe_end_to_end_seconds_count{") >= events as f64);
    }

    fn wait_until(&self, is_met: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_met(self) {
            assert!(begun.elapsed() < Duration::from_secs(120), "the worker at {} does not advance", self.address);
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn quantiles(&self) -> Quantiles {
        let text = self.http_get("/metrics").unwrap();
        let buckets = text.lines().filter_map(|line| {
            let (_, rest) = line.strip_prefix("lethe_end_to_end_seconds_bucket{")?.split_once("le=\"")?;
            let (bound, count) = rest.split_once("\"} ")?;
            Some((bound.parse().unwrap_or(f64::INFINITY), count.parse().ok()?))
        });
        Quantiles(buckets.collect())
    }

    /// Stops it. Returns how long that took.
    pub fn stop(mut self) -> Duration {
        let begun = Instant::now();
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        assert!(self.child.wait().unwrap().success(), "the worker failed");
        begun.elapsed()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cumulative counts by upper bound in seconds.
pub struct Quantiles(Vec<(f64, f64)>);

impl Quantiles {
    /// Returns the counts between two reads.
    pub fn between(before: &Self, after: &Self) -> Self {
        Self(before.0.iter().zip(&after.0).map(|((bound, before), (_, after))| (*bound, after - before)).collect())
    }

    /// Quantiles in milliseconds, between the bounds of a bucket by its share.
    pub fn of<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        let all = self.0.last().map_or(0.0, |(_, count)| *count);
        assert!(all > 0.0, "nothing was recorded");
        quantiles.map(|quantile| {
            let rank = quantile * all;
            let at = self.0.iter().position(|(_, count)| *count >= rank).unwrap();
            let (low, below) = if at == 0 { (0.0, 0.0) } else { self.0[at - 1] };
            let (high, count) = self.0[at];
            (low + (high - low) * (rank - below) / (count - below)) * 1e3
        })
    }
}
