//! All records in the log's order: stored ones from pages, new ones when the writer says that there are more.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use frame_log::{Cursor, FollowStream, Followed, Limit, ReadError};
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

use crate::{
    log::{self, Progress, Shared},
    read,
};

/// What a follower holds of the log at a time.
const PAGE_RECORDS: usize = 256;
const PAGE_BYTES: usize = 1024 * 1024;

struct Follower {
    /// Weak, so that a forgotten stream does not keep the folder locked.
    shared: Weak<Shared>,
    progress: watch::Receiver<Progress>,
    page: VecDeque<Followed>,
    next: Cursor,
}

pub(crate) fn stream(shared: &Arc<Shared>, from: Cursor) -> FollowStream {
    let follower = Follower {
        shared: Arc::downgrade(shared),
        progress: shared.progress.subscribe(),
        page: VecDeque::new(),
        next: from,
    };
    stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        match follower.next().await {
            Ok(followed) => Some((Ok(followed), Some(follower))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

impl Follower {
    async fn next(&mut self) -> Result<Followed, ReadError> {
        loop {
            if let Some(followed) = self.page.pop_front() {
                return Ok(followed);
            }
            let from = self.next;
            let ready =
                self.progress.wait_for(|progress| progress.closed || progress.records > from.get()).await;
            if ready.map_err(|_| ReadError::Unavailable)?.closed {
                return Err(ReadError::Unavailable);
            }
            let shared = self.shared.upgrade().ok_or(ReadError::Unavailable)?;
            let limit = Limit::new(PAGE_RECORDS, PAGE_BYTES);
            let page = log::read(&shared, move |view| read::follow(view, from, limit)).await?;
            // More were announced than `from`, so an empty page is a hole.
            let last = page.last().ok_or(ReadError::Damaged { group: None, seq: None })?;
            self.next = last.after;
            self.page = page.into();
        }
    }
}
