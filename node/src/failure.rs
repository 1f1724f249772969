//! Why the node did not do what it was asked, before anybody thinks of HTTP.

use std::time::Duration;

use frame_log::{AppendError, MailboxError, ReadError, WriteError};
use protocol::{Epoch, Refusal, Seq, UnixSeconds};
use thiserror::Error;

/// What a telling answer adds to its code. Empty for all who showed nothing valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The group's current epoch.
    pub(crate) epoch: Option<Epoch>,
    /// The newest position, or that of the frame in question.
    pub(crate) seq: Option<Seq>,
    /// The node's clock.
    pub(crate) node_time: Option<UnixSeconds>,
    /// Seconds to wait.
    pub(crate) retry_after: Option<u32>,
}

/// A request that was not carried out, or of which that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    /// The frame breaks a rule. Its sender's fault.
    #[error("refused: {refusal}")]
    Refused {
        /// The rule.
        refusal: Refusal,
        /// What the sender is told besides.
        facts: Facts,
    },
    /// Nothing valid was shown for the group, or there is no such group.
    #[error("not accepted")]
    NotAccepted,
    /// A queue is full.
    #[error("a queue is full")]
    Busy {
        /// Seconds until there may be room.
        retry_after: u32,
    },
    /// Nobody waits for the answer any more, and nothing was done.
    #[error("nobody waits for the answer")]
    Abandoned,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// The stored log of this group does not fold. Ours, or of whoever wrote to the store.
    #[error("the stored log does not fold")]
    Unserved,
    /// What was asked for lies before the oldest operation kept.
    #[error("the history is no longer kept")]
    HistoryGap {
        /// The oldest position from which all operations are kept.
        horizon: Seq,
    },
    /// There is no such epoch yet.
    #[error("nothing there")]
    NotFound,
    /// The store is full.
    #[error("the store is full")]
    StorageFull,
    /// A write failed and the outcome is open.
    #[error("the store failed")]
    StorageFailed,
    /// The store did not answer and the outcome is open.
    #[error("the store does not answer")]
    StorageUnavailable,
    /// A fault of the node's own.
    #[error("the node failed")]
    Internal,
}

impl Failure {
    /// A queue is full that is worked off in no time.
    pub(crate) const fn busy() -> Self {
        Self::Busy { retry_after: 1 }
    }

    /// A refusal that says nothing but its code.
    pub(crate) fn bare(refusal: Refusal) -> Self {
        Self::Refused { refusal, facts: Facts::default() }
    }
}

/// The refusal of a limiter, with the time until it will let something through again.
pub(crate) fn too_fast(wait: Duration) -> Failure {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    Failure::Refused {
        refusal: Refusal::RateLimited,
        facts: Facts { retry_after: Some(seconds), ..Facts::default() },
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { .. } => Self::Unserved,
            ReadError::Unavailable => Self::StorageUnavailable,
            _ => Self::Internal,
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoSpace => Self::StorageFull,
            WriteError::Poisoned => Self::StorageFailed,
            WriteError::Unavailable => Self::StorageUnavailable,
            WriteError::Damaged => Self::Unserved,
            WriteError::TooLarge { .. } | WriteError::BeyondHead => Self::Internal,
            _ => Self::Internal,
        }
    }
}

/// For the append errors that are no answer about the frame itself: position and duplicate are the caller's to read.
impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NoSpace => Self::StorageFull,
            AppendError::Poisoned => Self::StorageFailed,
            AppendError::Unavailable => Self::StorageUnavailable,
            AppendError::Damaged => Self::Unserved,
            AppendError::TooLarge { .. } => Self::bare(Refusal::TooLarge),
            AppendError::Conflict { .. } | AppendError::Duplicate { .. } => Self::Internal,
            _ => Self::Internal,
        }
    }
}

impl From<MailboxError> for Failure {
    fn from(error: MailboxError) -> Self {
        match error {
            MailboxError::NoSpace => Self::StorageFull,
            MailboxError::Poisoned => Self::StorageFailed,
            MailboxError::Unavailable => Self::StorageUnavailable,
            MailboxError::TooLarge { .. }
            | MailboxError::Full
            | MailboxError::Expired
            | MailboxError::Damaged => Self::Internal,
            _ => Self::Internal,
        }
    }
}
