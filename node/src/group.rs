//! Groups in service: for each active one a task that alone writes to it, and handles for everybody else.
//!
//! The task makes the order of a group's frames fast; the log's compare-and-append makes it right, also when another
//! node serves the same group at the same time. Reading never goes through the task: it publishes the group's newest
//! [`Book`], and the newest frames lie in the [`Tail`].

mod book;
mod create;
mod fresh;
mod history;
mod judge;
mod open;
mod others;
mod registry;
mod retention;
mod snapshots;
mod tail;
mod task;

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use frame_log::UnixMillis;
use proofs::VerifyingKeys;
use protocol::{Frame, FrameHash, GroupId, LogHash, Seq};
use service_kit::{clock::Clock, http::Peer};
use tokio::sync::{Notify, mpsc, oneshot, watch};

pub(crate) use book::Book;
pub(crate) use history::History;
pub(crate) use others::Others;
pub(crate) use registry::Groups;
pub(crate) use retention::prune;
pub(crate) use tail::{Tail, TailItem};

use crate::{
    config::{GroupSettings, RateSettings},
    failure::Failure,
    metrics::Metrics,
    store::SharedStore,
    verify::{Pool, Verifier},
};

/// What all groups of a node share.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) store: DebugStore,
    pub(crate) keys: &'static VerifyingKeys,
    pub(crate) pool: Pool,
    pub(crate) verifier: Verifier,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: GroupSettings,
    pub(crate) rates: RateSettings,
    /// How to hear of other writers to the store; `None` where there are none.
    pub(crate) others: Option<Others>,
}

/// A store in a struct that can be printed.
pub(crate) struct DebugStore(pub(crate) SharedStore);

impl std::ops::Deref for DebugStore {
    type Target = dyn crate::store::Store;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl std::fmt::Debug for DebugStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Env {
    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis::new(self.clock.now_ms())
    }
}

/// A frame that passed the checks that need no state, with the bytes it arrived in.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) frame: Arc<Frame>,
    pub(crate) bytes: Bytes,
    /// Who sent it, to share fairly what a stranger may use. Goes no further than the queue for proofs.
    pub(crate) peer: Peer,
}

/// Where a frame stands: what a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) seq: Seq,
    pub(crate) log: LogHash,
    pub(crate) received_at: UnixMillis,
    /// Whether it had been there before.
    pub(crate) duplicate: bool,
}

/// Where a frame id is taken, and by which content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) seq: Seq,
    pub(crate) th: FrameHash,
}

/// What a group's task is asked.
#[derive(Debug)]
enum Request {
    /// Accept a frame or say why not.
    Post { arrived: Arrived, reply: oneshot::Sender<Result<Stored, Failure>> },
    /// Promise no operation before this position any more, durably.
    RaiseHorizon { horizon: Seq, reply: oneshot::Sender<Result<(), Failure>> },
}

/// A handle to an active group.
#[derive(Debug, Clone)]
pub(crate) struct Group(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: GroupId,
    mailbox: mpsc::Sender<Request>,
    published: watch::Receiver<Arc<Book>>,
    tail: Arc<Tail>,
    /// What was heard of other writers.
    hint: watch::Sender<Hint>,
    /// Comparisons with the log, for readers.
    looks: fresh::Looks,
    /// Asks the task to end.
    stop: Notify,
    /// When it was last asked for, by a counter of the registry.
    last_used: AtomicU64,
    followers: AtomicUsize,
    /// The number of followers became more than 0, or 0.
    followed: Notify,
}

/// What a group's task is told of other writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hint {
    /// The highest position one of them was seen at.
    seq: Seq,
    /// How often it was said that something may have been missed.
    missed: u64,
}

/// The task has ended; whoever needs the group opens it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Group {
    /// The group's id.
    pub(crate) fn id(&self) -> GroupId {
        self.0.id
    }

    /// The newest book.
    pub(crate) fn book(&self) -> Arc<Book> {
        Arc::clone(&self.0.published.borrow())
    }

    /// The newest frames.
    pub(crate) fn tail(&self) -> &Tail {
        &self.0.tail
    }

    /// Watches for newer books. Ends when the task does.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Book>> {
        self.0.published.clone()
    }

    /// Keeps the task from ending for lack of work while the guard lives.
    pub(crate) fn followed(&self) -> FollowGuard {
        if self.0.followers.fetch_add(1, Ordering::AcqRel) == 0 {
            self.0.followed.notify_one();
        }
        FollowGuard(Arc::clone(&self.0))
    }

    fn is_gone(&self) -> bool {
        self.0.mailbox.is_closed()
    }

    /// Says that another writer has got as far as `seq`.
    fn hint(&self, seq: Seq) {
        self.0.hint.send_if_modified(|seen| {
            let newer = seq > seen.seq;
            seen.seq = seq.max(seen.seq);
            newer
        });
    }

    /// Says that something other writers did may not have been told.
    fn hint_missed(&self) {
        self.0.hint.send_modify(|seen| seen.missed = seen.missed.wrapping_add(1));
    }

    /// Hands a frame to the task and waits for its verdict.
    ///
    /// # Errors
    /// [`Gone`] when the task has ended without looking at the frame; inside, the verdict. [`Failure::Busy`] when the
    /// mailbox is full.
    ///
    /// # Cancel safety
    /// The task finishes what it has begun; a frame it has not begun is dropped with the future.
    async fn post(&self, arrived: Arrived) -> Result<Result<Stored, Failure>, Gone> {
        let (reply, verdict) = oneshot::channel();
        match self.0.mailbox.try_send(Request::Post { arrived, reply }) {
            Ok(()) => verdict.await.map_err(|_| Gone),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(Err(Failure::busy())),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Gone),
        }
    }

    /// Has the task give up operations before `horizon`.
    async fn raise_horizon(&self, horizon: Seq) -> Result<Result<(), Failure>, Gone> {
        let (reply, done) = oneshot::channel();
        self.0.mailbox.send(Request::RaiseHorizon { horizon, reply }).await.map_err(|_| Gone)?;
        done.await.map_err(|_| Gone)
    }
}

/// Counts a follower for as long as it lives.
#[derive(Debug)]
pub(crate) struct FollowGuard(Arc<Shared>);

impl Drop for FollowGuard {
    fn drop(&mut self) {
        if self.0.followers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.followed.notify_one();
        }
    }
}
