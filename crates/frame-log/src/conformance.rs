//! One suite that every implementation runs against itself.
//!
//! Implement [`Harness`] for the log under test and call [`run`] from a test on a multi-threaded runtime; each
//! scenario is also public on its own. A scenario panics with the broken promise.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken promise ends the test that called the suite"
)]

mod append;
mod follow;
mod history;
mod mailboxes;
mod retention;
pub mod source;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};

pub use append::{
    appends_in_order, finds_by_id, groups_are_listed, one_winner_per_position, pages_within_limits,
    refuses_large_records, survives_reopening,
};
pub use follow::{follows_across_the_live_edge, follows_from_any_cursor, follows_many_readers};
pub use history::{appends_are_linearizable, appends_are_linearizable_over};
pub use mailboxes::{
    claims_race_for_each_package_once, expired_packages_are_gone, mailboxes_are_bounded,
    meta_values_are_kept, meta_values_are_replaced_once, retries_do_not_restock,
};
pub use retention::{prunes_messages_then_operations, snapshots_are_kept_and_dropped};
pub use source::SourceHarness;

use crate::{
    FrameLog, FrameSource, Limit, Mailboxes, Meta, OrderedSource, Record, StoredRecord, TotalOrder,
    UnixMillis,
};

/// Opens the log under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The implementation.
    type Log: FrameLog + Mailboxes + Meta;

    /// A new, empty log.
    async fn fresh(&self) -> Arc<Self::Log>;

    /// Closes `log`, the last handle to what [`fresh`](Self::fresh) made last, and opens the same storage again.
    async fn reopen(&self, log: Arc<Self::Log>) -> Arc<Self::Log>;
}

/// Runs every scenario, each on a log of its own.
///
/// # Panics
/// When a promise of the contract is broken.
pub async fn run(harness: &impl Harness) {
    appends_in_order(harness).await;
    pages_within_limits(harness).await;
    finds_by_id(harness).await;
    refuses_large_records(harness).await;
    one_winner_per_position(harness).await;
    survives_reopening(harness).await;
    appends_are_linearizable(harness).await;
    prunes_messages_then_operations(harness).await;
    snapshots_are_kept_and_dropped(harness).await;
    groups_are_listed(harness).await;
    claims_race_for_each_package_once(harness).await;
    retries_do_not_restock(harness).await;
    mailboxes_are_bounded(harness).await;
    expired_packages_are_gone(harness).await;
    meta_values_are_kept(harness).await;
    meta_values_are_replaced_once(harness).await;
}

/// Runs every scenario of a log that has one order, and of the source made of it.
///
/// # Panics
/// When a promise of the contract is broken.
pub async fn run_ordered<H: Harness<Log: TotalOrder>>(harness: &H) {
    follows_from_any_cursor(harness).await;
    follows_across_the_live_edge(harness).await;
    follows_many_readers(harness).await;
    source::run(&Ordered(harness)).await;
}

/// A log that has one order, seen as a source.
struct Ordered<'a, H>(&'a H);

#[async_trait]
impl<H: Harness<Log: TotalOrder>> SourceHarness for Ordered<'_, H> {
    type Log = H::Log;

    async fn fresh(&self) -> (Arc<Self::Log>, Arc<dyn FrameSource>) {
        let log = self.0.fresh().await;
        let source = Arc::new(OrderedSource::new(Arc::clone(&log)));
        (log, source)
    }
}

/// The group of a number.
#[must_use]
pub fn group(n: u64) -> GroupId {
    let mut bytes = [0x6b; GroupId::LEN];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    GroupId::new(bytes)
}

/// The id of the `n`-th record a test makes.
#[must_use]
pub fn id(n: u64) -> FrameId {
    let mut bytes = [0x1d; FrameId::LEN];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    FrameId::new(bytes)
}

/// A record made of a number, every field different from every other record's; each third one is an operation.
#[must_use]
pub fn record(n: u64) -> Record {
    let mut th = [0x7e; FrameHash::LEN];
    th[..8].copy_from_slice(&n.to_be_bytes());
    let len = 40 + usize::try_from(n % 7).unwrap_or_default() * 30;
    let frame: Vec<u8> = n.to_be_bytes().into_iter().cycle().take(len).collect();
    Record {
        frame: Bytes::from(frame),
        frame_id: id(n),
        th: FrameHash::new(th),
        received_at: UnixMillis::new(1_700_000_000_000 + n),
        epoch: Epoch::new(n / 3),
        is_operation: n.is_multiple_of(3),
    }
}

/// Appends `record(n)` for each number, in order, from position `from` on.
async fn fill(
    log: &impl FrameLog,
    group: &GroupId,
    from: u64,
    numbers: impl IntoIterator<Item = u64> + Send,
) {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    for (at, n) in (from..).zip(numbers) {
        let at = Seq::new(at);
        assert_eq!(log.append(group, at, record(n)).await, Ok(at), "append at the head");
    }
}

/// Reads a whole group, page by page.
async fn read_all(log: &impl FrameLog, group: &GroupId) -> Vec<StoredRecord> {
    let mut all = Vec::new();
    let mut from = Seq::ZERO;
    loop {
        let page = log.read(group, from, Limit::new(7, 500)).await.expect("readable");
        if page.records.is_empty() {
            return all;
        }
        from = page.next;
        all.extend(page.records);
    }
}

/// What a log that was given `record(n)` for each number holds.
fn stored(numbers: impl IntoIterator<Item = u64>) -> Vec<StoredRecord> {
    (0..).zip(numbers).map(|(at, n)| StoredRecord::new(Seq::new(at), record(n))).collect()
}
