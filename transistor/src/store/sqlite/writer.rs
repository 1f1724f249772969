//! The one task that writes.

use drop_state::{BodyId, Command, DropId, Millis, Refusal, TokenHash, View};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};

use super::life::Life;
use crate::store::{
    Applied, Copy, Payload, StoreError,
    sql::{self, Link, SqlError, from_database},
};

/// Jobs that wait at most; further callers wait for a place.
const QUEUE: usize = 1024;
/// Jobs in one transaction at most.
const BATCH: usize = 128;
/// Free pages given back to the file system at one scrubbing.
const VACUUM: &str = "PRAGMA incremental_vacuum(4096)";
/// Tries to cut the journal while somebody reads.
const CUTS: u32 = 5;

enum Job {
    Change { id: DropId, command: Command, payload: Payload, now: Millis, done: Done<Applied> },
    Share { of: DropId, deleter: TokenHash, copies: Vec<Copy>, now: Millis, done: Done<Shared> },
    Erased { body: BodyId, done: Done<()> },
    Scrub { done: Done<()> },
}

type Done<T> = oneshot::Sender<Result<T, StoreError>>;
type Shared = Result<View, Refusal>;

/// What a job came to before its transaction ended.
enum Outcome {
    Change(Applied),
    Share(Shared),
    Erased,
}

pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection, life: Life) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(connection, life, waiting));
        Self { jobs: Mutex::new(Some(jobs)), task: Mutex::new(Some(task)) }
    }

    pub(super) async fn change(
        &self,
        id: DropId,
        command: Command,
        payload: Payload,
        now: Millis,
    ) -> Result<Applied, StoreError> {
        self.ask(|done| Job::Change { id, command, payload, now, done }).await
    }

    pub(super) async fn share(
        &self,
        of: DropId,
        deleter: TokenHash,
        copies: Vec<Copy>,
        now: Millis,
    ) -> Result<Shared, StoreError> {
        self.ask(|done| Job::Share { of, deleter, copies, now, done }).await
    }

    pub(super) async fn erased(&self, body: BodyId) -> Result<(), StoreError> {
        self.ask(|done| Job::Erased { body, done }).await
    }

    pub(super) async fn scrub(&self) -> Result<(), StoreError> {
        self.ask(|done| Job::Scrub { done }).await
    }

    /// Lets what waits be done, then closes the connection.
    pub(super) async fn close(&self) {
        self.jobs.lock().await.take();
        if let Some(task) = self.task.lock().await.take() {
            let _ended = task.await;
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(Done<T>) -> Job) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".into());
        let jobs = self.jobs.lock().await.clone().ok_or_else(closed)?;
        let (done, outcome) = oneshot::channel();
        jobs.send(job(done)).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }
}

async fn run(mut connection: SqliteConnection, mut life: Life, mut waiting: mpsc::Receiver<Job>) {
    // Whether something was erased since the journal was cut last.
    let mut dirty = true;
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let mut changes = Vec::with_capacity(batch.len());
        let mut alone = Vec::new();
        for job in batch.drain(..) {
            // Whoever asked and went away was told that nothing happened, or nothing at all: nothing is to happen.
            if job.is_abandoned() {
                continue;
            }
            // Copies may be refused, with everything that is in the transaction; and they take long.
            if matches!(job, Job::Scrub { .. } | Job::Share { .. }) {
                alone.push(job)
            } else {
                changes.push(job)
            }
        }
        if !changes.is_empty() {
            write(&mut connection, changes, &mut dirty).await;
        }
        for job in alone {
            if let Job::Scrub { done } = job {
                let _gone = done.send(scrub(&mut connection, &mut life, &mut dirty).await);
            } else {
                write(&mut connection, vec![job], &mut dirty).await;
            }
        }
    }
    if let Err(error) = scrub(&mut connection, &mut life, &mut dirty).await {
        tracing::warn!(%error, "the journal could not be cut at the end");
    }
    let _closed = connection.close().await;
}

/// All jobs in one transaction, or, if one of them fails, each in its own, so that only that one fails.
async fn write(connection: &mut SqliteConnection, jobs: Vec<Job>, dirty: &mut bool) {
    if jobs.len() > 1
        && let Ok(outcomes) = together(connection, &jobs).await
    {
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            job.answer(Ok(outcome), dirty);
        }
        return;
    }
    for job in jobs {
        let outcome = together(connection, std::slice::from_ref(&job)).await;
        let outcome =
            outcome.and_then(|mut all| all.pop().ok_or(StoreError::Damaged("a job without an outcome")));
        job.answer(outcome, dirty);
    }
}

/// Statements rather than a transaction of sqlx: on a full disk `SQLite` gives a transaction up by itself, which sqlx does
/// not notice, so that it would begin no other.
async fn together(connection: &mut SqliteConnection, jobs: &[Job]) -> Result<Vec<Outcome>, StoreError> {
    let (ended, committed) = match attempt(connection, jobs).await {
        Ok((outcomes, committed)) => (Ok(outcomes), committed),
        Err(error) => (Err(error), false),
    };
    if !committed {
        // It fails if there is none any more.
        let _given_up = say(connection, "ROLLBACK").await;
    }
    ended
}

/// What became of the jobs, and whether that is committed; without an error it is not if nothing of it is to stay.
async fn attempt(
    connection: &mut SqliteConnection,
    jobs: &[Job],
) -> Result<(Vec<Outcome>, bool), StoreError> {
    say(connection, "BEGIN IMMEDIATE").await?;
    let mut outcomes = Vec::with_capacity(jobs.len());
    for job in jobs {
        let outcome = job.run(&mut Link::Sqlite(connection)).await?;
        if matches!(outcome, Outcome::Share(Err(_))) {
            // Half of the copies may be there: none is to stay. They are always made alone.
            return Ok((vec![outcome], false));
        }
        outcomes.push(outcome);
    }
    say(connection, "COMMIT").await?;
    Ok((outcomes, true))
}

async fn say(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::query(statement).execute(connection).await.map(drop).map_err(from_database)
}

impl Job {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Change { done, .. } => done.is_closed(),
            Self::Share { done, .. } => done.is_closed(),
            Self::Erased { done, .. } | Self::Scrub { done } => done.is_closed(),
        }
    }

    async fn run(&self, link: &mut Link<'_>) -> Result<Outcome, SqlError> {
        Ok(match self {
            Self::Change { id, command, payload, now, .. } => {
                Outcome::Change(sql::change(link, id, command, payload, *now).await?)
            }
            Self::Share { of, deleter, copies, now, .. } => {
                Outcome::Share(sql::share(link, of, deleter, copies, *now).await?)
            }
            Self::Erased { body, .. } => {
                sql::erased(link, body).await?;
                Outcome::Erased
            }
            Self::Scrub { .. } => Outcome::Erased,
        })
    }

    /// Whoever asked may be gone, which is all the same here.
    fn answer(self, outcome: Result<Outcome, StoreError>, dirty: &mut bool) {
        match (self, outcome) {
            (Self::Change { done, .. }, Ok(Outcome::Change(applied))) => {
                *dirty = true;
                let _gone = done.send(Ok(applied));
            }
            (Self::Share { done, .. }, Ok(Outcome::Share(shared))) => {
                let _gone = done.send(Ok(shared));
            }
            (Self::Erased { done, .. } | Self::Scrub { done }, Ok(_)) => {
                let _gone = done.send(Ok(()));
            }
            (Self::Change { done, .. }, outcome) => {
                let _gone = done.send(Err(unexpected(outcome)));
            }
            (Self::Share { done, .. }, outcome) => {
                let _gone = done.send(Err(unexpected(outcome)));
            }
            (Self::Erased { done, .. } | Self::Scrub { done }, outcome) => {
                let _gone = done.send(Err(unexpected(outcome)));
            }
        }
    }
}

fn unexpected(outcome: Result<Outcome, StoreError>) -> StoreError {
    outcome.err().unwrap_or(StoreError::Damaged("an outcome of another job"))
}

/// Moves the journal into the file and cuts it to nothing, so that erased bytes are in neither; and makes every copy that
/// was made before an older one.
async fn scrub(
    connection: &mut SqliteConnection,
    life: &mut Life,
    dirty: &mut bool,
) -> Result<(), StoreError> {
    if !*dirty {
        return Ok(());
    }
    sqlx::query(VACUUM).execute(&mut *connection).await.map_err(from_database)?;
    for _ in 0..CUTS {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *connection)
            .await
            .map_err(from_database)?;
        if row.try_get::<i64, _>(0).map_err(from_database)? == 0 {
            // Last, since it takes room, and on a full disk cutting the journal is what makes some.
            life.go_on(connection).await?;
            *dirty = false;
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Err(StoreError::Unavailable("readers keep the journal from being cut".into()))
}
