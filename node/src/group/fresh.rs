//! Whether what is known of a group here is what its log holds, where others write to the log as well.
//!
//! A reader who was told by one node that a frame is stored finds it at every other: a group is compared with the log
//! before it is shown. Under load one comparison serves all who asked before it began.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::timeout;

use super::{Env, Gone, Group};
use crate::failure::Failure;

/// How long a request waits for the group to catch up before it is asked to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Comparisons of one group with its log, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Looks {
    begun: AtomicU64,
    /// The last one that ended, and how.
    ended: tokio::sync::Mutex<(u64, Option<Failure>)>,
}

impl Group {
    /// Waits until the group is at least where its log was when this was called. At once where nobody else writes.
    ///
    /// # Errors
    /// [`Gone`] when the task has ended; inside, a failure of the store, or [`Failure::Busy`] when the task does not
    /// keep up.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(super) async fn catch_up(&self, env: &Env) -> Result<Result<(), Failure>, Gone> {
        if env.others.is_none() {
            return Ok(Ok(()));
        }
        if let Err(failure) = self.look(env).await {
            return Ok(Err(failure));
        }
        let wanted = self.0.hint.borrow().seq;
        let mut books = self.watch();
        let caught_up = books.wait_for(|book| book.state.seq() >= wanted);
        match timeout(PATIENCE, caught_up).await {
            Ok(Ok(_)) => Ok(Ok(())),
            Ok(Err(_)) => Err(Gone),
            Err(_) => Ok(Err(Failure::busy())),
        }
    }

    /// Asks the log where the group is, unless somebody does so who began after this call.
    async fn look(&self, env: &Env) -> Result<(), Failure> {
        let look = async || {
            if let Some(head) = env.store.head(&self.id()).await? {
                self.hint(head);
            }
            Ok(())
        };
        self.0.looks.share(look).await
    }
}

impl Looks {
    /// Looks, or takes the outcome of a look that somebody else began after this call.
    async fn share(&self, look: impl AsyncFnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let before = self.begun.load(Ordering::Acquire);
        let mut ended = self.ended.lock().await;
        if ended.0 > before {
            return ended.1.clone().map_or(Ok(()), Err);
        }
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let outcome = look().await;
        *ended = (number, outcome.clone().err());
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_share_a_look_that_began_after_they_asked() {
        let (looks, count) = (Arc::new(Looks::default()), Arc::new(AtomicUsize::new(0)));
        let ask = |outcome: Result<(), Failure>| {
            let (looks, count) = (Arc::clone(&looks), Arc::clone(&count));
            tokio::spawn(async move {
                let look = async || {
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    outcome
                };
                looks.share(look).await
            })
        };
        let first = ask(Ok(()));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(count.load(Ordering::Relaxed), 1);
        // Halfway through it: too late for these, who share the next one.
        let rest: Vec<_> = (0..100).map(|_| ask(Err(Failure::StorageUnavailable))).collect();
        assert_eq!(first.await.unwrap(), Ok(()));
        for one in rest {
            assert_eq!(one.await.unwrap(), Err(Failure::StorageUnavailable));
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
        assert_eq!(ask(Ok(())).await.unwrap(), Ok(()));
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }
}
