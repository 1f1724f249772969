//! The open log: handles, threads, and the contract on top of them.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use async_trait::async_trait;
use bytes::Bytes;
use frame_log::{
    AppendError, Claimed, Cursor, FollowStream, FrameLog, Keep, Limit, MAX_GROUPS, MAX_META_VALUE,
    MAX_PACKAGE, MAX_RECORD, MAX_SNAPSHOT, MailboxError, MailboxId, Mailboxes, Meta, MetaKey, MetaValue,
    NewPackage, Page, Pruned, Put, ReadError, Record, Replaced, TotalOrder, WriteError,
};
use protocol::{FrameHash, FrameId, GroupId, Seq, UnixSeconds};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::{
    OpenError, Options, Verified, VerifyError,
    batch::Batch,
    error::{Context as _, Damage},
    folder::Folder,
    follow,
    journal::{self, Disk, Place, Recovered, Spares, SystemDisk},
    maintenance::Maintenance,
    read,
    store::{Store, View},
    writer::{Command, DropStep, PruneStep, Queued, Reply, Writer},
};

/// Bytes of requests that may wait for the writer, in units of a permit.
const QUEUE_UNITS: u32 = 128 * 1024;
/// Bytes one permit of the queue stands for.
const QUEUE_UNIT: usize = 1024;
/// Reads that run at the same time; each holds a page of at most 4 MiB, or a snapshot.
const MAX_READS: usize = 32;

/// How far the log has got, and whether it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Progress {
    pub(crate) records: u64,
    pub(crate) closed: bool,
}

/// What the handle and the two threads have in common.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) low_space: AtomicBool,
    poisoned: watch::Sender<bool>,
    pub(crate) reads: Semaphore,
    /// Last, so that the lock is given up after the tables are closed.
    pub(crate) folder: Folder,
}

impl Shared {
    pub(crate) fn poisoned(&self) -> bool {
        *self.poisoned.borrow()
    }

    pub(crate) fn poison(&self) {
        self.poisoned.send_replace(true);
    }

    fn is_closed(&self) -> bool {
        self.progress.borrow().closed
    }
}

/// Runs a read on a thread that may block, as of the last commit.
///
/// A view is opened before anything is awaited a second time, so what was acknowledged before the call is seen.
pub(crate) async fn read<T: Send + 'static>(
    shared: &Arc<Shared>,
    run: impl FnOnce(&View) -> Result<T, Damage> + Send + 'static,
) -> Result<T, ReadError> {
    let _permit = shared.reads.acquire().await.map_err(|_| ReadError::Unavailable)?;
    if shared.is_closed() {
        return Err(ReadError::Unavailable);
    }
    let view = shared.store.view();
    match tokio::task::spawn_blocking(move || run(&view)).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(ReadError::Unavailable),
    }
}

/// A frame log in a folder, with mailboxes and the service's own values beside it.
///
/// Dropping it commits what is queued and waits for its two threads, which may take as long as one merge of tables;
/// [`close`](Self::close) does the same without blocking an async thread. Dying instead is equally safe.
pub struct EmbeddedFrameLog {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Queued>,
    /// Bounds the bytes in the queue, as the channel bounds the requests.
    budget: Arc<Semaphore>,
    maintenance: Arc<Maintenance>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl std::fmt::Debug for EmbeddedFrameLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedFrameLog").field("path", &self.shared.folder.path()).finish_non_exhaustive()
    }
}

impl EmbeddedFrameLog {
    /// Opens the log in `folder`, making it if there is none, and recovers what a crash left.
    ///
    /// Blocks: it reads the journal's unapplied part, at most three segments. Belongs to the start of a process or
    /// into `spawn_blocking`.
    ///
    /// # Errors
    /// See [`OpenError`]; each says what to do.
    pub fn open(folder: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_with(folder.as_ref(), options, Box::new(SystemDisk))
    }

    pub(crate) fn open_with(path: &Path, options: Options, disk: Box<dyn Disk>) -> Result<Self, OpenError> {
        let folder = Folder::open(path)?;
        let store = Arc::new(Store::open(&folder.tree(), folder.seed(), options.cache_bytes)?);
        let damaged = |what| OpenError::Damaged { path: folder.tree(), at: 0, what };
        let applied = store.applied().map_err(|_| damaged("its place in the journal is unreadable"))?;

        let place =
            Place { folder: folder.journal(), seed: folder.seed(), segment_bytes: options.segment_bytes };
        let spares = Spares::default();
        let entry = |payload: &[u8]| match Batch::decode(payload) {
            Some(batch) => {
                store.apply(&batch);
                true
            }
            None => false,
        };
        let recovered = journal::recover(
            place.clone(),
            disk,
            spares.clone(),
            applied,
            options.on_damage,
            entry,
            |last| {
                store.seal(last);
                store.flush().map_err(|source| OpenError::Tables { path: folder.tree(), source })
            },
        )?;
        let Recovered { journal, entries, torn, cut } = recovered;
        if entries > 0 || torn || cut {
            tracing::info!(entries, torn, cut, "recovered the journal");
        }
        let tail = read::tail(&store.view()).map_err(|_| damaged("the end of the log is unreadable"))?;

        let shared = Arc::new(Shared {
            store,
            progress: watch::Sender::new(Progress { records: tail.get(), closed: false }),
            low_space: AtomicBool::new(false),
            poisoned: watch::Sender::new(false),
            reads: Semaphore::new(MAX_READS),
            folder,
        });
        let maintenance = Arc::new(Maintenance::default());
        let (sender, receiver) = mpsc::channel(options.queue_len.max(1));
        let background = {
            let (shared, maintenance) = (Arc::clone(&shared), Arc::clone(&maintenance));
            spawn("frame-log-tables", move || maintenance.run(&shared, &place, &spares))
        };
        let background = background.context("start a thread for", path)?;
        let writer = Writer::new(Arc::clone(&shared), Arc::clone(&maintenance), options, journal, tail.get());
        let writer = match spawn("frame-log-writer", move || writer.run(receiver)) {
            Ok(writer) => writer,
            Err(error) => {
                maintenance.stop();
                return Err(error).context("start a thread for", path);
            }
        };
        Ok(Self {
            shared,
            queue: sender,
            budget: Arc::new(Semaphore::new(QUEUE_UNITS as usize)),
            maintenance,
            threads: Arc::new(Mutex::new(vec![writer, background])),
        })
    }

    /// Commits what is queued, ends both threads and answers everything after with "not available".
    ///
    /// The folder stays locked until the last handle is dropped.
    pub async fn close(&self) {
        let _ = self.queue.send(Queued { command: Command::Close, _bytes: None }).await;
        let (threads, maintenance) = (Arc::clone(&self.threads), Arc::clone(&self.maintenance));
        // It only fails if the runtime is going down, and then the drop does the same.
        let _ = tokio::task::spawn_blocking(move || join(&threads, &maintenance)).await;
        self.shared.progress.send_modify(|progress| progress.closed = true);
    }

    /// Returns when a write or a sync has failed: nothing more is accepted, and the process should exit.
    ///
    /// # Cancel safety
    /// Has no effect of its own.
    pub async fn failed(&self) {
        let mut poisoned = self.shared.poisoned.subscribe();
        if poisoned.wait_for(|poisoned| *poisoned).await.is_err() {
            // The sender lives as long as `self`.
            std::future::pending::<()>().await;
        }
    }

    /// Whether the disk is so full that nothing that grows the log is accepted.
    #[must_use]
    pub fn is_low_on_space(&self) -> bool {
        self.shared.low_space.load(Ordering::Relaxed)
    }

    /// Reads everything and checks it: checksums, density of positions, ids and the common order.
    ///
    /// Takes as long as reading all of it; appends go on meanwhile.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub async fn verify(&self) -> Result<Verified, VerifyError> {
        let checked = read(&self.shared, |view| Ok(read::verify(view))).await;
        checked.map_err(|_| VerifyError::Unavailable)?
    }

    /// Sends a request to the writer and waits for its answer.
    async fn request<T, E>(
        &self,
        bytes: usize,
        unavailable: E,
        command: impl FnOnce(Reply<T, E>) -> Command,
    ) -> Result<T, E> {
        let units = u32::try_from(bytes.div_ceil(QUEUE_UNIT)).unwrap_or(u32::MAX).clamp(1, QUEUE_UNITS);
        let Ok(permit) = Arc::clone(&self.budget).acquire_many_owned(units).await else {
            return Err(unavailable);
        };
        let (reply, answer) = oneshot::channel();
        let queued = Queued { command: command(reply), _bytes: Some(permit) };
        if self.queue.send(queued).await.is_err() {
            return Err(unavailable);
        }
        answer.await.unwrap_or(Err(unavailable))
    }
}

impl Drop for EmbeddedFrameLog {
    fn drop(&mut self) {
        // The queue may be full; the writer also ends when this, the only sender, is gone.
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.queue, closed));
        join(&self.threads, &self.maintenance);
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Waits for the writer, then for the background thread, which the writer may be waiting for.
fn join(threads: &Mutex<Vec<JoinHandle<()>>>, maintenance: &Maintenance) {
    let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
    for thread in threads.drain(..) {
        // A panic was reported by the panic hook and has poisoned the log.
        let _ = thread.join();
        maintenance.stop();
    }
}

#[async_trait]
impl FrameLog for EmbeddedFrameLog {
    async fn append(&self, group: &GroupId, expected: Seq, record: Record) -> Result<Seq, AppendError> {
        let (len, group) = (record.frame.len(), *group);
        if len > MAX_RECORD {
            return Err(AppendError::TooLarge { len, max: MAX_RECORD });
        }
        let command = |reply| Command::Append { group, expected, record, reply };
        self.request(len, AppendError::Unavailable, command).await
    }

    async fn read(&self, group: &GroupId, from: Seq, limit: Limit) -> Result<Page, ReadError> {
        let group = *group;
        read(&self.shared, move |view| read::page(view, &group, from, limit)).await
    }

    async fn head(&self, group: &GroupId) -> Result<Option<Seq>, ReadError> {
        let group = *group;
        read(&self.shared, move |view| read::head(view, &group)).await
    }

    async fn find(&self, group: &GroupId, id: &FrameId) -> Result<Option<(Seq, FrameHash)>, ReadError> {
        let (group, id) = (*group, *id);
        read(&self.shared, move |view| read::find(view, &group, &id)).await
    }

    async fn put_snapshot(&self, group: &GroupId, at: Seq, state: Bytes) -> Result<(), WriteError> {
        let (len, group) = (state.len(), *group);
        if len > MAX_SNAPSHOT {
            return Err(WriteError::TooLarge { len, max: MAX_SNAPSHOT });
        }
        let command = |reply| Command::PutSnapshot { group, at, state, reply };
        self.request(len, WriteError::Unavailable, command).await
    }

    async fn snapshot(
        &self,
        group: &GroupId,
        at_most: Option<Seq>,
    ) -> Result<Option<(Seq, Bytes)>, ReadError> {
        let group = *group;
        read(&self.shared, move |view| read::snapshot(view, &group, at_most)).await
    }

    async fn drop_snapshots(&self, group: &GroupId, before: Seq) -> Result<u64, WriteError> {
        let group = *group;
        let mut total = 0;
        loop {
            let command = |reply| Command::DropSnapshots { group, before, reply };
            let DropStep { dropped, finished } = self.request(0, WriteError::Unavailable, command).await?;
            total += dropped;
            if finished {
                return Ok(total);
            }
        }
    }

    async fn prune(&self, group: &GroupId, before: Seq, keep: Keep) -> Result<Pruned, WriteError> {
        let group = *group;
        let mut records = 0;
        loop {
            let command = |reply| Command::Prune { group, before, keep, reply };
            let PruneStep { pruned, finished } = self.request(0, WriteError::Unavailable, command).await?;
            records += pruned.records;
            if finished {
                return Ok(Pruned { records, horizon: pruned.horizon });
            }
        }
    }

    async fn groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupId>, ReadError> {
        let (after, limit) = (after.copied(), limit.clamp(1, MAX_GROUPS));
        read(&self.shared, move |view| read::groups(view, after, limit)).await
    }
}

#[async_trait]
impl TotalOrder for EmbeddedFrameLog {
    fn follow(&self, from: Cursor) -> FollowStream {
        follow::stream(&self.shared, from)
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        if self.shared.is_closed() {
            return Err(ReadError::Unavailable);
        }
        Ok(Cursor::new(self.shared.progress.borrow().records))
    }
}

#[async_trait]
impl Mailboxes for EmbeddedFrameLog {
    async fn put(
        &self,
        mailbox: &MailboxId,
        package: NewPackage,
        now: UnixSeconds,
    ) -> Result<Put, MailboxError> {
        let (len, mailbox) = (package.bytes.len(), *mailbox);
        if len > MAX_PACKAGE {
            return Err(MailboxError::TooLarge { len, max: MAX_PACKAGE });
        }
        let command = |reply| Command::Put { mailbox, package, now, reply };
        self.request(len, MailboxError::Unavailable, command).await
    }

    async fn claim(&self, mailbox: &MailboxId, now: UnixSeconds) -> Result<Option<Claimed>, MailboxError> {
        let mailbox = *mailbox;
        self.request(0, MailboxError::Unavailable, |reply| Command::Claim { mailbox, now, reply }).await
    }

    async fn remove_expired(&self, now: UnixSeconds, limit: usize) -> Result<usize, MailboxError> {
        self.request(0, MailboxError::Unavailable, |reply| Command::RemoveExpired { now, limit, reply }).await
    }
}

#[async_trait]
impl Meta for EmbeddedFrameLog {
    async fn load(&self, key: MetaKey) -> Result<Option<MetaValue>, ReadError> {
        read(&self.shared, move |view| read::meta(view, key)).await
    }

    async fn save(&self, key: MetaKey, value: MetaValue) -> Result<(), WriteError> {
        let len = value.as_bytes().len();
        if len > MAX_META_VALUE {
            return Err(WriteError::TooLarge { len, max: MAX_META_VALUE });
        }
        self.request(len, WriteError::Unavailable, |reply| Command::Save { key, value, reply }).await
    }

    async fn replace(
        &self,
        key: MetaKey,
        expected: Option<MetaValue>,
        value: MetaValue,
    ) -> Result<Replaced, WriteError> {
        let len = value.as_bytes().len();
        if len > MAX_META_VALUE {
            return Err(WriteError::TooLarge { len, max: MAX_META_VALUE });
        }
        let command = |reply| Command::Replace { key, expected, value, reply };
        self.request(len, WriteError::Unavailable, command).await
    }
}

#[cfg(test)]
mod tests;
