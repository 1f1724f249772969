//! Records in a `SQLite` file, for one machine.
//!
//! All writing is done by one task on one connection, which puts whatever waits into one transaction: a transaction costs
//! a flush of the disk, and flushes are what a store of small drops is limited by. Erased bytes are overwritten
//! (`secure_delete`), and the journal beside the file, which still holds them, is cut soon after
//! ([`Store::scrub`]).

mod life;
mod writer;

use std::{fmt, path::Path, time::Duration};

use async_trait::async_trait;
use drop_state::{BodyId, Command, DropId, Millis, Refusal, TokenHash, View};
use sqlx::{
    ConnectOptions as _, SqlitePool,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    },
};

use self::writer::Writer;
use super::{
    Applied, Copy, Opened, Parts, Payload, Store, StoreError, Usage, migrate,
    sql::{self, Link, from_database},
};

const MIGRATIONS: &[(&str, &str)] = &[("drops", include_str!("../../migrations/sqlite/0001_drops.sql"))];
/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(5);
/// Connections for questions that change nothing.
const READERS: u32 = 2;

/// A store in one file and its journal.
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl SqliteStore {
    /// Opens the file, making it and its tables if they are not there. Its folder must exist. Erases everything if the
    /// file is an older one than was open here last, or if `discard` says so.
    ///
    /// Must be called within a tokio runtime, on which the writing task is started.
    ///
    /// # Errors
    /// [`StoreError`]; also for a file of a later version.
    pub async fn open(file: &Path, discard: bool) -> Result<Opened<Self>, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .pragma("temp_store", "MEMORY")
            .pragma("trusted_schema", "OFF")
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(from_database)?;
        migrate::migrator(MIGRATIONS)
            .run(&mut connection)
            .await
            .map_err(|error| StoreError::Failed(error.into()))?;
        let (life, discarded) = life::begin(&mut connection, file, discard).await?;
        let id = sql::store_id(&mut Link::Sqlite(&mut connection)).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await
            .map_err(from_database)?;
        Ok(Opened { store: Self { writer: Writer::start(connection, life), readers }, id, discarded })
    }
}

macro_rules! read {
    ($self:ident, $question:ident $(, $argument:expr)*) => {{
        let mut connection = $self.readers.acquire().await.map_err(from_database)?;
        Ok(sql::$question(&mut Link::Sqlite(&mut connection) $(, $argument)*).await?)
    }};
}

#[async_trait]
impl Store for SqliteStore {
    async fn apply(
        &self,
        id: DropId,
        command: Command,
        payload: Payload,
        now: Millis,
    ) -> Result<Applied, StoreError> {
        self.writer.change(id, command, payload, now).await
    }

    async fn share(
        &self,
        of: DropId,
        deleter: TokenHash,
        copies: Vec<Copy>,
        now: Millis,
    ) -> Result<Result<View, Refusal>, StoreError> {
        self.writer.share(of, deleter, copies, now).await
    }

    async fn by_upload(&self, upload: TokenHash) -> Result<Option<DropId>, StoreError> {
        read!(self, by_upload, &upload)
    }

    async fn parts(&self, body: BodyId) -> Result<Option<Parts>, StoreError> {
        read!(self, parts, &body)
    }

    async fn due(&self, now: Millis, limit: u32) -> Result<Vec<DropId>, StoreError> {
        read!(self, due, now, limit)
    }

    async fn to_erase(&self, limit: u32) -> Result<Vec<BodyId>, StoreError> {
        read!(self, to_erase, limit)
    }

    async fn erased(&self, body: BodyId) -> Result<(), StoreError> {
        self.writer.erased(body).await
    }

    async fn unknown(&self, bodies: &[BodyId]) -> Result<Vec<BodyId>, StoreError> {
        read!(self, unknown, bodies)
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        read!(self, usage)
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.writer.scrub().await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
