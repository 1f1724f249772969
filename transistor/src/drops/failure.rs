//! Why something was not done.

use drop_state::Refusal;
use thiserror::Error;

use super::Cut;
use crate::{bodies::BodyError, store::StoreError};

/// Why an operation was not carried out.
///
/// What went wrong inside was logged where it happened and is not in here: nothing of it is for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The drop does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Larger than a drop may be.
    #[error("larger than {max} bytes")]
    TooLarge {
        /// Most bytes of a drop.
        max: u64,
    },
    /// The info is longer than it may be.
    #[error("the info is longer than {max} bytes")]
    InfoTooLong {
        /// Most bytes of an info.
        max: usize,
    },
    /// The drop would end at once, or too late.
    #[error("an expiry must be 1 to {max_seconds} seconds away")]
    BadExpiry {
        /// Seconds that a drop may last.
        max_seconds: u64,
    },
    /// More copies than are made at once, or none.
    #[error("copies must be 1 to {max}")]
    BadCopies {
        /// Most copies of one request.
        max: usize,
    },
    /// The range has nothing of the body in it.
    #[error("no byte of the range is in the body")]
    RangeNotSatisfiable {
        /// Bytes of the body.
        size: u64,
    },
    /// The bytes are not those that the digest or checksum was made of.
    #[error("the digest does not match")]
    DigestMismatch,
    /// Another number of bytes than was announced.
    #[error("the body does not have the length that was announced")]
    LengthMismatch,
    /// The sender went away or stood still.
    #[error("the body ended early")]
    Interrupted,
    /// The sender has used up what it may send.
    #[error("the sender may send no more for now")]
    QuotaExceeded,
    /// Another request of the same upload is still being worked on.
    #[error("another request of the same upload is under way")]
    UploadBusy,
    /// Too much at once. Later it may work.
    #[error("too many bodies are being sent at once")]
    Busy,
    /// No room is left.
    #[error("no room is left")]
    StorageFull,
    /// What drops are kept in does not answer. It may have been carried out.
    #[error("the storage does not answer")]
    StorageUnavailable,
    /// What drops are kept in failed. It may have been carried out.
    #[error("the storage failed")]
    StorageFailed,
    /// The service stops.
    #[error("the service stops")]
    Stopping,
}

impl Failure {
    pub(super) fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::StorageUnavailable,
            StoreError::Full(_) => Self::StorageFull,
            StoreError::Failed(_) | StoreError::Damaged(_) => Self::StorageFailed,
        }
    }

    pub(super) fn of_bodies(error: &BodyError) -> Self {
        match error {
            BodyError::Full => Self::StorageFull,
            BodyError::Unavailable(_) | BodyError::Denied => Self::StorageUnavailable,
            BodyError::Missing | BodyError::Damaged(_) | BodyError::NoRandomness => Self::StorageFailed,
        }
    }
}

impl From<Cut> for Failure {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Broken => Self::Interrupted,
            Cut::Quota => Self::QuotaExceeded,
        }
    }
}
