//! What one group's policy no longer keeps.

use frame_log::{Keep, UnixMillis};
use protocol::{Epoch, GroupId, Seq, UnixSeconds};

use super::{Book, Groups, History, open};
use crate::failure::Failure;

/// Prunes a group by its policy. Nothing happens to one that is not stored.
///
/// Messages lose their bytes after `message_retention`. Operations do after `operation_retention`, except those that a
/// live invite or an open ticket may still have to be joined by, and only behind a snapshot, from which every epoch
/// still kept can be rebuilt. The group stops promising operations before any of them goes.
///
/// # Errors
/// A failure of the store, or of the group; what was done so far stays done and the next sweep goes on.
pub(crate) async fn prune(groups: &Groups, history: &History, id: &GroupId) -> Result<u64, Failure> {
    let Some(group) = groups.open(id).await? else { return Ok(0) };
    let env = groups.env();
    let book = group.book();
    let policy = *book.state.policy();
    let now = env.clock.now();
    let mut pruned = 0;

    if policy.message_retention > 0 {
        let before = before(history, &book, now, policy.message_retention).await?;
        if before > Seq::ZERO {
            pruned += env.store.prune(id, before, Keep::Operations).await?.records;
        }
    }
    if policy.operation_retention > 0 {
        let wanted = before(history, &book, now, policy.operation_retention).await?;
        let wanted = wanted.min(needed_from(history, &book).await?);
        if let Some(base) = snapshot_before(&book, groups, id, wanted).await? {
            let horizon = base.next().ok_or(Failure::Internal)?;
            if horizon > book.horizon {
                groups.raise_horizon(id, horizon).await?;
                pruned += env.store.prune(id, horizon, Keep::Nothing).await?.records;
                env.store.drop_snapshots(id, base).await?;
            }
        }
    }
    env.metrics.pruned(pruned);
    Ok(pruned)
}

/// The first position stored within the last `seconds`; one past the head if none was.
async fn before(history: &History, book: &Book, now: UnixSeconds, seconds: u64) -> Result<Seq, Failure> {
    let cutoff = UnixMillis::new(now.saturating_sub(seconds).get().saturating_mul(1_000));
    let end = book.state.seq().next().ok_or(Failure::Internal)?;
    Ok(history.first_after(book, cutoff).await?.unwrap_or(end))
}

/// The oldest operation that an invitee or the holder of a ticket may have to begin at.
async fn needed_from(history: &History, book: &Book) -> Result<Seq, Failure> {
    let state = &book.state;
    let invited = state.tree().leaves().filter_map(|(_, leaf)| leaf.live()).filter(|leaf| !leaf.is_active());
    let oldest: Option<Epoch> = invited.map(|leaf| leaf.since).min();
    let mut needed = state.seq().next().ok_or(Failure::Internal)?;
    if let Some(epoch) = oldest {
        needed = needed.min(history.start_of(book, epoch).await?);
    }
    // A ticket does not say when it was issued, only until when it lasts, and how long it can have lasted at most.
    let issued = state.tickets().map(|t| t.expires.saturating_sub(protocol::limits::MAX_INVITE_TTL)).min();
    if let Some(issued) = issued {
        let cutoff = UnixMillis::new(issued.get().saturating_mul(1_000));
        needed = needed.min(history.first_after(book, cutoff).await?.unwrap_or(needed));
    }
    Ok(needed)
}

/// Position of the newest snapshot whose own operation may go with the rest: the last one before `wanted`.
async fn snapshot_before(
    book: &Book,
    groups: &Groups,
    id: &GroupId,
    wanted: Seq,
) -> Result<Option<Seq>, Failure> {
    let Some(last) = wanted.get().checked_sub(1).map(Seq::new) else { return Ok(None) };
    let last = last.min(book.state.seq());
    Ok(open::snapshot_at_most(groups.env(), id, Some(last)).await?.map(|base| base.state.seq()))
}
