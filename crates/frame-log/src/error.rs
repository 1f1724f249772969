//! What can go wrong, and what is then known about the log.

use protocol::{FrameHash, GroupId, Seq};
use thiserror::Error;

/// Why a frame was not appended, or is not known to be.
///
/// After [`Poisoned`](Self::Poisoned) and [`Unavailable`](Self::Unavailable) the frame may or may not be in the log;
/// [`FrameLog::find`](crate::FrameLog::find) tells, once the log answers again. Every other error means it is not
/// there, or, for [`Duplicate`](Self::Duplicate), that it was there before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The position is taken or not next. Whose fault: nobody's, another writer was first.
    #[error("the next position is {next}")]
    Conflict {
        /// The position an append would get now.
        next: Seq,
    },
    /// The group already holds a frame of this id; compare `th` to tell a retry from a collision.
    #[error("the frame id is already at position {seq}")]
    Duplicate {
        /// Where that frame is.
        seq: Seq,
        /// Its hash.
        th: FrameHash,
    },
    /// The disk is too full to take more. Reading goes on; appending does once space returns.
    #[error("no space left for more records")]
    NoSpace,
    /// A write or a sync failed; nothing is accepted any more and the process should exit and recover.
    #[error("the log stopped after a failed write")]
    Poisoned,
    /// The frame is longer than [`MAX_RECORD`](crate::MAX_RECORD). The caller's fault.
    #[error("the frame has {len} bytes, at most {max} are taken")]
    TooLarge {
        /// Length given.
        len: usize,
        /// Longest accepted.
        max: usize,
    },
    /// What is stored about this group does not pass its checks, so its order cannot be continued.
    #[error("stored data is damaged")]
    Damaged,
    /// The log is closed or cannot be reached.
    #[error("the log is not available")]
    Unavailable,
}

impl AppendError {
    /// Whether it is certain that this call added nothing to the log.
    #[must_use]
    pub const fn has_no_side_effects(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::Duplicate { .. }
            | Self::NoSpace
            | Self::TooLarge { .. }
            | Self::Damaged => true,
            Self::Poisoned | Self::Unavailable => false,
        }
    }
}

/// Why something other than a frame was not written, or is not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The disk is too full to take more.
    #[error("no space left")]
    NoSpace,
    /// A write or a sync failed; nothing is accepted any more and the process should exit and recover.
    #[error("the log stopped after a failed write")]
    Poisoned,
    /// The value is longer than its bound. The caller's fault.
    #[error("the value has {len} bytes, at most {max} are taken")]
    TooLarge {
        /// Length given.
        len: usize,
        /// Longest accepted.
        max: usize,
    },
    /// A snapshot of a position the group has not reached. The caller's fault.
    #[error("the position is beyond the head of the group")]
    BeyondHead,
    /// What is stored here does not pass its checks.
    #[error("stored data is damaged")]
    Damaged,
    /// The log is closed or cannot be reached.
    #[error("the log is not available")]
    Unavailable,
}

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Stored bytes do not pass their checks. The log answers with this rather than with a byte it is not sure of;
    /// the operator restores from a copy or repairs explicitly.
    #[error("stored data is damaged")]
    Damaged {
        /// The group concerned, where known.
        group: Option<GroupId>,
        /// The position concerned, where known.
        seq: Option<Seq>,
    },
    /// The log is closed or cannot be reached.
    #[error("the log is not available")]
    Unavailable,
}
