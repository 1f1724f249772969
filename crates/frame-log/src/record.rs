//! What is stored: records, pages of them, and the bounds of both.

use bytes::Bytes;
use protocol::{Epoch, FrameHash, FrameId, Seq, limits};

/// Longest frame a log takes, in bytes: the protocol's own bound.
pub const MAX_RECORD: usize = limits::MAX_FRAME;
/// Most records one page holds.
pub const MAX_PAGE_RECORDS: usize = 1_024;
/// Most frame bytes one page holds, unless its first record alone is larger.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Milliseconds since 1970-01-01 UTC, by the clock of the node that took the frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// Wraps a number of milliseconds.
    #[must_use]
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// The number of milliseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A frame as it is handed to the log; the log gives it its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The frame's wire bytes, at most [`MAX_RECORD`].
    pub frame: Bytes,
    /// The sender's id of the frame: one per group, the key of idempotent delivery.
    pub frame_id: FrameId,
    /// `th`, the hash the frame is known by.
    pub th: FrameHash,
    /// When the node took it. Kept for people and retention; it orders nothing.
    pub received_at: UnixMillis,
    /// The group's epoch the frame was accepted in.
    pub epoch: Epoch,
    /// Whether the frame is an operation; only operations change the group's state.
    pub is_operation: bool,
}

/// A record in its place, whole or pruned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredRecord {
    /// Position in the group, dense from 0.
    pub seq: Seq,
    /// The frame's wire bytes, `None` once retention dropped them.
    pub frame: Option<Bytes>,
    /// The sender's id of the frame.
    pub frame_id: FrameId,
    /// `th`, the hash the frame is known by.
    pub th: FrameHash,
    /// When the node took it.
    pub received_at: UnixMillis,
    /// The group's epoch the frame was accepted in.
    pub epoch: Epoch,
    /// Whether the frame is an operation.
    pub is_operation: bool,
}

impl StoredRecord {
    /// The record of an append that got position `seq`.
    #[must_use]
    pub fn new(seq: Seq, record: Record) -> Self {
        let Record { frame, frame_id, th, received_at, epoch, is_operation } = record;
        Self { seq, frame: Some(frame), frame_id, th, received_at, epoch, is_operation }
    }

    /// The same record without its bytes.
    #[must_use]
    pub fn pruned(self) -> Self {
        Self { frame: None, ..self }
    }
}

/// How much one read returns at most, already within the log's own bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    records: usize,
    bytes: usize,
}

impl Limit {
    /// The largest page.
    pub const MAX: Self = Self { records: MAX_PAGE_RECORDS, bytes: MAX_PAGE_BYTES };

    /// At most this many records (1 to [`MAX_PAGE_RECORDS`]) and frame bytes (up to [`MAX_PAGE_BYTES`]); values
    /// outside are brought to the nearest bound.
    ///
    /// A page always holds its first record even if that alone has more bytes, so reading never stalls.
    #[must_use]
    pub fn new(records: usize, bytes: usize) -> Self {
        Self { records: records.clamp(1, MAX_PAGE_RECORDS), bytes: bytes.min(MAX_PAGE_BYTES) }
    }

    /// Most records.
    #[must_use]
    pub const fn records(self) -> usize {
        self.records
    }

    /// Most frame bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// Whether a page of `records` records and `bytes` frame bytes may take one more of `next` bytes.
    #[must_use]
    pub const fn admits(self, records: usize, bytes: usize, next: usize) -> bool {
        records == 0 || (records < self.records && bytes.saturating_add(next) <= self.bytes)
    }
}

/// A stretch of a group's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Records in order, without a gap.
    pub records: Vec<StoredRecord>,
    /// Where to read on: one past the last record, or the position asked for when there was none.
    pub next: Seq,
    /// The last position in the log when the page was made, `None` for an empty group.
    pub head: Option<Seq>,
    /// From here on every record has its frame; below it, frames are there only as far as retention kept them.
    pub horizon: Seq,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stay_within_bounds() {
        assert_eq!(Limit::new(0, usize::MAX), Limit { records: 1, bytes: MAX_PAGE_BYTES });
        assert_eq!(Limit::new(usize::MAX, 10), Limit { records: MAX_PAGE_RECORDS, bytes: 10 });
    }

    #[test]
    fn first_record_is_always_admitted() {
        let limit = Limit::new(2, 10);
        assert!(limit.admits(0, 0, 11));
        assert!(limit.admits(1, 5, 5));
        assert!(!limit.admits(1, 5, 6));
        assert!(!limit.admits(2, 0, 0));
    }
}
