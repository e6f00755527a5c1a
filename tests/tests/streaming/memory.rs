//! Memory of a process, as the kernel reports it.

use std::fs;

/// A figure of `/proc/<pid>/status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Its memory now.
    Resident,
    /// Its largest memory so far.
    Peak,
}

/// Returns the memory of a process in MiB, rounded up, or `None` if it has ended.
pub fn memory(pid: u32, which: Memory) -> Option<u64> {
    let name = match which {
        Memory::Resident => "VmRSS:",
        Memory::Peak => "VmHWM:",
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()?.div_ceil(1024))
}
