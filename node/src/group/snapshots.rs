//! When a group's book is written down.

use std::{num::NonZeroU64, sync::Arc};

use protocol::{Epoch, GroupId, Seq};
use tokio::task::JoinHandle;

use super::{Book, Env};

/// Decides when the next snapshot is due and writes one at a time, beside the group's work.
///
/// One is due with every so-and-so-many-th operation and frame of the group, counted from its beginning: all nodes that
/// serve a group then agree on when, and whoever appended that frame writes it, alone.
#[derive(Debug)]
pub(super) struct Snapshots {
    last: Option<(Seq, Epoch)>,
    /// An operation was appended here that no snapshot has.
    owed: bool,
    writing: Option<JoinHandle<()>>,
}

impl Snapshots {
    /// `last`: the snapshot the group was opened from.
    pub(super) const fn new(last: Option<(Seq, Epoch)>) -> Self {
        Self { last, owed: false, writing: None }
    }

    /// Starts writing if what was appended here makes one due and nothing is being written.
    ///
    /// A failure is no harm: frames are the truth, opening takes longer, and the next one comes.
    pub(super) fn consider(&mut self, env: &Arc<Env>, book: &Arc<Book>) {
        self.owed |= self.operations(book) > 0;
        if !self.is_due(env, book) || self.writing.as_ref().is_some_and(|job| !job.is_finished()) {
            return;
        }
        self.written(book);
        let (env, book) = (Arc::clone(env), Arc::clone(book));
        self.writing = Some(tokio::spawn(async move {
            write(&env, &book).await;
        }));
    }

    /// Takes what another node appended into account: if it made a snapshot due, that node writes it.
    pub(super) fn leave_to_others(&mut self, env: &Env, book: &Book) {
        if self.is_due(env, book) {
            self.written(book);
        }
    }

    /// Waits for a snapshot under way, then writes one if there was an operation since the last: one appended here, or as
    /// many elsewhere as make one due.
    pub(super) async fn finish(&mut self, env: &Arc<Env>, book: &Arc<Book>) {
        if let Some(job) = self.writing.take() {
            // Its outcome has been reported where it happened.
            let _ended = job.await;
        }
        let others_may = if env.others.is_some() { env.settings.snapshot_operations.get() } else { 1 };
        if self.owed || self.operations(book) >= others_may {
            self.written(book);
            write(env, book).await;
        }
    }

    fn written(&mut self, book: &Book) {
        self.last = Some((book.state.seq(), book.state.epoch()));
        self.owed = false;
    }

    /// Whether a multiple of either bound was reached since the last snapshot.
    fn is_due(&self, env: &Env, book: &Book) -> bool {
        let (seq, epoch) = self.last.unwrap_or_default();
        let passed = |before: u64, now: u64, every: NonZeroU64| before / every < now / every;
        passed(epoch.get(), book.state.epoch().get(), env.settings.snapshot_operations)
            || passed(seq.get(), book.state.seq().get(), env.settings.snapshot_frames)
    }

    /// Operations since the last snapshot.
    fn operations(&self, book: &Book) -> u64 {
        let (_, epoch) = self.last.unwrap_or_default();
        book.state.epoch().get().saturating_sub(epoch.get())
    }
}

/// Writes one snapshot and says whether that worked.
pub(super) async fn write(env: &Arc<Env>, book: &Arc<Book>) -> bool {
    let (group, seq): (GroupId, Seq) = (book.state.group(), book.state.seq());
    let promised = promised_by_others(env, &group).await;
    let encoded = {
        let book = Arc::clone(book);
        let encode = move || {
            if promised > book.horizon {
                Book { horizon: promised, ..Book::clone(&book) }.to_bytes()
            } else {
                book.to_bytes()
            }
        };
        env.pool.run_patiently(encode).await
    };
    let written = match encoded {
        Ok(bytes) => env.store.put_snapshot(&group, seq, bytes).await.map_err(Into::into),
        Err(failure) => Err(failure),
    };
    match written {
        Ok(()) => {
            env.metrics.snapshot_written();
            true
        }
        Err(failure) => {
            env.metrics.snapshot_failed();
            tracing::warn!(error = %failure, "a snapshot could not be written");
            false
        }
    }
}

/// From where another node has promised to keep operations: a snapshot must not promise more again.
async fn promised_by_others(env: &Env, group: &GroupId) -> Seq {
    if env.others.is_none() {
        return Seq::ZERO;
    }
    match env.store.snapshot(group, None).await {
        Ok(Some((_, bytes))) => Book::horizon_of(&bytes).unwrap_or_default(),
        // Without an answer the snapshot may promise what is gone; whoever asks for it finds out.
        Ok(None) | Err(_) => Seq::ZERO,
    }
}
