//! Time that goes on while a process is stopped and while a machine sleeps, and that nobody sets.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Since the machine started.
pub fn now() -> Duration {
    #[cfg(target_os = "linux")]
    let id = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let id = ClockId::Monotonic;
    let time = clock_gettime(id);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
