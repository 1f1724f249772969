//! How drops fail.

use std::{io, path::PathBuf};

use api::{ErrorCode, Problem};
use sealed_drop::{InfoError, LinkError, OpenError, SealError};
use thiserror::Error;

use crate::http::HttpError;

/// Why a drop was not made, read or deleted. None of these carries an id or a part of a link;
/// [`Self::KeptAside`] alone has a path.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DropError {
    /// The text is not the link of a drop, or is cut.
    #[error("{0}")]
    Link(LinkError),
    /// There is nothing to read, whatever the reason: it was read, has expired, was deleted or never was; or somebody
    /// else is reading it at this moment.
    #[error(
        "there is nothing here any more: it was read, has expired or was deleted, or is being read elsewhere"
    )]
    Gone,
    /// A password is needed, and none was given.
    #[error("this drop needs a password")]
    PasswordNeeded,
    /// The password is wrong.
    #[error("the password is wrong{}", .left.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    PasswordWrong {
        /// How many attempts are left, in the server's words.
        left: Option<String>,
    },
    /// The server refused.
    #[error("the server refused: {}", .code.title())]
    Refused {
        /// Its code.
        code: ErrorCode,
    },
    /// The server cannot be reached, or does not answer as one.
    #[error("the server could not be asked")]
    Http(#[source] HttpError),
    /// What the server has is not what was sealed. Nothing of it was kept.
    #[error("what the server has is not what was sealed: {0}")]
    Damaged(OpenError),
    /// The info of the drop cannot be used.
    #[error("the info of the drop cannot be used: {0}")]
    Info(InfoError),
    /// The content is longer than the caller takes.
    #[error("the content has {len} bytes; at most {max} are taken here")]
    TooLarge {
        /// Its length.
        len: u64,
        /// The most that is taken.
        max: u64,
    },
    /// The content to be sealed is too long, or not as long as it was said to be.
    #[error("{0}")]
    Seal(SealError),
    /// The content to be sealed cannot be read.
    #[error("the content cannot be read")]
    Source(#[source] io::Error),
    /// There is a file of that name already.
    #[error("there is a file of that name already")]
    FileExists,
    /// The content cannot be written.
    #[error("the content cannot be written")]
    Target(#[source] io::Error),
    /// Everything arrived and was verified, but the file could not get its name, or could not be made durable. It stays
    /// where it is: the drop gives it to nobody any more.
    #[error("all of it arrived and is kept in {}, but could not be put in its place for good", .path.display())]
    KeptAside {
        /// Where the whole content is.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The drop was not claimed, or was read to its end.
    #[error("this drop is not claimed here")]
    NotClaimed,
    /// The system gave no randomness, or a task was torn down.
    #[error("the system failed the client")]
    System,
}

impl DropError {
    /// Stable code: lower case and underscores.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Link(error) => error.code(),
            Self::Gone => ErrorCode::DropGone.code(),
            Self::PasswordNeeded => "password_needed",
            Self::PasswordWrong { .. } => ErrorCode::PasswordWrong.code(),
            Self::Refused { code } => code.code(),
            Self::Http(HttpError::BadAddress(_) | HttpError::PlainHttp(_)) => "bad_address",
            Self::Http(_) => "unreachable",
            Self::Damaged(_) | Self::Info(_) => "drop_damaged",
            Self::TooLarge { .. } | Self::Seal(SealError::TooLong(_)) => "too_large",
            Self::Seal(_) | Self::Source(_) => "unreadable",
            Self::FileExists => "file_exists",
            Self::Target(_) => "unwritable",
            Self::KeptAside { .. } => "kept_aside",
            Self::NotClaimed => "not_claimed",
            Self::System => "system",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { code } => code.is_retryable(),
            Self::Http(error) => error.is_transient(),
            Self::Link(_)
            | Self::Gone
            | Self::PasswordNeeded
            | Self::PasswordWrong { .. }
            | Self::Damaged(_)
            | Self::Info(_)
            | Self::TooLarge { .. }
            | Self::Seal(_)
            | Self::Source(_)
            | Self::FileExists
            | Self::Target(_)
            | Self::KeptAside { .. }
            | Self::NotClaimed
            | Self::System => false,
        }
    }

    /// Seconds the server asks to wait.
    pub(super) fn retry_after(&self) -> Option<u32> {
        if let Self::Http(error) = self { error.retry_after() } else { None }
    }

    /// What a problem document of the server means here. What may pass by waiting keeps the document, which says how
    /// long.
    pub(super) fn of(problem: Problem) -> Self {
        let code = problem.code();
        if matches!(code, ErrorCode::DropGone | ErrorCode::NotFound) {
            Self::Gone
        } else if code == ErrorCode::PasswordWrong {
            Self::PasswordWrong { left: problem.detail().map(str::to_owned) }
        } else if code.is_retryable() {
            Self::Http(problem.into())
        } else {
            Self::Refused { code }
        }
    }

    /// Problems that were waited for in vain are refusals.
    pub(super) fn settled(self) -> Self {
        let waited = if let Self::Http(error) = &self { error.code() } else { None };
        waited.map_or(self, |code| Self::Refused { code })
    }
}

impl From<HttpError> for DropError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<reqwest::Error> for DropError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.into())
    }
}

impl From<LinkError> for DropError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<SealError> for DropError {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

impl From<OpenError> for DropError {
    fn from(error: OpenError) -> Self {
        Self::Damaged(error)
    }
}

impl From<InfoError> for DropError {
    fn from(error: InfoError) -> Self {
        Self::Info(error)
    }
}
