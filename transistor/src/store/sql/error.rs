//! What a database's failure means for whoever asked.

use sqlx::Error;

use super::SqlError;
use crate::store::StoreError;

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Damaged(what) => Self::Damaged(what),
            SqlError::Database(error) => from_database(error),
        }
    }
}

pub(in crate::store) fn from_database(error: Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    let unreachable = matches!(
        error,
        Error::Io(_) | Error::Tls(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed
    );
    match code.as_deref() {
        _ if unreachable => StoreError::Unavailable(error.into()),
        Some(code) if is_full(code) => StoreError::Full(error.into()),
        Some(code) if is_away(code) => StoreError::Unavailable(error.into()),
        _ => StoreError::Failed(error.into()),
    }
}

/// `SQLITE_FULL`; `disk_full` and `out_of_memory` of `PostgreSQL`.
fn is_full(code: &str) -> bool {
    matches!(code, "13" | "53100" | "53200")
}

/// `SQLITE_BUSY` with its extended forms; of `PostgreSQL`: no connection (08), too many (53300), being shut down or
/// starting up (57P0x), a statement that took too long (57014), read-only since it is a standby (25006).
fn is_away(code: &str) -> bool {
    let sqlite = code.parse::<u32>().is_ok_and(|code| code < 10_000 && code & 0xff == 5);
    sqlite || code.starts_with("08") || code.starts_with("57P") || matches!(code, "53300" | "57014" | "25006")
}

/// Whether a transaction of PostgreSQL lost against another one and may be run again: a serialisation failure, a
/// deadlock, or a row that somebody else inserted first.
pub(in crate::store) fn lost_a_race(error: &SqlError) -> bool {
    let SqlError::Database(Error::Database(error)) = error else { return false };
    matches!(error.code().as_deref(), Some("40001" | "40P01" | "23505"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_told_apart() {
        assert!(is_full("13") && is_full("53100") && !is_full("5"));
        for away in ["5", "261", "08006", "57P01", "57014"] {
            assert!(is_away(away), "{away}");
        }
        for failed in ["11", "42P01", "23505", "40005"] {
            assert!(!is_away(failed), "{failed}");
        }
    }
}
