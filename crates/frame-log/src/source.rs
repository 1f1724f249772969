//! Following a log on behalf of others: what a relay, or a node beside other nodes, reads.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use protocol::GroupId;
use thiserror::Error;

use crate::{BucketRange, Cursor, ReadError, StoredRecord, TotalOrder};

/// Longest [`Place`], in bytes. Resume tokens of MongoDB have about a hundred.
pub const MAX_PLACE: usize = 1_024;

/// Bytes that are no place: none, or more than [`MAX_PLACE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a place has 1 to 1024 bytes, not {0}")]
pub struct BadPlace(usize);

/// Where a source has got to, in its own words: to be stored by the reader and given back, and not to be looked into.
///
/// Means nothing to another source, another range of buckets, or another life of the log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Place(Bytes);

impl Place {
    /// Wraps 1 to [`MAX_PLACE`] bytes.
    ///
    /// # Errors
    /// [`BadPlace`] for any other number of them.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, BadPlace> {
        let bytes = bytes.into();
        match bytes.len() {
            1..=MAX_PLACE => Ok(Self(bytes)),
            len => Err(BadPlace(len)),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({} bytes)", self.0.len())
    }
}

/// How a source learns of new records; for logs and measurements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SourceKind {
    /// The log has one order, see [`TotalOrder`].
    TotalOrder,
    /// The database pushes its changes.
    ChangeStream,
    /// The database is asked again and again.
    Polling,
}

impl SourceKind {
    /// A name for people and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TotalOrder => "total-order",
            Self::ChangeStream => "change-stream",
            Self::Polling => "polling",
        }
    }
}

/// One step of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sourced {
    /// Where to go on after this step.
    pub after: Place,
    /// What there was.
    pub item: SourceItem,
}

/// What a source shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceItem {
    /// A record; pruned if retention was faster than the reader.
    Record {
        /// Whose record it is.
        group: GroupId,
        /// The record.
        record: StoredRecord,
    },
    /// Something is stored that is no record. It never will be one: report it and go on.
    Poison {
        /// What is known of where it is, for people. Holds nothing of its content.
        id: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing new; but the place has moved on, and should be stored lest it grow too old.
    Idle,
}

/// Steps of a source; see [`FrameSource::open`].
pub type SourceStream = BoxStream<'static, Result<Sourced, SourceError>>;

/// Why a source does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// This place can never be gone on from: too old, not yet reached, of another life of the log, or no place at all.
    /// Coming back with it is no use; what was missed has to be looked for in the log itself.
    #[error("the place is lost")]
    Lost,
    /// Stored bytes do not pass their checks.
    #[error("stored data is damaged")]
    Damaged,
    /// The log cannot be reached at the moment.
    #[error("the log is not available")]
    Unavailable,
}

impl From<ReadError> for SourceError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { .. } => Self::Damaged,
            ReadError::Unavailable => Self::Unavailable,
        }
    }
}

/// The new records of a log as they come, for any stretch of buckets.
///
/// **At least once.** From a place on, every record acknowledged after the place was given is shown. Some may be shown
/// that came before, and some twice.
///
/// **Order.** The first showing of each of a group's records comes in the order of their positions, save from a source
/// that is [polling](SourceKind::Polling): there a record may be late by a little. Positions are dense, so a reader
/// that knows a group's last one can tell both repetition and gap, and [`FrameLog::read`](crate::FrameLog::read) fills
/// a gap. Groups among each other have no order.
#[async_trait]
pub trait FrameSource: Send + Sync + 'static {
    /// How it learns of records.
    fn kind(&self) -> SourceKind;

    /// A place from which on every record is shown that is acknowledged after this call.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] or [`SourceError::Damaged`].
    async fn now(&self) -> Result<Place, SourceError>;

    /// Follows the groups of `buckets` from a place of this source that was given for the same buckets, or by
    /// [`now`](Self::now). The stream ends with its first error; it does not end otherwise.
    ///
    /// It holds a bounded amount and waits for its reader.
    ///
    /// # Errors
    /// [`SourceError`], here or as the stream's last item. [`SourceError::Lost`] may come late, but no record is
    /// shown before it from a place that is lost.
    async fn open(&self, buckets: BucketRange, from: &Place) -> Result<SourceStream, SourceError>;
}

/// The source of a log that has one order. A place is the number of records before it, eight bytes big-endian.
#[derive(Debug)]
pub struct OrderedSource<L>(Arc<L>);

impl<L> OrderedSource<L> {
    /// Follows `log`.
    #[must_use]
    pub const fn new(log: Arc<L>) -> Self {
        Self(log)
    }
}

fn place(cursor: Cursor) -> Result<Place, SourceError> {
    Place::new(cursor.get().to_be_bytes().to_vec()).map_err(|_| SourceError::Damaged)
}

#[async_trait]
impl<L: TotalOrder> FrameSource for OrderedSource<L> {
    fn kind(&self) -> SourceKind {
        SourceKind::TotalOrder
    }

    async fn now(&self) -> Result<Place, SourceError> {
        place(self.0.tail().await?)
    }

    async fn open(&self, buckets: BucketRange, from: &Place) -> Result<SourceStream, SourceError> {
        let from = u64::from_be_bytes(from.as_bytes().try_into().map_err(|_| SourceError::Lost)?);
        // A log that has lost its end, or another log, would otherwise keep silent until it has grown so far.
        if from > self.0.tail().await?.get() {
            return Err(SourceError::Lost);
        }
        // How many records of others have passed since the reader was last told a place.
        let followed = (self.0.follow(Cursor::new(from)), 0_u32);
        let steps = stream::unfold(Some(followed), move |state| async move {
            let (mut records, mut passed) = state?;
            loop {
                let step = match records.next().await? {
                    Ok(followed) => place(followed.after).map(|after| (followed, after)),
                    Err(error) => Err(error.into()),
                };
                match step {
                    Ok((followed, after)) if buckets.holds(&followed.group) => {
                        let item = SourceItem::Record { group: followed.group, record: followed.record };
                        return Some((Ok(Sourced { after, item }), Some((records, 0))));
                    }
                    Ok((_, after)) => {
                        passed += 1;
                        if passed >= IDLE_RECORDS {
                            return Some((Ok(Sourced { after, item: SourceItem::Idle }), Some((records, 0))));
                        }
                    }
                    Err(error) => return Some((Err(error), None)),
                }
            }
        });
        Ok(steps.boxed())
    }
}

/// Records of other buckets after which the reader is told the place.
const IDLE_RECORDS: u32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_not_printed() {
        assert_eq!(Place::new(Vec::new()), Err(BadPlace(0)));
        assert_eq!(Place::new(vec![0; MAX_PLACE + 1]), Err(BadPlace(MAX_PLACE + 1)));
        assert_eq!(format!("{:?}", Place::new(b"token".to_vec()).unwrap()), "Place(5 bytes)");
    }
}
