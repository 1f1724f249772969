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
        let looks = &self.0.looks;
        let before = looks.begun.load(Ordering::Acquire);
        let mut ended = looks.ended.lock().await;
        if ended.0 > before {
            return ended.1.clone().map_or(Ok(()), Err);
        }
        let number = looks.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let outcome = match env.store.head(&self.id()).await {
            Ok(head) => {
                if let Some(head) = head {
                    self.hint(head);
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        };
        *ended = (number, outcome.clone().err());
        outcome
    }
}
