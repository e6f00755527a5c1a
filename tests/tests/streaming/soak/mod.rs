//! The long faults: what becomes of a pipeline under load whose workers, servers and connections fail,
//! again and again. Each scenario is held against the model, and says its figures in a line.
//!
//! `make soak` sets `LETHE_SOAK=1`: more events, more faults. What it printed lies in `docs/ledger.md`.

use std::time::Duration;

pub mod gauge;
mod house;
mod load;
mod nameless;
mod network;
mod servers;
mod trial;
pub mod worker;
mod workers;

/// Within so long after a fault has ended, everything that came until then is delivered. Tests run beside
/// others, on a machine that may have two cores; what is promised is what a soak, which runs alone, holds.
pub fn recovery() -> Duration {
    scale(Duration::from_secs(60), Duration::from_secs(30))
}

/// How much is done of a scenario: a little, or what `make soak` asks for.
pub fn scale<T>(little: T, soak: T) -> T {
    if std::env::var_os("LETHE_SOAK").is_some() { soak } else { little }
}
