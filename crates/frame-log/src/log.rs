//! The log itself.

use async_trait::async_trait;
use bytes::Bytes;
use protocol::{FrameHash, FrameId, GroupId, Seq};

use crate::{AppendError, Limit, Page, ReadError, Record, WriteError};

/// Longest snapshot, in bytes.
pub const MAX_SNAPSHOT: usize = 64 * 1024 * 1024;

/// Most groups one call of [`FrameLog::groups`] names.
pub const MAX_GROUPS: usize = 1_024;

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
/// **Order.** A group's records have positions 0, 1, 2, … without a gap. What order there is among groups, and how new
/// records are heard of, is not said here: see [`TotalOrder`](crate::TotalOrder) and
/// [`FrameSource`](crate::FrameSource).
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

    /// Up to `limit` groups (1 to [`MAX_GROUPS`]; values outside are brought to the nearest bound) that hold a
    /// record, in ascending order of their ids, beginning after `after`. Fewer than asked for does not mean that there
    /// are no more; none does.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupId>, ReadError>;
}
