//! The one thread that writes.
//!
//! It takes what has queued up, decides each request in order, and commits all of it as one journal entry. No
//! answer leaves before the commit: a refusal may rest on a request of the same group, and what is not durable must
//! be seen by nobody.

mod append;
mod heads;
mod mailboxes;
mod retention;
mod transaction;

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use frame_log::{
    AppendError, Claimed, Keep, MailboxError, MailboxId, MetaKey, MetaValue, NewPackage, Put, Record,
    Replaced, WriteError,
};
use protocol::{GroupId, Seq, UnixSeconds};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use heads::Heads;
pub(crate) use retention::{DropStep, PruneStep};
use transaction::Transaction;

use crate::{
    Options,
    error::CommitFailure,
    journal::{AppendFailure, Journal, MAX_ENTRY},
    keys,
    log::Shared,
    maintenance::Maintenance,
};

/// Bytes of changes that share one sync at most, unless a single request has more.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;
/// Memtables that may wait to be flushed before the writer waits with them.
const MAX_SEALED: usize = 2;

pub(crate) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// A request to the writer.
pub(crate) enum Command {
    Append {
        group: GroupId,
        expected: Seq,
        record: Record,
        reply: Reply<Seq, AppendError>,
    },
    PutSnapshot {
        group: GroupId,
        at: Seq,
        state: Bytes,
        reply: Reply<(), WriteError>,
    },
    DropSnapshots {
        group: GroupId,
        before: Seq,
        reply: Reply<DropStep, WriteError>,
    },
    Prune {
        group: GroupId,
        before: Seq,
        keep: Keep,
        reply: Reply<PruneStep, WriteError>,
    },
    Put {
        mailbox: MailboxId,
        package: NewPackage,
        now: UnixSeconds,
        reply: Reply<Put, MailboxError>,
    },
    Claim {
        mailbox: MailboxId,
        now: UnixSeconds,
        reply: Reply<Option<Claimed>, MailboxError>,
    },
    RemoveExpired {
        now: UnixSeconds,
        limit: usize,
        reply: Reply<usize, MailboxError>,
    },
    Save {
        key: MetaKey,
        value: MetaValue,
        reply: Reply<(), WriteError>,
    },
    Replace {
        key: MetaKey,
        expected: Option<MetaValue>,
        value: MetaValue,
        reply: Reply<Replaced, WriteError>,
    },
    /// Commit what came before and end.
    Close,
}

/// A request, and the part of the queue's byte budget it holds until it is answered.
pub(crate) struct Queued {
    pub(crate) command: Command,
    pub(crate) _bytes: Option<OwnedSemaphorePermit>,
}

/// An answer, given once the commit's outcome is known.
type Answer = Box<dyn FnOnce(Result<(), CommitFailure>) + Send>;

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) maintenance: Arc<Maintenance>,
    pub(crate) options: Options,
    pub(crate) journal: Journal,
    heads: Heads,
    /// Number of the next record over all groups.
    next_ordinal: u64,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        maintenance: Arc<Maintenance>,
        options: Options,
        journal: Journal,
        next_ordinal: u64,
    ) -> Self {
        Self { shared, maintenance, options, journal, heads: Heads::default(), next_ordinal }
    }

    /// Serves requests until [`Command::Close`] or until every sender is gone.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Queued>) {
        let _watch = PoisonOnPanic(Arc::clone(&self.shared));
        while let Some(first) = queue.blocking_recv() {
            if matches!(first.command, Command::Close) {
                break;
            }
            let ends = self.serve(first, &mut queue);
            if ends {
                break;
            }
        }
        self.mark_end();
    }

    /// Serves one request and what has queued up behind it as one commit; whether that was the last.
    fn serve(&mut self, first: Queued, queue: &mut mpsc::Receiver<Queued>) -> bool {
        let poisoned = self.shared.poisoned();
        let growth = !poisoned && self.has_space();
        let view = self.shared.store.view();
        let mut tx = Transaction::new(&view, &mut self.heads, self.next_ordinal);
        let mut answers: Vec<Answer> = Vec::new();
        // Held until the answers are out: this is what bounds the bytes in the queue.
        let mut budget = Vec::new();
        let mut ends = false;
        let mut next = Some(first);
        while let Some(Queued { command, _bytes: bytes }) = next.take() {
            budget.extend(bytes);
            if matches!(command, Command::Close) {
                ends = true;
                break;
            }
            answers.push(if poisoned {
                refuse(command, CommitFailure::Poisoned)
            } else if !growth && command.grows() {
                refuse(command, CommitFailure::NoSpace)
            } else {
                decide(&mut tx, command)
            });
            if answers.len() < self.options.max_group && tx.bytes() < MAX_GROUP_BYTES {
                next = queue.try_recv().ok();
            }
        }
        let staged = tx.finish();
        drop(view);

        let outcome = if staged.batch.is_empty() { Ok(()) } else { self.commit(&staged.batch) };
        if outcome.is_ok() && !staged.batch.is_empty() {
            self.heads.merge(staged.heads);
            if self.next_ordinal != staged.next_ordinal {
                self.next_ordinal = staged.next_ordinal;
                let records = self.next_ordinal;
                self.shared.progress.send_modify(|progress| progress.records = records);
            }
        }
        for answer in answers {
            answer(outcome);
        }
        ends
    }

    /// Journal, sync, and only then the tree.
    fn commit(&mut self, batch: &crate::batch::Batch) -> Result<(), CommitFailure> {
        let size = batch.bytes() + 16 * (1 + batch.iter().count());
        debug_assert!(size <= MAX_ENTRY, "a group of requests that makes too long an entry");
        self.make_room(size)?;
        self.journal
            .append(|out| batch.encode(out))
            .map_err(|failure| self.failed("append to the journal", failure))?;
        self.shared.store.apply(batch);
        Ok(())
    }

    /// Closes the memtable and the segment together when either is full.
    fn make_room(&mut self, size: usize) -> Result<(), CommitFailure> {
        let full = self.shared.store.memtable_bytes() >= self.options.memtable_bytes;
        if self.journal.has_room(size) && !full {
            return Ok(());
        }
        // Bounds the memory and the number of segments: the writer does not run away from the flush.
        self.maintenance.wait_for_flush(&self.shared, MAX_SEALED)?;
        self.journal.rotate(size).map_err(|failure| self.failed("start a journal segment", failure))?;
        self.shared.store.seal(self.journal.last());
        self.maintenance.sealed(self.journal.last());
        Ok(())
    }

    fn failed(&self, doing: &'static str, failure: AppendFailure) -> CommitFailure {
        match failure {
            AppendFailure::NoSpace => {
                tracing::warn!("no space left to {doing}; refusing until space returns");
                CommitFailure::NoSpace
            }
            AppendFailure::Io(error) => {
                tracing::error!(%error, "cannot {doing}; nothing more is accepted, restart the process");
                self.shared.poison();
                CommitFailure::Poisoned
            }
        }
    }

    fn has_space(&mut self) -> bool {
        let path = self.shared.folder.path();
        match self.journal.disk().free(path) {
            Ok(free) => {
                let enough = free >= self.options.free_space_floor;
                if self.shared.low_space.swap(!enough, Ordering::Relaxed) == enough {
                    tracing::warn!(free_bytes = free, enough, "free space crossed its floor");
                }
                enough
            }
            // Not knowing is no reason to refuse: a full disk still shows itself when a segment is made.
            Err(_) => true,
        }
    }

    /// An empty last entry: with it behind them, damage to any entry of a closed log is told from a torn end.
    fn mark_end(&mut self) {
        if !self.shared.poisoned() && self.journal.has_room(4) {
            // It carries nothing; if it cannot be written there is nothing to lose.
            let _ = self.journal.append(|out| crate::batch::Batch::default().encode(out));
        }
    }
}

impl Command {
    /// Whether the request takes space that is not soon given back.
    fn grows(&self) -> bool {
        match self {
            Self::Append { .. }
            | Self::PutSnapshot { .. }
            | Self::Put { .. }
            | Self::Save { .. }
            | Self::Replace { .. } => true,
            Self::DropSnapshots { .. }
            | Self::Prune { .. }
            | Self::Claim { .. }
            | Self::RemoveExpired { .. }
            | Self::Close => false,
        }
    }
}

/// Works a request into the transaction.
fn decide(tx: &mut Transaction<'_>, command: Command) -> Answer {
    match command {
        Command::Append { group, expected, record, reply } => {
            answer(reply, tx.append(&group, expected, &record))
        }
        Command::PutSnapshot { group, at, state, reply } => {
            answer(reply, tx.put_snapshot(&group, at, &state))
        }
        Command::DropSnapshots { group, before, reply } => answer(reply, tx.drop_snapshots(&group, before)),
        Command::Prune { group, before, keep, reply } => answer(reply, tx.prune(&group, before, keep)),
        Command::Put { mailbox, package, now, reply } => {
            answer(reply, tx.put_package(&mailbox, &package, now))
        }
        Command::Claim { mailbox, now, reply } => answer(reply, tx.claim(&mailbox, now)),
        Command::RemoveExpired { now, limit, reply } => answer(reply, tx.remove_expired(now, limit)),
        Command::Save { key, value, reply } => {
            tx.put(keys::meta(key), value.as_bytes().to_vec());
            answer(reply, Ok(()))
        }
        Command::Replace { key, expected, value, reply } => answer(reply, tx.replace(key, expected, value)),
        Command::Close => Box::new(drop),
    }
}

fn refuse(command: Command, failure: CommitFailure) -> Answer {
    match command {
        Command::Append { reply, .. } => answer(reply, Err(failure.into())),
        Command::PutSnapshot { reply, .. } | Command::Save { reply, .. } => {
            answer(reply, Err(failure.into()))
        }
        Command::Replace { reply, .. } => answer(reply, Err(failure.into())),
        Command::DropSnapshots { reply, .. } => answer(reply, Err(failure.into())),
        Command::Prune { reply, .. } => answer(reply, Err(failure.into())),
        Command::Put { reply, .. } => answer(reply, Err(failure.into())),
        Command::Claim { reply, .. } => answer(reply, Err(failure.into())),
        Command::RemoveExpired { reply, .. } => answer(reply, Err(failure.into())),
        Command::Close => Box::new(drop),
    }
}

/// The answer a request gets if the commit succeeds; the commit's failure otherwise, whatever the answer was.
fn answer<T, E>(reply: Reply<T, E>, result: Result<T, E>) -> Answer
where
    T: Send + 'static,
    E: From<CommitFailure> + Send + 'static,
{
    Box::new(move |outcome| {
        // A caller that no longer waits has no use for it.
        let _ = reply.send(outcome.map_err(E::from).and(result));
    })
}

/// A thread that panicked has left nobody to say so.
pub(crate) struct PoisonOnPanic(pub(crate) Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison();
        }
    }
}
