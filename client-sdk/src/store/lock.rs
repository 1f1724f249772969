//! One at a time per group, over all tasks and processes of a home.

use core::{fmt, time::Duration};
use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use protocol::GroupId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::{Store, StoreError};

/// How often a lock that another process holds is tried again: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// The exclusive right to change a group. Given up when dropped, and by the system when the process ends in any way.
///
/// It is advice: [`Store::write`] does not ask for it.
#[must_use = "the lock is given up when this is dropped"]
pub struct GroupLock {
    // In this order: another task of this process may try the file only when it is free.
    _file: File,
    _turn: OwnedMutexGuard<()>,
}

impl fmt::Debug for GroupLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupLock")
    }
}

/// The turns of the groups somebody of this process holds or waits for.
#[derive(Default)]
pub(super) struct Registry(Mutex<HashMap<GroupId, Weak<AsyncMutex<()>>>>);

impl Registry {
    fn turn(&self, group: &GroupId) -> Arc<AsyncMutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(group).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(*group, Arc::downgrade(&turn));
        turn
    }
}

impl Store {
    /// Waits for and takes the exclusive right to change a group.
    ///
    /// Tasks of this process take turns in the order they asked. The lock of another process is tried again every tenth
    /// of a second rather than waited for on a thread, so that whoever gives up waiting leaves nothing behind. Needs a
    /// tokio runtime with its timer on.
    ///
    /// # Errors
    /// [`StoreError::Files`] when the lock file cannot be opened or the file system has no locks.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue and has no other effect.
    pub async fn lock_group(&self, group: &GroupId) -> Result<GroupLock, StoreError> {
        let turn = self.0.locks.turn(group).lock_owned().await;
        let file = self.0.files.lock_file(&hex::encode(self.0.keys.lock_tag(group)))?;
        let mut wait = FIRST_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(GroupLock { _file: file, _turn: turn }),
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(wait).await;
                    wait = wait.saturating_mul(2).min(LONGEST_WAIT);
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
    }
}
