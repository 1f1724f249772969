//! Forgetting, all through the log, again and again.

use std::{collections::HashSet, sync::Arc, time::Duration};

use frame_log::Cursor;
use futures_util::StreamExt;
use protocol::GroupId;
use service_kit::shutdown::Shutdown;

use crate::{
    failure::Failure,
    group::{Groups, History, prune},
};

/// Groups remembered within one sweep; beyond that some are looked at twice, which is no harm.
const MAX_SEEN: usize = 1 << 17;
/// Expired key packages removed at a time.
const PACKAGES: usize = 256;
/// Pause between two groups, so that a sweep never has the store to itself.
const PAUSE: Duration = Duration::from_millis(2);

/// Sweeps every `every` until shutdown; never, if that is no time at all.
pub(crate) async fn run(groups: Groups, history: Arc<History>, every: Duration, shutdown: Shutdown) {
    if every.is_zero() {
        return shutdown.requested().await;
    }
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(every) => {}
        }
        tokio::select! {
            () = shutdown.requested() => return,
            swept = sweep(&groups, &history) => match swept {
                Ok(pruned) => tracing::info!(pruned, "went through the log for what to forget"),
                Err(failure) => tracing::warn!(error = %failure, "a sweep stopped early"),
            },
        }
    }
}

/// Goes once through the whole log and prunes every group met, then removes key packages that have expired.
///
/// # Errors
/// A failure of the store; a group that cannot be pruned is passed over.
///
/// # Cancel safety
/// Every step is complete in itself.
pub(crate) async fn sweep(groups: &Groups, history: &History) -> Result<u64, Failure> {
    let env = groups.env();
    let end = env.store.tail().await?;
    let mut seen: HashSet<GroupId> = HashSet::new();
    let mut pruned: u64 = 0;
    let mut records = env.store.follow(Cursor::START);
    let mut at = Cursor::START;
    while at < end {
        let Some(followed) = records.next().await else { break };
        let followed = followed?;
        at = followed.after;
        if seen.len() >= MAX_SEEN {
            seen.clear();
        }
        if !seen.insert(followed.group) {
            continue;
        }
        match prune(groups, history, &followed.group).await {
            Ok(records) => pruned = pruned.saturating_add(records),
            Err(failure) => tracing::warn!(error = %failure, "a group could not be pruned"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    while env.store.remove_expired(env.clock.now(), PACKAGES).await? == PACKAGES {
        tokio::time::sleep(PAUSE).await;
    }
    env.metrics.swept();
    Ok(pruned)
}
