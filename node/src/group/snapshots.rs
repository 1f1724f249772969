//! When a group's book is written down.

use std::sync::Arc;

use protocol::{Epoch, GroupId, Seq};
use tokio::task::JoinHandle;

use super::{Book, Env};

/// Decides when the next snapshot is due and writes one at a time, beside the group's work.
#[derive(Debug)]
pub(super) struct Snapshots {
    last: Option<(Seq, Epoch)>,
    writing: Option<JoinHandle<()>>,
}

impl Snapshots {
    /// `last`: the snapshot the group was opened from.
    pub(super) const fn new(last: Option<(Seq, Epoch)>) -> Self {
        Self { last, writing: None }
    }

    /// Starts writing if enough has happened and nothing is being written.
    ///
    /// A failure is no harm: frames are the truth, opening takes longer, and the next one comes.
    pub(super) fn consider(&mut self, env: &Arc<Env>, book: &Arc<Book>) {
        let (operations, frames) = self.distance(book);
        let due = operations >= env.settings.snapshot_operations.get()
            || frames >= env.settings.snapshot_frames.get();
        if !due || self.writing.as_ref().is_some_and(|job| !job.is_finished()) {
            return;
        }
        self.last = Some((book.state.seq(), book.state.epoch()));
        let (env, book) = (Arc::clone(env), Arc::clone(book));
        self.writing = Some(tokio::spawn(async move {
            write(&env, &book).await;
        }));
    }

    /// Waits for a snapshot under way, then writes one if any operation happened since the last.
    pub(super) async fn finish(&mut self, env: &Arc<Env>, book: &Arc<Book>) {
        if let Some(job) = self.writing.take() {
            // Its outcome has been reported where it happened.
            let _ended = job.await;
        }
        if self.distance(book).0 > 0 {
            self.last = Some((book.state.seq(), book.state.epoch()));
            write(env, book).await;
        }
    }

    /// Operations and frames since the last snapshot.
    fn distance(&self, book: &Book) -> (u64, u64) {
        let (seq, epoch) = self.last.unwrap_or_default();
        let operations = book.state.epoch().get().saturating_sub(epoch.get());
        (operations, book.state.seq().get().saturating_sub(seq.get()))
    }
}

/// Writes one snapshot and says whether that worked.
pub(super) async fn write(env: &Arc<Env>, book: &Arc<Book>) -> bool {
    let (group, seq): (GroupId, Seq) = (book.state.group(), book.state.seq());
    let encoded = {
        let book = Arc::clone(book);
        env.pool.run_patiently(move || book.to_bytes()).await
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
