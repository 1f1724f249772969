//! The log itself.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use protocol::{FrameHash, FrameId, GroupId, Seq};

use crate::{AppendError, Limit, Page, ReadError, Record, StoredRecord, WriteError};

/// Longest snapshot, in bytes.
pub const MAX_SNAPSHOT: usize = 64 * 1024 * 1024;

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

/// One record of [`FrameLog::follow`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Followed {
    /// Where to go on after this record.
    pub after: Cursor,
    /// Whose record it is.
    pub group: GroupId,
    /// The record, as it is now: pruned if retention was faster than the reader.
    pub record: StoredRecord,
}

/// Records of all groups in append order; see [`FrameLog::follow`].
pub type FollowStream = BoxStream<'static, Result<Followed, ReadError>>;

/// What retention leaves of the operations below its bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Keep {
    /// Operations stay whole, messages are pruned.
    Operations,
    /// Operations are pruned like messages.
    Nothing,
}

/// What one call of [`FrameLog::prune`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pruned {
    /// Records that lost their bytes in this call.
    pub records: u64,
    /// The group's horizon now, as in [`Page::horizon`].
    pub horizon: Seq,
}

/// Frames of all groups, each group densely numbered from 0, safe against the death of the process at any moment.
///
/// **Order.** A group's records have positions 0, 1, 2, … without a gap. Over all groups the log has one order too,
/// the one [`follow`](Self::follow) shows; it contains every group's own order, and if one append was acknowledged
/// before another was called, it comes first.
///
/// **Compare and append.** [`append`](Self::append) names the position it wants. Of any number of writers, in one
/// process or many, exactly one gets a position; the others learn which one is next. This alone makes a group's
/// order correct: a task per group only makes it fast.
///
/// **Durability.** An `Ok` from any writing method means that what was written survives the loss of power. What was
/// not acknowledged may still be there after a crash, wholly or not at all, never partly and never out of order.
///
/// **Visibility.** What is acknowledged is seen by every read called afterwards. What is not yet durable is seen by
/// nobody.
///
/// **Bounds.** Records, pages, snapshots and queues are bounded; a full queue makes the caller wait, it never grows.
///
/// **Cancel safety.** Dropping a future of a reading method has no effect. Dropping one of a writing method leaves
/// the outcome open, as a lost reply would: ask again, [`find`](Self::find) and the conflict answer tell.
#[async_trait]
pub trait FrameLog: Send + Sync + 'static {
    /// Appends `record` to `group` if `expected` is the group's next position and returns that position.
    ///
    /// Checked in this order: size, id, position. A retry of an append that succeeded therefore gets
    /// [`AppendError::Duplicate`] with the position the frame has, however old it is and even if it was pruned.
    ///
    /// # Errors
    /// See [`AppendError`], which says for each what is known about the frame.
    ///
    /// # Cancel safety
    /// The frame may be appended after the future was dropped; see the trait.
    async fn append(&self, group: &GroupId, expected: Seq, record: Record) -> Result<Seq, AppendError>;

    /// The records from `from` on, as many as fit `limit`, all from one moment.
    ///
    /// An unknown group is an empty one. A page without records means there is nothing at or after `from`.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn read(&self, group: &GroupId, from: Seq, limit: Limit) -> Result<Page, ReadError>;

    /// The last position of `group`, `None` while it has no record.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn head(&self, group: &GroupId) -> Result<Option<Seq>, ReadError>;

    /// Where the frame of this id is in `group`, and its hash.
    ///
    /// The answer is written with the record, in one step, and outlives its bytes.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn find(&self, group: &GroupId, id: &FrameId) -> Result<Option<(Seq, FrameHash)>, ReadError>;

    /// Keeps `state`, at most [`MAX_SNAPSHOT`] bytes, as the group's state after the record at `at`.
    ///
    /// Every snapshot is kept until [`drop_snapshots`](Self::drop_snapshots); a second one of the same position
    /// replaces the first.
    ///
    /// # Errors
    /// See [`WriteError`].
    async fn put_snapshot(&self, group: &GroupId, at: Seq, state: Bytes) -> Result<(), WriteError>;

    /// The newest snapshot, or with `at_most` the newest one of that position or before.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn snapshot(
        &self,
        group: &GroupId,
        at_most: Option<Seq>,
    ) -> Result<Option<(Seq, Bytes)>, ReadError>;

    /// Forgets the snapshots of positions before `before`, except the group's newest one, and returns how many.
    ///
    /// # Errors
    /// See [`WriteError`].
    async fn drop_snapshots(&self, group: &GroupId, before: Seq) -> Result<u64, WriteError>;

    /// Drops the bytes of the group's records before `before`, except those `keep` names.
    ///
    /// A pruned record keeps everything but its frame. `before` beyond the head means up to the head. Works in
    /// steps, each durable: dropped or failed midway it has pruned a beginning, and a second call goes on. The space
    /// is given back later, when the storage is next compacted.
    ///
    /// # Errors
    /// See [`WriteError`].
    async fn prune(&self, group: &GroupId, before: Seq, keep: Keep) -> Result<Pruned, WriteError>;

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
