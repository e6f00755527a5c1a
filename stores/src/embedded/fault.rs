//! Converts SQLite's errors into faults without values.

use rusqlite::{ErrorCode, ffi};

use crate::{ErrorKind, Fault};

impl From<rusqlite::Error> for Fault {
    /// Uses SQLite's error code only. Its messages can quote SQL and, in some versions, values.
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => of_code(failure),
            rusqlite::Error::QueryReturnedNoRows => Self::internal("a row that must be there is missing"),
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => {
                Self::internal("a column of Lethe's own tables holds another type")
            }
            rusqlite::Error::SqlInputError { .. } => Self::internal("a statement does not fit the tables of this file"),
            _ => Self::internal("SQLite could not carry out a statement"),
        }
    }
}

fn of_code(failure: ffi::Error) -> Fault {
    let (kind, message) = match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            (ErrorKind::Busy, "the file is locked by another process; end it or wait")
        }
        ErrorCode::DiskFull => (ErrorKind::Busy, "the disk is full; free some space"),
        ErrorCode::OutOfMemory => (ErrorKind::Busy, "out of memory"),
        ErrorCode::ReadOnly => {
            (ErrorKind::Rights, "the file or its directory is read-only; make both writable for this user")
        }
        ErrorCode::PermissionDenied => (ErrorKind::Rights, "this user may not open the file"),
        ErrorCode::CannotOpen => (ErrorKind::Refused, "the file can't be opened"),
        ErrorCode::DatabaseCorrupt => (ErrorKind::Refused, "the file is damaged; restore it from a backup"),
        ErrorCode::NotADatabase => {
            (ErrorKind::Mismatch, "the file is no SQLite database; name another path, or move that file away")
        }
        _ => {
            let code = failure.extended_code;
            return Fault::new(ErrorKind::Refused, format!("{} (SQLite code {code})", ffi::code_to_str(code)));
        }
    };
    Fault::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_the_kind_and_the_message_of_sqlite_is_dropped() {
        for (code, kind) in [
            (ffi::SQLITE_BUSY, ErrorKind::Busy),
            (ffi::SQLITE_FULL, ErrorKind::Busy),
            (ffi::SQLITE_READONLY, ErrorKind::Rights),
            (ffi::SQLITE_CORRUPT, ErrorKind::Refused),
            (ffi::SQLITE_NOTADB, ErrorKind::Mismatch),
            (ffi::SQLITE_CONSTRAINT, ErrorKind::Refused),
        ] {
            let text = Some("near anna@example.com".to_owned());
            let fault = Fault::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), text));
            assert_eq!(fault.kind, kind, "{code}");
            assert!(!fault.message.contains("anna"), "{fault}");
        }
    }
}
