//! A connection to either database, and values in and out of it.
//!
//! Both speak the same SQL as far as it is used here; what differs is two enums wide, so that whoever reads a statement
//! reads it once.

use drop_state::DropId;
use sqlx::{PgConnection, Row as _, SqliteConnection, postgres::PgRow, sqlite::SqliteRow};
use thiserror::Error;

/// A statement did not do what it was to.
#[derive(Debug, Error)]
pub(in crate::store) enum SqlError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    Damaged(&'static str),
}

/// A value for a statement.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) enum Value {
    Int(i64),
    MaybeInt(Option<i64>),
    Bytes(Vec<u8>),
    MaybeBytes(Option<Vec<u8>>),
}

impl Value {
    pub(in crate::store) fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }

    /// A number of bytes, drops or milliseconds. Both databases count to 2^63.
    pub(in crate::store) fn count(count: u64) -> Result<Self, SqlError> {
        i64::try_from(count).map(Self::Int).map_err(|_| SqlError::Damaged("a number is too large"))
    }
}

/// A connection, in a transaction or not.
pub(in crate::store) enum Link<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

macro_rules! bound {
    ($sql:expr, $values:expr) => {
        $values.iter().cloned().fold(sqlx::query($sql), |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::MaybeInt(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::MaybeBytes(value) => query.bind(value),
        })
    };
}

impl Link<'_> {
    /// Runs a statement; how many rows it changed.
    pub(in crate::store) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<u64, SqlError> {
        Ok(match self {
            Self::Sqlite(link) => bound!(sql, values).execute(&mut **link).await?.rows_affected(),
            Self::Postgres(link) => bound!(sql, values).execute(&mut **link).await?.rows_affected(),
        })
    }

    /// Asks for rows.
    pub(in crate::store) async fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Vec<Row>, SqlError> {
        Ok(match self {
            Self::Sqlite(link) => {
                let rows = bound!(sql, values).fetch_all(&mut **link).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(link) => {
                let rows = bound!(sql, values).fetch_all(&mut **link).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// What makes a `SELECT` keep others from the row until the transaction ends. `SQLite` has one writer anyway.
    pub(in crate::store) const fn locks_rows(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// A row that was answered.
pub(in crate::store) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! get {
    ($row:expr, $index:expr) => {
        match $row {
            Row::Sqlite(row) => row.try_get($index)?,
            Row::Postgres(row) => row.try_get($index)?,
        }
    };
}

impl Row {
    pub(in crate::store) fn int(&self, index: usize) -> Result<i64, SqlError> {
        Ok(get!(self, index))
    }

    pub(in crate::store) fn count(&self, index: usize) -> Result<u64, SqlError> {
        u64::try_from(self.int(index)?).map_err(|_| SqlError::Damaged("a number below zero"))
    }

    pub(in crate::store) fn maybe_count(&self, index: usize) -> Result<Option<u64>, SqlError> {
        let value: Option<i64> = get!(self, index);
        let count = |value| u64::try_from(value).map_err(|_| SqlError::Damaged("a number below zero"));
        value.map(count).transpose()
    }

    pub(in crate::store) fn bytes(&self, index: usize) -> Result<Vec<u8>, SqlError> {
        Ok(get!(self, index))
    }

    pub(in crate::store) fn array<const N: usize>(&self, index: usize) -> Result<[u8; N], SqlError> {
        self.bytes(index)?.try_into().map_err(|_| SqlError::Damaged("bytes of another length"))
    }

    pub(in crate::store) fn maybe_array<const N: usize>(
        &self,
        index: usize,
    ) -> Result<Option<[u8; N]>, SqlError> {
        let value: Option<Vec<u8>> = get!(self, index);
        let array =
            |value: Vec<u8>| value.try_into().map_err(|_| SqlError::Damaged("bytes of another length"));
        value.map(array).transpose()
    }

    pub(in crate::store) fn drop_id(&self, index: usize) -> Result<DropId, SqlError> {
        DropId::from_bytes(self.array(index)?).map_err(|_| SqlError::Damaged("an id of zeros"))
    }
}
