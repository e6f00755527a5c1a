//! Long runs under load while workers, servers and connections fail. Each scenario compares what
//! stores hold with the model, and prints its figures in one line.
//!
//! `make soak` sets `LETHE_SOAK=1`: more events, more faults. `docs/ledger.md` has its output.

use std::time::Duration;

pub mod group_progress;
pub mod live_worker;
mod load;
mod network;
mod no_brokers;
mod servers;
mod soak_run;
mod soak_servers;
mod workers;

/// Returns the longest time from the end of a fault until everything sent before it is delivered.
/// The promised time is that of a soak, which runs alone. The short form runs beside other tests,
/// and may have two cores.
pub fn recovery() -> Duration {
    scale(Duration::from_secs(60), Duration::from_secs(30))
}

/// Returns `short`, or `soak` if `LETHE_SOAK` is set.
pub fn scale<T>(short: T, soak: T) -> T {
    if is_soak() { soak } else { short }
}

/// Returns whether `LETHE_SOAK` is set.
pub fn is_soak() -> bool {
    std::env::var_os("LETHE_SOAK").is_some()
}
