//! What others append to a shared log, told to the groups that are active here.

use std::{sync::Arc, time::Duration};

use frame_log::{BucketRange, FrameSource, Place, SourceError, SourceItem};
use futures_util::StreamExt;
use service_kit::{health::Part, shutdown::Shutdown};

use crate::group::Groups;

/// Pause before the feed is opened again.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows the log until shutdown. A group learns that it has grown, and reads for itself what is new; if this feed
/// is late or gone, groups still find out at their next append, only their followers wait.
pub(crate) async fn run(groups: Groups, source: Arc<dyn FrameSource>, ready: Part, shutdown: Shutdown) {
    let mut place = None;
    while !shutdown.is_requested() {
        let ended = tokio::select! {
            () = shutdown.requested() => return,
            ended = follow(&groups, &*source, &mut place, &ready) => ended,
        };
        ready.set(false);
        if ended == SourceError::Lost {
            // What was missed meanwhile is found by each group when it next looks at the log.
            place = None;
        }
        groups.env().metrics.feed_restarted();
        tracing::warn!(error = %ended, "the feed of the log ended, opening it again");
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(PAUSE) => {}
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
    let opened = async {
        let from = match place.take() {
            Some(known) => known,
            // Groups are opened from the log itself, so what came before is nobody's news.
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
