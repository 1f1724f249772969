//! Forgetting, all through the log, again and again.

use std::{sync::Arc, time::Duration};

use frame_log::{Meta, MetaKey, MetaValue, Replaced};
use protocol::{GroupId, UnixSeconds};
use service_kit::shutdown::Shutdown;

use crate::{
    failure::Failure,
    group::{Groups, History, prune},
};

/// When a sweep last began, eight bytes big-endian: seconds by the clock of the node that began it.
const BEGUN: MetaKey = MetaKey::new("node/sweep-begun");

/// Groups asked for at a time.
const PAGE: usize = 256;
/// Expired key packages removed at a time.
const PACKAGES: usize = 256;
/// Pause between two groups, so that a sweep never has the store to itself.
const PAUSE: Duration = Duration::from_millis(2);

/// Sweeps every `every` until shutdown; never, if that is no time at all. Of several nodes on one store one sweeps each
/// time: whoever writes down first that it begins.
pub(crate) async fn run(groups: Groups, history: Arc<History>, every: Duration, shutdown: Shutdown) {
    if every.is_zero() {
        return shutdown.requested().await;
    }
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(every) => {}
        }
        match is_due(&groups, every).await {
            Ok(true) => {}
            Ok(false) => {
                groups.env().metrics.sweep_left();
                continue;
            }
            Err(failure) => {
                tracing::warn!(error = %failure, "a sweep could not begin");
                continue;
            }
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

/// Whether it is this node's turn: nobody else has begun a sweep lately, nor does so in this moment.
///
/// A node that ends within its sweep leaves it to the next one; what a sweep does twice is done once. Clocks that differ
/// make a sweep early or late by as much.
async fn is_due(groups: &Groups, every: Duration) -> Result<bool, Failure> {
    let env = groups.env();
    if env.others.is_none() {
        return Ok(true);
    }
    let now = env.clock.now();
    let last = Meta::load(&*env.store, BEGUN).await?;
    let begun = last.as_ref().and_then(|value| value.as_bytes().try_into().ok()).map(u64::from_be_bytes);
    if let Some(begun) = begun.map(UnixSeconds::new) {
        // A little less than the period, so that a node whose timer is early does not leave out every other time.
        let soonest = begun.saturating_add((every - every / 8).as_secs());
        // A time that is yet to come was written by a clock that was wrong.
        if begun <= now && now < soonest {
            return Ok(false);
        }
    }
    let mine = MetaValue::new(now.get().to_be_bytes().to_vec());
    Ok(Meta::replace(&*env.store, BEGUN, last, mine).await? == Replaced::Done)
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
