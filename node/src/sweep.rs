//! Forgetting, all through the log, again and again.

use std::{sync::Arc, time::Duration};

use protocol::GroupId;
use service_kit::shutdown::Shutdown;

use crate::{
    failure::Failure,
    group::{Groups, History, prune},
};

/// Groups asked for at a time.
const PAGE: usize = 256;
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

/// Goes once through all groups and prunes each, then removes key packages that have expired.
///
/// # Errors
/// A failure of the store; a group that cannot be pruned is passed over.
///
/// # Cancel safety
/// Every step is complete in itself.
pub(crate) async fn sweep(groups: &Groups, history: &History) -> Result<u64, Failure> {
    let env = groups.env();
    let mut pruned: u64 = 0;
    let mut last: Option<GroupId> = None;
    loop {
        let page = env.store.groups(last.as_ref(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for group in page {
            match prune(groups, history, &group).await {
                Ok(records) => pruned = pruned.saturating_add(records),
                Err(failure) => tracing::warn!(error = %failure, "a group could not be pruned"),
            }
            last = Some(group);
            tokio::time::sleep(PAUSE).await;
        }
    }
    while env.store.remove_expired(env.clock.now(), PACKAGES).await? == PACKAGES {
        tokio::time::sleep(PAUSE).await;
    }
    env.metrics.swept();
    Ok(pruned)
}
