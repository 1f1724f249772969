//! How the store fails.

use std::io::ErrorKind;

use rusqlite::ErrorCode;
use thiserror::Error;

use super::Table;

/// Why the store could not be opened, read or written. None of these carries content of a row.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key is not the one this store was made with (the caller's fault).
    #[error("this is not the key of the store")]
    WrongKey,
    /// A later version wrote the file; nothing was changed.
    #[error("the store has format {found}, this version knows up to {supported}")]
    NewerFormat {
        /// Format of the file.
        found: u32,
        /// Newest format known here.
        supported: u32,
    },
    /// The file is no database, or another program's.
    #[error("the file is not a store of this program")]
    NotAStore,
    /// The file is damaged: cut short, overwritten, or without something it must have.
    #[error("the store is damaged")]
    Damaged,
    /// A row does not authenticate: it was changed, or moved from where it was written.
    #[error("a row of `{0}` was altered or moved")]
    Tampered(Table),
    /// Something else stands where bytes were to be added, and what is there is never replaced.
    #[error("`{table}` already holds something else at position {position}")]
    Conflict {
        /// The table.
        table: Table,
        /// The position.
        position: u64,
    },
    /// More bytes than one row takes (the caller's fault).
    #[error("{len} bytes are too many for one row, the limit is {max}")]
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes possible.
        max: usize,
    },
    /// A position of 2^63 or more (the fault of whoever counted so far).
    #[error("position {0} is out of range")]
    OutOfRange(u64),
    /// Another process kept the store locked for too long; nothing was changed, trying again helps.
    #[error("another process keeps the store busy")]
    Busy,
    /// The file system lacks the shared memory that several processes need to use one store.
    #[error("the file system cannot hold a store: it gives no shared memory")]
    Unsuitable,
    /// The disk is full; the transaction was undone.
    #[error("no space is left for the store")]
    Full,
    /// A statement of this transaction failed earlier, the failure was passed over, and so the whole was undone.
    #[error("the transaction was undone because a part of it failed")]
    Undone,
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
    /// A folder or file beside the database could not be made, opened or locked.
    #[error("the store's files are not accessible")]
    Files(#[source] std::io::Error),
    /// The database engine failed in a way that has no name above.
    #[error("the database engine failed")]
    Engine(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotAStore,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::TypeMismatch) => Self::Damaged,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            None if is_about_content(&error) => Self::Damaged,
            Some(_) | None => Self::Engine(error),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            Self::Full
        } else {
            Self::Files(error)
        }
    }
}

/// What a column holds, or that a row is there at all, is up to the file.
const fn is_about_content(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows, Utf8Error,
    };

    matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | QueryReturnedNoRows
            | Utf8Error(..)
    )
}
