//! Logs that have one order over all groups.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use protocol::GroupId;

use crate::{FrameLog, ReadError, StoredRecord};

/// A place between two records in the order in which the log took them, over all groups.
///
/// It is meant to be stored by its reader and given back; two cursors of one log compare as their places do. Cursors
/// of different logs, or of a log and its restored copy, have nothing to do with each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Cursor(u64);

impl Cursor {
    /// Before the first record.
    pub const START: Self = Self(0);

    /// Wraps the number of records before this place.
    #[must_use]
    pub const fn new(records_before: u64) -> Self {
        Self(records_before)
    }

    /// The number of records before this place.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// One record of [`TotalOrder::follow`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Followed {
    /// Where to go on after this record.
    pub after: Cursor,
    /// Whose record it is.
    pub group: GroupId,
    /// The record, as it is now: pruned if retention was faster than the reader.
    pub record: StoredRecord,
}

/// Records of all groups in append order; see [`TotalOrder::follow`].
pub type FollowStream = BoxStream<'static, Result<Followed, ReadError>>;

/// A log with one order over all groups, as a log on one machine has.
///
/// The order contains every group's own, and if one append was acknowledged before another was called, it comes first.
#[async_trait]
pub trait TotalOrder: FrameLog {
    /// All records of all groups after `from`, in the log's order, first the stored ones, then each new one as it
    /// becomes durable. Never skips, never repeats, never ends by itself.
    ///
    /// The stream reads the log at its reader's pace and holds one page; a slow reader costs nothing but its own
    /// delay. A cursor beyond the end waits until the log gets there. After an error the stream ends; a new one from
    /// the last cursor goes on.
    fn follow(&self, from: Cursor) -> FollowStream;

    /// The place after the last durable record.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn tail(&self) -> Result<Cursor, ReadError>;
}
