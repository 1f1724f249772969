//! Bringing a cold group back: its newest snapshot, and the frames after it.

use frame_log::Limit;
use protocol::{Epoch, GroupId, Seq};

use super::{Book, Env, book::Broken};
use crate::failure::Failure;

/// Snapshots that may be unreadable before everything is folded from the beginning.
const MAX_BAD_SNAPSHOTS: usize = 3;

/// The book at the head of the log and where the snapshot stood it was made from; `None` for a group that is not
/// stored.
///
/// # Errors
/// [`Failure::Unserved`] when what is stored does not fold, else a failure of the store.
pub(super) async fn open(
    env: &Env,
    group: &GroupId,
) -> Result<Option<(Book, Option<(Seq, Epoch)>)>, Failure> {
    let start = snapshot_at_most(env, group, None).await?;
    let from = start.as_ref().map(|book| (book.state.seq(), book.state.epoch()));
    Ok(fold_to(env, group, start, None).await?.map(|book| (book, from)))
}

/// The newest readable snapshot, of `at_most` or before.
///
/// An unreadable one is passed over with an alarm: the frames say the same, only more slowly.
pub(super) async fn snapshot_at_most(
    env: &Env,
    group: &GroupId,
    mut at_most: Option<Seq>,
) -> Result<Option<Book>, Failure> {
    for _ in 0..MAX_BAD_SNAPSHOTS {
        let Some((at, bytes)) = env.store.snapshot(group, at_most).await? else { return Ok(None) };
        match env.pool.run_patiently(move || Book::from_bytes(&bytes)).await? {
            Ok(book) if book.state.seq() == at && book.state.group() == *group => return Ok(Some(book)),
            Ok(_) => tracing::error!("a snapshot stands at another position than its own"),
            Err(error) => tracing::error!(%error, "a snapshot cannot be read"),
        }
        env.metrics.snapshot_unreadable();
        match at.get().checked_sub(1) {
            Some(before) => at_most = Some(Seq::new(before)),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// Folds from `book` (or the beginning) up to `last`, or to the end of the log.
///
/// # Errors
/// [`Failure::Unserved`] when what is stored does not fold, [`Failure::HistoryGap`] when the operations needed were
/// pruned, else a failure of the store.
pub(super) async fn fold_to(
    env: &Env,
    group: &GroupId,
    mut book: Option<Book>,
    last: Option<Seq>,
) -> Result<Option<Book>, Failure> {
    let keys = env.keys;
    loop {
        let next = match &book {
            Some(book) => book.state.seq().next().ok_or(Failure::Internal)?,
            None => Seq::ZERO,
        };
        if last.is_some_and(|last| next > last) {
            return Ok(book);
        }
        let mut page = env.store.read(group, next, Limit::MAX).await?;
        if let Some(last) = last {
            page.records.retain(|record| record.seq <= last);
        }
        if page.records.is_empty() {
            return Ok(book);
        }
        let folded = env.pool.run_patiently(move || Book::fold(book, &page.records, keys)).await?;
        book = folded.map_err(|broken| {
            tracing::error!(%broken, "a stored log does not fold");
            match broken {
                Broken::Missing => Failure::HistoryGap { horizon: next },
                Broken::Refused(_) | Broken::Order => Failure::Unserved,
            }
        })?;
    }
}
