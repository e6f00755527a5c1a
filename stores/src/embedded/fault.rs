//! What goes wrong in SQLite, told without a value.

use rusqlite::{ErrorCode, ffi};

use crate::StoreError;

/// A failure inside a piece of work on the connection, before it is known of which store.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite said no.
    #[error("sqlite failed")]
    Sqlite(#[from] rusqlite::Error),
    /// What is there is not what was declared.
    #[error("{0}")]
    Mismatch(String),
    /// What is there can't be used, or what was passed can't be written.
    #[error("{0}")]
    Failed(String),
}

impl Fault {
    /// The same, as an answer of the store `store`.
    pub(super) fn at(self, store: &str) -> StoreError {
        let store = store.to_owned();
        match self {
            Fault::Mismatch(message) => StoreError::Mismatch { store, message },
            Fault::Failed(message) => StoreError::Failed { store, message },
            Fault::Sqlite(error) => of_sqlite(store, &error),
        }
    }
}

/// SQLite's own messages can quote SQL and, from some versions on, values; its codes never do.
fn of_sqlite(store: String, error: &rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        let message = match error {
            rusqlite::Error::QueryReturnedNoRows => "a row that must be there is missing",
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => "a column of Lethe's own tables holds another type",
            rusqlite::Error::SqlInputError { .. } => "a statement does not fit the tables of this file",
            _ => "SQLite could not carry out a statement",
        };
        return StoreError::Failed { store, message: message.to_owned() };
    };
    let unavailable = |message: &str| StoreError::Unavailable { store: store.clone(), message: message.to_owned() };
    let failed = |message: &str| StoreError::Failed { store: store.clone(), message: message.to_owned() };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            unavailable("the file is locked by another process; end it or wait")
        }
        ErrorCode::DiskFull => unavailable("the disk is full; free some space"),
        ErrorCode::OutOfMemory => unavailable("out of memory"),
        ErrorCode::ReadOnly => failed("the file or its directory is read-only; make both writable for this user"),
        ErrorCode::PermissionDenied => failed("this user may not open the file"),
        ErrorCode::CannotOpen => failed("the file can't be opened"),
        ErrorCode::DatabaseCorrupt => failed("the file is damaged; restore it from a backup"),
        ErrorCode::NotADatabase => StoreError::Mismatch {
            message: "the file is no SQLite database; name another path, or move that file away".to_owned(),
            store,
        },
        _ => failed(&format!("{} (SQLite code {})", ffi::code_to_str(failure.extended_code), failure.extended_code)),
    }
}
