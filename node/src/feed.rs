//! What others append to a shared log, told to the groups that are active here.

use std::time::Duration;

use frame_log::Cursor;
use futures_util::StreamExt;
use service_kit::{health::Part, shutdown::Shutdown};

use crate::group::Groups;

/// Pause before the feed is opened again.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows the log until shutdown. A group learns that it has grown, and reads for itself what is new; if this feed
/// is late or gone, groups still find out at their next append, only their followers wait.
pub(crate) async fn run(groups: Groups, ready: Part, shutdown: Shutdown) {
    let mut cursor = None;
    while !shutdown.is_requested() {
        tokio::select! {
            () = shutdown.requested() => return,
            () = follow(&groups, &mut cursor, &ready) => {}
        }
        ready.set(false);
        groups.env().metrics.feed_restarted();
        tracing::warn!("the feed of the log ended, opening it again");
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Follows until the feed ends, keeping the place for the next time.
async fn follow(groups: &Groups, cursor: &mut Option<Cursor>, ready: &Part) {
    let from = match *cursor {
        Some(known) => known,
        // Groups are opened from the log itself, so what came before is nobody's news.
        None => match groups.env().store.tail().await {
            Ok(tail) => tail,
            Err(_) => return,
        },
    };
    *cursor = Some(from);
    ready.set(true);
    let mut records = groups.env().store.follow(from);
    while let Some(Ok(followed)) = records.next().await {
        groups.hint(&followed.group, followed.record.seq);
        *cursor = Some(followed.after);
    }
}
