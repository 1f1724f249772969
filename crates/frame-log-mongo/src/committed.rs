//! What this process knows to be committed, and how it waits for a view that is as new.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use protocol::{FrameId, GroupId, Seq};
use tokio::time::Instant;

use crate::error::Fault;

/// Most groups remembered. To forget one costs a request, nothing else.
const MAX_KNOWN: usize = 65_536;
/// Bytes of a frame as long as none was seen.
const USUAL_FRAME: usize = 1_024;

/// A record that is known to be committed to a majority.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Where it is.
    pub(crate) seq: Seq,
    /// Its frame's id.
    pub(crate) id: FrameId,
}

/// For groups in use, the last record known to be committed to a majority; the group may be further.
///
/// What a majority has is never taken back, so an entry stays true for as long as the database is the same.
#[derive(Debug)]
pub(crate) struct Committed {
    heads: Mutex<HashMap<GroupId, Known>>,
    frame: AtomicUsize,
}

impl Committed {
    pub(crate) fn new() -> Self {
        Self { heads: Mutex::default(), frame: AtomicUsize::new(USUAL_FRAME) }
    }

    fn heads(&self) -> MutexGuard<'_, HashMap<GroupId, Known>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last position known to be committed.
    pub(crate) fn get(&self, group: &GroupId) -> Option<Seq> {
        self.known(group).map(|known| known.seq)
    }

    /// The last record known to be committed.
    pub(crate) fn known(&self, group: &GroupId) -> Option<Known> {
        self.heads().get(group).copied()
    }

    /// Remembers that a majority has this record, hence all before.
    pub(crate) fn note(&self, group: &GroupId, now: Known) {
        let mut heads = self.heads();
        if let Some(known) = heads.get_mut(group) {
            if now.seq > known.seq {
                *known = now;
            }
            return;
        }
        if heads.len() >= MAX_KNOWN {
            heads.clear();
        }
        heads.insert(*group, now);
    }

    /// How long frames are of late, in bytes; a guess by which pages are fetched.
    pub(crate) fn usual_frame(&self) -> usize {
        self.frame.load(Ordering::Relaxed)
    }

    /// Corrects the guess by a page of `records` with `bytes` in all.
    pub(crate) fn saw_frames(&self, records: usize, bytes: usize) {
        if let Some(mean) = bytes.checked_div(records) {
            let before = self.usual_frame();
            self.frame.store((before * 3 + mean) / 4, Ordering::Relaxed);
        }
    }
}

/// Makes sure that what was seen is on disk, for many at once.
///
/// A standalone server shows a record before its journal has it, whatever the read concern. A write that waits for the
/// journal takes everything before it along.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    begun: AtomicU64,
    done: tokio::sync::Mutex<u64>,
}

impl Flush {
    /// Runs `flush`, or waits for another's that begins after this call.
    pub(crate) async fn after_now(
        &self,
        flush: impl Future<Output = Result<(), Fault>>,
    ) -> Result<(), Fault> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut done = self.done.lock().await;
        if *done > before {
            return Ok(());
        }
        let this = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        flush.await?;
        *done = this;
        Ok(())
    }
}

/// Asks again, ever more slowly, until it has been long enough.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    const FIRST: Duration = Duration::from_millis(2);
    const LONGEST: Duration = Duration::from_millis(200);

    pub(crate) fn new(total: Duration) -> Self {
        Self { until: Instant::now() + total, pause: Self::FIRST }
    }

    /// Waits before the next attempt, or says that there is none.
    pub(crate) async fn again(&mut self) -> Result<(), Fault> {
        let next = Instant::now() + self.pause;
        if next > self.until {
            tracing::warn!("the database shows less than a majority had");
            return Err(Fault::Unavailable);
        }
        self.pause = (self.pause * 2).min(Self::LONGEST);
        tokio::time::sleep_until(next).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_only_grow_and_groups_are_bounded() {
        let committed = Committed::new();
        let group =
            |n: usize| GroupId::new(std::array::from_fn(|i| n.to_le_bytes().get(i).copied().unwrap_or(0)));
        let known = |seq| Known { seq: Seq::new(seq), id: FrameId::new([9; FrameId::LEN]) };
        committed.note(&group(1), known(5));
        committed.note(&group(1), known(3));
        assert_eq!(committed.get(&group(1)), Some(Seq::new(5)));
        for n in 0..=MAX_KNOWN {
            committed.note(&group(n), known(0));
        }
        assert!(committed.heads().len() <= MAX_KNOWN);
    }

    #[tokio::test]
    async fn a_flush_serves_all_who_asked_before_it_began() {
        let (flush, runs) = (Flush::default(), AtomicU64::new(0));
        let run = || async {
            runs.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(())
        };
        let asked = futures_util::future::join_all((0..10).map(|_| flush.after_now(run()))).await;
        assert!(asked.into_iter().all(|outcome| outcome == Ok(())));
        assert_eq!(runs.load(Ordering::SeqCst), 2, "the one that was under way is too old for the rest");
        flush.after_now(async { Err(Fault::Unavailable) }).await.unwrap_err();
        flush.after_now(run()).await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 3, "one that failed serves nobody");
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let mut patience = Patience::new(Duration::from_secs(1));
        let mut tries = 0;
        while patience.again().await.is_ok() {
            tries += 1;
        }
        assert!((8..20).contains(&tries), "{tries}");
    }
}
