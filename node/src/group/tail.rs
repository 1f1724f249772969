//! The newest frames of an active group, ready to be served to any number of followers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use frame_log::StoredRecord;
use protocol::{LogHash, Seq};

use super::Book;
use crate::served;

/// What an item counts besides its bytes, so that empty frames are not free.
const OVERHEAD: usize = 512;

/// One frame of the tail. Encoded once, however many read it.
#[derive(Debug)]
pub(crate) struct TailItem {
    pub(crate) record: StoredRecord,
    /// `log_s` at this position.
    pub(crate) log: LogHash,
    /// The group after this frame, if it was an operation: only those change anybody's rights.
    pub(crate) changed: Option<Arc<Book>>,
    full: OnceLock<Bytes>,
    heads: OnceLock<Bytes>,
}

impl TailItem {
    pub(crate) fn new(record: StoredRecord, book: &Arc<Book>) -> Self {
        let changed = record.is_operation.then(|| Arc::clone(book));
        Self { record, log: book.state.log(), changed, full: OnceLock::new(), heads: OnceLock::new() }
    }

    /// The served form with everything in it.
    pub(crate) fn full(&self) -> Bytes {
        self.full.get_or_init(|| served::full(&self.record)).clone()
    }

    /// The served form for those who may see heads only.
    pub(crate) fn heads(&self) -> Bytes {
        self.heads.get_or_init(|| served::heads(&self.record)).clone()
    }

    fn weight(&self) -> usize {
        OVERHEAD.saturating_add(self.record.frame.as_ref().map_or(0, |frame| frame.len().saturating_mul(2)))
    }
}

/// A ring of consecutive frames up to the head, bounded in number and bytes.
#[derive(Debug)]
pub(crate) struct Tail {
    most_items: usize,
    most_bytes: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    items: VecDeque<Arc<TailItem>>,
    bytes: usize,
}

impl Tail {
    pub(crate) fn new(most_items: usize, most_bytes: usize) -> Self {
        Self { most_items, most_bytes, ring: Mutex::default() }
    }

    /// Held for a few pointer moves, never across an await.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the next frame and lets go of the oldest ones beyond the bounds.
    pub(crate) fn push(&self, item: TailItem) {
        let mut ring = self.ring();
        ring.bytes = ring.bytes.saturating_add(item.weight());
        ring.items.push_back(Arc::new(item));
        while ring.items.len() > self.most_items || ring.bytes > self.most_bytes {
            match ring.items.pop_front() {
                Some(oldest) => ring.bytes = ring.bytes.saturating_sub(oldest.weight()),
                None => break,
            }
        }
    }

    /// Up to `most` frames from `from` on; `None` if `from` is older than the ring reaches.
    pub(crate) fn from(&self, from: Seq, most: usize) -> Option<Vec<Arc<TailItem>>> {
        let ring = self.ring();
        let first = ring.items.front()?.record.seq;
        // Positions in the ring are consecutive, so a difference is an index.
        let skip = usize::try_from(from.get().checked_sub(first.get())?).ok()?;
        Some(ring.items.iter().skip(skip).take(most).map(Arc::clone).collect())
    }

    /// The frame at a position, if the ring holds it.
    pub(crate) fn at(&self, seq: Seq) -> Option<Arc<TailItem>> {
        self.from(seq, 1)?.pop()
    }
}
