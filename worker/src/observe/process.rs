//! Metrics of the process, read from `/proc` when they are scraped. They are absent on systems
//! without `/proc`.

use std::{fmt::Error, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use super::metric_defs::{CPU, MetricDef, OPEN_FDS, RESIDENT, START_TIME};

/// Ticks per second in `/proc/self/stat`. The kernel's `USER_HZ` is 100 on all platforms that Lethe
/// is built for.
const TICKS: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process {
    /// Start time in seconds since 1970.
    pub(super) started: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_seconds) {
            put(&mut encoder, &CPU, &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes) {
            put(&mut encoder, &RESIDENT, &ConstGauge::new(bytes))?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory that is being read.
            put(&mut encoder, &OPEN_FDS, &ConstGauge::new(open.count().saturating_sub(1) as u64))?;
        }
        put(&mut encoder, &START_TIME, &ConstGauge::new(self.started))
    }
}

fn put(encoder: &mut DescriptorEncoder, def: &MetricDef, value: &impl EncodeMetric) -> Result<(), Error> {
    let metric = encoder.encode_descriptor(def.family(), def.meaning, None, value.metric_type())?;
    value.encode(metric)
}

/// Returns the time in user and kernel mode. The fields follow the program's name, which is in
/// parentheses and may contain any character.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_parsed_after_any_program_name() {
        let stat = "7 (a ) 1 2) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 1 0 99 1 1";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (short) S 1"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }
}
