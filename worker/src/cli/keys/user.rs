//! The user that runs a command, for audit records.

/// Returns the user of the operating system, as `name (uid 1000)`.
pub(super) fn current_user() -> String {
    let named = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let named = named.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    // The name comes from the environment and can be forged; the uid can't.
    match uid() {
        Some(uid) => format!("{named} (uid {uid})"),
        None => named,
    }
}

/// Returns the effective user id, which owns the process.
fn uid() -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").ok().map(|process| process.uid())
    }
    #[cfg(not(unix))]
    None
}
