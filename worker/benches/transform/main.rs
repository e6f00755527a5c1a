//! Measures the cost of the transform: `cargo bench -p lethe-worker --bench transform`. It prints
//! figures, and asserts nothing.
//!
//! It uses one thread and no store. The same 600-byte account events are processed by Lethe's
//! engine and by the stack that a careful team would write first (peer.rs), alternately and several
//! times. It measures the thread's CPU time, so that other load has little influence, and takes the
//! best round.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod manifest;
mod ours;
mod peer;

use std::{fs, hint::black_box};

use lethe_generate::{GenerateOptions, Generator, Kind};

const EVENTS: u64 = 50_000;
const SUBJECTS: u64 = 5_000;
const ROUNDS: usize = 7;

/// The events in one buffer, and the end of each.
pub(crate) struct Events {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Events {
    fn new() -> Self {
        let options = GenerateOptions { subjects: SUBJECTS, ..GenerateOptions::new(Kind::Account, EVENTS) };
        let mut generator = Generator::new(options).unwrap();
        let mut events = Self { bytes: Vec::new(), ends: Vec::new() };
        while generator.next_into(&mut events.bytes) {
            events.ends.push(events.bytes.len());
        }
        events
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..end - 1])
    }
}

/// The result of one implementation.
struct Line {
    name: &'static str,
    /// CPU time of the best round, nanoseconds per event.
    nanos: f64,
    /// Allocations per event.
    allocations: f64,
    /// Bytes written per event.
    bytes: f64,
}

fn measure(name: &'static str, events: &Events, mut round: impl FnMut(&Events) -> usize) -> Line {
    round(events);
    let mut best = f64::INFINITY;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let before = cpu_nanos();
        bytes = black_box(round(events));
        best = best.min((cpu_nanos() - before) as f64);
    }
    let count = events.ends.len() as f64;
    let allocations = allocation_counter::measure(|| {
        black_box(round(events));
    });
    Line { name, nanos: best / count, allocations: allocations.count_total as f64 / count, bytes: bytes as f64 / count }
}

/// CPU time of this thread (Linux: /proc/thread-self/schedstat).
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Returns the peak memory of this process in MiB.
fn peak_mib() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn main() {
    let events = Events::new();
    let size = events.bytes.len() as f64 / events.ends.len() as f64;
    let mut ours = ours::Ours::new(1, &events);
    let mut three = ours::Ours::new(3, &events);
    let engine_peak = peak_mib();
    let mut peer = peer::Peer::new();
    let lines = [
        measure("Lethe, 1 sink", &events, |events| ours.run(events)),
        measure("Lethe, 3 sinks of 3 audiences", &events, |events| three.run(events)),
        measure("Lethe, reading only", &events, |events| ours.read(events)),
        measure("serde_json + jsonschema + regex", &events, |events| peer.run(events)),
        measure("serde_json, parse only", &events, |events| {
            events
                .iter()
                .map(|event| serde_json::from_slice::<serde_json::Value>(event).unwrap().is_object().into())
                .fold(0, |sum, one: u8| sum + usize::from(one))
        }),
    ];
    println!(
        "{} events of {size:.0} B about {SUBJECTS} subjects, all warm; one core; best of {ROUNDS} rounds\n",
        events.ends.len()
    );
    println!("| what | us/event | events/s/core | allocations/event | B out | times Lethe |");
    println!("|---|---|---|---|---|---|");
    for line in &lines {
        println!(
            "| {} | {:.2} | {:.0} | {:.2} | {:.0} | {:.2} |",
            line.name,
            line.nanos / 1000.0,
            1e9 / line.nanos,
            line.allocations,
            line.bytes,
            line.nanos / lines[0].nanos
        );
    }
    println!("\npeak memory with the events, the engine and its subjects: {engine_peak:.0} MiB");
}
