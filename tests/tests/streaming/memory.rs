//! What memory a process takes, as the kernel tells it.

use std::fs;

/// Which figure of `/proc/<pid>/status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// What it has in use now.
    Resident,
    /// The most that it has had in use.
    Peak,
}

/// In MiB, rounded up; `None` of a process that has ended.
pub fn memory(pid: u32, which: Memory) -> Option<u64> {
    let name = match which {
        Memory::Resident => "VmRSS:",
        Memory::Peak => "VmHWM:",
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()?.div_ceil(1024))
}
