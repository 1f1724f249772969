//! What others append to a shared log, told to the groups that are active here.

use std::{sync::Arc, time::Duration};

use frame_feed_nats::Connection;
use frame_log::{BucketRange, FrameSource, Place, SourceError, SourceItem};
use futures_util::StreamExt;
use service_kit::{health::Part, shutdown::Shutdown};

use crate::group::Groups;

/// Pause before the feed is opened again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long NATS may be away before the log itself is followed: shorter absences are over before that would stand.
const ABSENCE: Duration = Duration::from_secs(2);

/// Follows the log until shutdown. A group learns that it has grown, and reads for itself what is new; if this feed
/// is late or gone, groups still find out at their next append, only their followers wait.
pub(crate) async fn run(groups: Groups, source: Arc<dyn FrameSource>, ready: Part, shutdown: Shutdown) {
    let mut place = None;
    let metrics = &groups.env().metrics;
    while !shutdown.is_requested() {
        let ended = tokio::select! {
            () = shutdown.requested() => return,
            ended = follow(&groups, &*source, &mut place, &ready) => ended,
        };
        ready.set(false);
        if ended == SourceError::Lost {
            place = None;
        }
        metrics.feed_restarted();
        tracing::warn!(error = %ended, "the feed of the log ended, opening it again");
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Follows the log itself while NATS is away, until shutdown.
///
/// While NATS is there, groups that are followed listen by themselves. Either way is enough to be ready: what neither
/// tells is found when groups look for themselves.
pub(crate) async fn stand_in(
    groups: Groups,
    source: Arc<dyn FrameSource>,
    nats: Connection,
    ready: Part,
    shutdown: Shutdown,
) {
    let metrics = &groups.env().metrics;
    loop {
        let connected = nats.is_connected();
        metrics.feed_connected(connected);
        if connected {
            ready.set(true);
            tokio::select! {
                () = shutdown.requested() => return,
                () = nats.until(false) => continue,
            }
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = nats.until(true) => continue,
            () = tokio::time::sleep(ABSENCE) => {}
        }
        metrics.feed_fell_back();
        tracing::warn!("NATS is away, following the log itself");
        tokio::select! {
            () = run(groups.clone(), Arc::clone(&source), ready.clone(), shutdown.clone()) => return,
            () = nats.until(true) => tracing::info!("NATS is back"),
        }
    }
}

/// Follows until the feed ends, keeping the place for the next time.
async fn follow(
    groups: &Groups,
    source: &dyn FrameSource,
    place: &mut Option<Place>,
    ready: &Part,
) -> SourceError {
    let fresh = place.is_none();
    let opened = async {
        let from = match place.take() {
            Some(known) => known,
            None => source.now().await?,
        };
        let steps = source.open(BucketRange::ALL, &from).await;
        *place = Some(from);
        steps
    };
    let mut steps = match opened.await {
        Ok(steps) => steps,
        Err(error) => return error,
    };
    ready.set(true);
    if fresh {
        // Groups that are open already may have missed what came before this place.
        groups.hint_missed();
    }
    loop {
        match steps.next().await {
            Some(Ok(step)) => {
                if let SourceItem::Record { group, record } = &step.item {
                    groups.hint(group, record.seq);
                }
                *place = Some(step.after);
            }
            Some(Err(error)) => return error,
            None => return SourceError::Unavailable,
        }
    }
}
