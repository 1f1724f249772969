//! The contract of a frame log: what it promises, what it bounds, and the suite that checks every implementation.
//!
//! A node keeps three things: the frames of all groups ([`FrameLog`]), the key packages people leave for each other
//! ([`Mailboxes`]) and a handful of values about itself ([`Meta`]). This crate names them and says exactly what a
//! returned `Ok` is worth. It knows nothing of folds, proofs, HTTP or of any database: a record is opaque bytes
//! under an id.
//!
//! Beside them stands what makes more than one machine possible: [`FrameSource`], by which a relay hears of new
//! records, and [`Partitions`], by which several relays share the groups out.
//!
//! Start with [`FrameLog`]. [`memory::MemoryLog`] keeps all three in memory for tests and simulations;
//! `conformance` (feature `testing`) is the suite an implementation runs against itself.

#[cfg(feature = "testing")]
pub mod conformance;
mod error;
mod log;
mod mailboxes;
pub mod memory;
mod meta;
mod order;
mod partition;
mod record;
mod source;

pub use error::{AppendError, ReadError, WriteError};
pub use log::{FrameLog, Keep, MAX_GROUPS, MAX_SNAPSHOT, Pruned};
pub use mailboxes::{
    Claimed, MAX_PACKAGE, MAX_PACKAGE_TTL, MAX_PACKAGES, MailboxError, MailboxId, Mailboxes, NewPackage, Put,
};
pub use meta::{
    BadLogLife, LOG_LIFE, LogLife, MAX_META_KEY, MAX_META_VALUE, Meta, MetaKey, MetaValue, Replaced,
};
pub use order::{Cursor, FollowStream, Followed, TotalOrder};
pub use partition::{BUCKETS, BadPartitions, Bucket, BucketRange, Partition, Partitions};
pub use record::{
    Limit, MAX_PAGE_BYTES, MAX_PAGE_RECORDS, MAX_RECORD, Page, Record, StoredRecord, UnixMillis,
};
pub use source::{
    BadPlace, FrameSource, MAX_PLACE, OrderedSource, Place, SourceError, SourceItem, SourceKind,
    SourceStream, Sourced,
};
