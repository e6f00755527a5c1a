//! Errors of files.

use std::{fmt::Display, io};

use crate::{ErrorKind, StoreError, file::STORE};

/// Returns an error for files that differ from what was declared.
pub(super) fn mismatch(message: impl Into<String>) -> StoreError {
    error(ErrorKind::Mismatch, message)
}

/// Returns an error for a file that can't be read or written. An error of the operating system
/// names no data.
pub(super) fn failed(doing: impl Display, error: &io::Error) -> StoreError {
    self::error(kind(error.kind()), format!("failed to {doing}: {error}"))
}

/// Returns an error of a kind.
pub(super) fn error(kind: ErrorKind, message: impl Into<String>) -> StoreError {
    StoreError::new(kind, STORE, message)
}

/// Only a full disk is transient, because someone frees space.
const fn kind(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Busy,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Rights,
        _ => ErrorKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_passes_by_itself_and_a_missing_right_does_not() {
        let of = |kind: io::ErrorKind| failed("write x", &kind.into());
        assert_eq!(
            (of(io::ErrorKind::StorageFull).kind, of(io::ErrorKind::PermissionDenied).kind),
            (ErrorKind::Busy, ErrorKind::Rights)
        );
        assert!(!of(io::ErrorKind::NotFound).is_transient());
    }
}
