//! Records in `PostgreSQL`, for any number of processes on one database.
//!
//! The row of a drop is locked for the length of a transaction, so that commands on one drop happen one after the other
//! whichever process they come to. What is erased stays in the database's files until it is vacuumed, and in its
//! journal's archive for as long as that is kept: `PostgreSQL` offers nothing better.

use std::{fmt, str::FromStr as _, time::Duration};

use async_trait::async_trait;
use drop_state::{BodyId, Command, DropId, Millis, Refusal, TokenHash, View};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    Applied, Copy, Opened, Parts, Payload, Store, StoreError, Usage, migrate,
    sql::{self, Link, SqlError, from_database, lost_a_race},
};

const MIGRATIONS: &[(&str, &str)] = &[("drops", include_str!("../../migrations/postgres/0001_drops.sql"))];
/// How long a connection of the pool is waited for.
const ACQUIRE: Duration = Duration::from_secs(5);
/// Settings of each connection: nothing waits for longer than requests do, and what is acknowledged is on disk.
const SESSION: [(&str, &str); 4] = [
    ("statement_timeout", "10s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("synchronous_commit", "on"),
];
/// Tries of a transaction that loses against others.
const TRIES: u32 = 8;
/// Name of the lock under which processes that start at once decide whether the database was brought back: `"drops"`.
const LIFE_LOCK: i64 = 0x64_72_6f_70_73;

/// A store in a database.
pub struct PostgresStore {
    pool: PgPool,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresStore")
    }
}

impl PostgresStore {
    /// Connects, and makes the tables if they are not there. Erases everything if the database was brought back from a
    /// copy or its server replaced by a standby, as far as it tells, or if `discard` says so.
    ///
    /// `url` is `postgresql://user:password@host/database` with the options of libpq, `connections` the most there will
    /// be at a time.
    ///
    /// # Errors
    /// [`StoreError`]; also for a URL that is none and for tables of a later version.
    pub async fn open(url: &str, connections: u32, discard: bool) -> Result<Opened<Self>, StoreError> {
        let options = PgConnectOptions::from_str(url)
            // The error's text could quote the password.
            .map_err(|_| StoreError::Failed("the database's URL cannot be used".into()))?
            .application_name("transistor")
            .options(SESSION)
            .disable_statement_logging();
        // Before there is a pool, whose connections need the tables.
        let mut first = options.connect().await.map_err(from_database)?;
        let made = migrate::migrator(MIGRATIONS).run(&mut first).await;
        made.map_err(|error| StoreError::Failed(error.into()))?;
        let discarded = begin_life(&mut first, discard).await?;
        let id = sql::store_id(&mut Link::Postgres(&mut first)).await?;
        let _closed = first.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .after_connect(|connection, _| Box::pin(go_on(connection)))
            .connect_with(options)
            .await
            .map_err(from_database)?;
        Ok(Opened { store: Self { pool }, id, discarded })
    }
}

/// A database's life: its cluster's identifier, the timeline of its journal, and the table's own number. A restored
/// backup goes on on another timeline, a dump is read into another cluster or into a new table; a standby that was
/// promoted counts as well, since it may be behind.
const LIFE: &str = "SELECT convert_to(system_identifier::text || '/' \
                    || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/' \
                    || 'drops'::regclass::oid::text, 'UTF8') FROM pg_control_system()";

/// Looks at every new connection whether it leads to the same life: a standby may have taken over under a process that
/// runs, without the last of what the one before had acknowledged.
async fn go_on(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    match begin_life(connection, false).await {
        Ok(0) => Ok(()),
        Ok(drops) => {
            tracing::warn!(drops, "the database is another one than before: its drops were erased");
            Ok(())
        }
        Err(SqlError::Database(error)) => Err(error),
        Err(SqlError::Damaged(what)) => Err(sqlx::Error::Protocol(what.to_owned())),
    }
}

async fn begin_life(connection: &mut PgConnection, discard: bool) -> Result<u64, SqlError> {
    let mut transaction = connection.begin().await?;
    let mut link = Link::Postgres(&mut transaction);
    link.rows("SELECT pg_advisory_xact_lock($1)", &[sql::Value::Int(LIFE_LOCK)]).await?;
    let rows = link.rows(LIFE, &[]).await?;
    let now = rows.first().ok_or(SqlError::Damaged("no identifier of the cluster"))?.bytes(0)?;
    let before = sql::life(&mut link).await?;
    let restored = before.as_ref().is_some_and(|before| *before != now);
    let discarded = if restored || discard { sql::discard(&mut link).await? } else { 0 };
    if before.as_ref() != Some(&now) {
        sql::set_life(&mut link, &now).await?;
    }
    transaction.commit().await?;
    Ok(discarded)
}

macro_rules! read {
    ($self:ident, $question:ident $(, $argument:expr)*) => {{
        let mut connection = $self.pool.acquire().await.map_err(from_database)?;
        Ok(sql::$question(&mut Link::Postgres(&mut connection) $(, $argument)*).await?)
    }};
}

/// Runs a transaction again while it loses against others.
macro_rules! transact {
    ($self:ident, $link:ident => $work:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            let mut transaction = $self.pool.begin().await.map_err(from_database)?;
            let $link = &mut Link::Postgres(&mut transaction);
            let ended = match $work.await {
                Ok(done) => finish(transaction, done).await,
                Err(error) => Err(error),
            };
            match ended {
                Ok(done) => break Ok(done),
                Err(error) if lost_a_race(&error) && tries < TRIES => {}
                Err(error) => break Err(error.into()),
            }
        }
    }};
}

/// Something that may have to leave no trace.
trait Outcome {
    fn is_kept(&self) -> bool;
}

impl Outcome for Applied {
    fn is_kept(&self) -> bool {
        true
    }
}

impl Outcome for () {
    fn is_kept(&self) -> bool {
        true
    }
}

impl Outcome for Result<View, Refusal> {
    /// Half of the copies may be there.
    fn is_kept(&self) -> bool {
        self.is_ok()
    }
}

async fn finish<T: Outcome>(transaction: Transaction<'_, Postgres>, done: T) -> Result<T, SqlError> {
    if done.is_kept() {
        transaction.commit().await?
    } else {
        transaction.rollback().await?
    }
    Ok(done)
}

#[async_trait]
impl Store for PostgresStore {
    async fn apply(
        &self,
        id: DropId,
        command: Command,
        payload: Payload,
        now: Millis,
    ) -> Result<Applied, StoreError> {
        transact!(self, link => sql::change(link, &id, &command, &payload, now))
    }

    async fn share(
        &self,
        of: DropId,
        deleter: TokenHash,
        copies: Vec<Copy>,
        now: Millis,
    ) -> Result<Result<View, Refusal>, StoreError> {
        transact!(self, link => sql::share(link, &of, &deleter, &copies, now))
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
        transact!(self, link => sql::erased(link, &body))
    }

    async fn unknown(&self, bodies: &[BodyId]) -> Result<Vec<BodyId>, StoreError> {
        read!(self, unknown, bodies)
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        read!(self, usage)
    }

    /// Left to the database's own vacuuming, which its tables ask for early.
    async fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
