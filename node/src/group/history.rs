//! Looking back: states of earlier epochs, log hashes of earlier positions, frames that removed somebody.
//!
//! Everything here reads and folds what is stored; nothing writes. The work is bounded by the distance between
//! snapshots, a few such jobs run at a time, and what was found is remembered.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use frame_log::{Limit, StoredRecord, UnixMillis};
use protocol::{Epoch, GroupId, LogHash, Seq, digest};
use tokio::sync::Semaphore;

use super::{Book, Env, open};
use crate::failure::Failure;

/// A state as it was when its epoch began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateAt {
    pub(crate) state: Bytes,
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
    pub(crate) log: LogHash,
}

/// Looks back for all groups of a node.
#[derive(Debug)]
pub(crate) struct History {
    env: Arc<Env>,
    jobs: Semaphore,
    most_bytes: usize,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    /// Newest use last.
    entries: VecDeque<(GroupId, Arc<StateAt>)>,
    bytes: usize,
}

impl History {
    pub(crate) fn new(env: Arc<Env>) -> Self {
        let jobs = Semaphore::new(env.settings.history_jobs.get());
        let most_bytes = env.settings.history_cache.as_usize();
        Self { env, jobs, most_bytes, cache: Mutex::default() }
    }

    /// The state at the end of the operation that began `epoch`. `book` is the group as it is now.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for an epoch to come, [`Failure::HistoryGap`] for one whose operations are gone,
    /// [`Failure::Busy`] when too many look back already, else a failure of the store.
    pub(crate) async fn state_at(&self, book: &Book, epoch: Epoch) -> Result<Arc<StateAt>, Failure> {
        let group = book.state.group();
        if epoch > book.state.epoch() {
            return Err(Failure::NotFound);
        }
        if let Some(known) = self.cached(&group, epoch) {
            return Ok(known);
        }
        let _job = self.jobs.try_acquire().map_err(|_| Failure::busy())?;
        let state = if epoch == book.state.epoch() {
            let book = book.clone();
            self.env.pool.run_patiently(move || book.epoch_state()).await?.map_err(|_| Failure::Internal)?
        } else {
            self.fold_to_epoch(book, epoch).await?
        };
        let (seq, log) = (state.seq(), state.log());
        let bytes = self.env.pool.run_patiently(move || Bytes::from(state.to_bytes())).await?;
        let found = Arc::new(StateAt { state: bytes, epoch, seq, log });
        self.remember(group, &found);
        Ok(found)
    }

    async fn fold_to_epoch(&self, book: &Book, epoch: Epoch) -> Result<group_state::GroupState, Failure> {
        let env = &self.env;
        let group = book.state.group();
        let seq = self.start_of(book, epoch).await?;
        let start = open::snapshot_at_most(env, &group, Some(seq)).await?;
        if start.is_none() && book.horizon > Seq::ZERO {
            return Err(Failure::HistoryGap { horizon: book.horizon });
        }
        // The fold stopped at an operation that is gone; where the kept ones begin is known better here.
        let gap = |failure| {
            let is_gap = matches!(failure, Failure::HistoryGap { .. });
            if is_gap { Failure::HistoryGap { horizon: book.horizon } } else { failure }
        };
        let then =
            open::fold_to(env, &group, start, Some(seq)).await.map_err(gap)?.ok_or(Failure::Unserved)?;
        if then.state.epoch() != epoch || then.state.seq() != seq {
            return Err(Failure::Unserved);
        }
        Ok(then.state)
    }

    /// Position of the operation that began an epoch not later than the current one.
    pub(crate) async fn start_of(&self, book: &Book, epoch: Epoch) -> Result<Seq, Failure> {
        if epoch == Epoch::ZERO {
            return Ok(Seq::ZERO);
        }
        if epoch >= book.state.epoch() {
            return Ok(book.began.seq);
        }
        // A record names the epoch it was accepted in, so the first one of an epoch follows the operation that began
        // it, and every epoch before the current one has at least the operation that ended it.
        let first = self.first_where(book, |record| record.epoch >= epoch).await?.ok_or(Failure::Unserved)?;
        first.get().checked_sub(1).map(Seq::new).ok_or(Failure::Unserved)
    }

    /// The first position stored after `cutoff`, `None` if there is none.
    ///
    /// Times of different nodes' clocks may overlap a little around it.
    pub(crate) async fn first_after(&self, book: &Book, cutoff: UnixMillis) -> Result<Option<Seq>, Failure> {
        self.first_where(book, |record| record.received_at > cutoff).await
    }

    /// Binary search over the log for a property that, once true, stays true.
    async fn first_where(
        &self,
        book: &Book,
        holds: impl Fn(&StoredRecord) -> bool + Send + Sync,
    ) -> Result<Option<Seq>, Failure> {
        let group = book.state.group();
        // Within `low..=high` lies the first position where it holds; `high` is one past the end.
        let (mut low, mut high) = (0, book.state.seq().get().saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            let page = self.env.store.read(&group, Seq::new(middle), Limit::new(1, 0)).await?;
            let record = page.records.first().ok_or(Failure::Unserved)?;
            if holds(record) {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        Ok((low <= book.state.seq().get()).then_some(Seq::new(low)))
    }

    /// The record at a position.
    ///
    /// # Errors
    /// [`Failure::NotFound`] where there is none, else a failure of the store.
    pub(crate) async fn record_at(&self, group: &GroupId, seq: Seq) -> Result<StoredRecord, Failure> {
        let page = self.env.store.read(group, seq, Limit::new(1, 0)).await?;
        page.records.into_iter().next().ok_or(Failure::NotFound)
    }

    fn cached(&self, group: &GroupId, epoch: Epoch) -> Option<Arc<StateAt>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let at = cache.entries.iter().position(|(g, known)| g == group && known.epoch == epoch)?;
        let entry = cache.entries.remove(at)?;
        let known = Arc::clone(&entry.1);
        cache.entries.push_back(entry);
        Some(known)
    }

    fn remember(&self, group: GroupId, found: &Arc<StateAt>) {
        if found.state.len() > self.most_bytes {
            return;
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.bytes = cache.bytes.saturating_add(found.state.len());
        cache.entries.push_back((group, Arc::clone(found)));
        while cache.bytes > self.most_bytes {
            match cache.entries.pop_front() {
                Some((_, oldest)) => cache.bytes = cache.bytes.saturating_sub(oldest.state.len()),
                None => break,
            }
        }
    }
}

/// `log_s` at a position that exists, with the time the frame there was stored.
///
/// The hash is chained on from the snapshot before it, over hashes that outlive the frames.
///
/// # Errors
/// A failure of the store.
pub(super) async fn log_at(env: &Env, group: &GroupId, seq: Seq) -> Result<(LogHash, UnixMillis), Failure> {
    let start = open::snapshot_at_most(env, group, Some(seq)).await?;
    let (mut at, mut log) = match &start {
        Some(book) if book.state.seq() == seq => {
            let page = env.store.read(group, seq, Limit::new(1, 0)).await?;
            let record = page.records.first().ok_or(Failure::Unserved)?;
            return Ok((book.state.log(), record.received_at));
        }
        Some(book) => (book.state.seq().next().ok_or(Failure::Internal)?, book.state.log()),
        None => (Seq::ZERO, LogHash::new([0; LogHash::LEN])),
    };
    loop {
        let page = env.store.read(group, at, Limit::MAX).await?;
        if page.records.is_empty() {
            return Err(Failure::Unserved);
        }
        for record in &page.records {
            log = digest::log_hash(&log, record.seq, &record.th);
            if record.seq == seq {
                return Ok((log, record.received_at));
            }
        }
        at = page.next;
    }
}
