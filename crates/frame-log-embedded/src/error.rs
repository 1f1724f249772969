//! Why a log could not be opened, and the failures that travel inside the crate.

use std::{io, path::PathBuf};

use frame_log::{AppendError, MailboxError, ReadError, WriteError};
use protocol::{GroupId, Seq};
use thiserror::Error;

/// Why a log could not be opened. Nothing was changed, except that an incomplete end of the journal may have been
/// dropped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another handle in this one, has the folder open.
    #[error("{path} is in use by another process; a log has one owner")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder was written by a version this one does not know.
    #[error(
        "{path} has format {found}, this version reads format {known}; upgrade, or open it with the version that wrote it"
    )]
    Format {
        /// The folder.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The format this version reads.
        known: u32,
    },
    /// A file does not contain what was written to it.
    #[error("{path} is damaged at byte {at}: {what}; restore the folder from a copy")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file, 0 where the whole of it is meant.
        at: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// The journal is damaged before its end, so acknowledged records are unreadable.
    #[error(
        "{path} is damaged at byte {at}, and intact entries follow; restore the folder from a copy, or open it once \
         with `OnDamage::KeepBefore` to keep what is before and lose the rest"
    )]
    JournalDamaged {
        /// The segment.
        path: PathBuf,
        /// Where the first unreadable entry begins.
        at: u64,
    },
    /// The tree of tables could not be opened.
    #[error("the tables in {path} cannot be opened; restore the folder from a copy")]
    Tables {
        /// The tables' folder.
        path: PathBuf,
        /// What the engine said.
        #[source]
        source: lsm_tree::Error,
    },
    /// The operating system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What a full check found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A group's record does not pass its checks or is missing.
    #[error("record {seq} of group {group} is damaged or missing")]
    Record {
        /// Whose record.
        group: GroupId,
        /// Which.
        seq: Seq,
    },
    /// Something other than a record does not pass its checks, or a table is unreadable from some key on.
    #[error("stored data is damaged")]
    Damaged,
    /// The log is closed.
    #[error("the log is not available")]
    Unavailable,
}

/// A helper for the many places where an operation on a path can fail.
pub(crate) trait Context<T> {
    fn context(self, doing: &'static str, path: &std::path::Path) -> Result<T, OpenError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, doing: &'static str, path: &std::path::Path) -> Result<T, OpenError> {
        self.map_err(|source| OpenError::Io { doing, path: path.to_owned(), source })
    }
}

/// Stored bytes failed a check, or the engine could not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) group: Option<GroupId>,
    pub(crate) seq: Option<Seq>,
}

impl Damage {
    pub(crate) const UNKNOWN: Self = Self { group: None, seq: None };

    pub(crate) const fn of(group: GroupId, seq: Seq) -> Self {
        Self { group: Some(group), seq: Some(seq) }
    }
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damaged { group: damage.group, seq: damage.seq }
    }
}

/// Why a group of requests was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// Nothing was written.
    NoSpace,
    /// It is open whether it was written.
    Poisoned,
}

macro_rules! request_errors {
    ($($error:ty),*) => {$(
        impl From<CommitFailure> for $error {
            fn from(failure: CommitFailure) -> Self {
                match failure {
                    CommitFailure::NoSpace => Self::NoSpace,
                    CommitFailure::Poisoned => Self::Poisoned,
                }
            }
        }

        impl From<Damage> for $error {
            fn from(_: Damage) -> Self {
                Self::Damaged
            }
        }
    )*};
}

request_errors!(AppendError, WriteError, MailboxError);
