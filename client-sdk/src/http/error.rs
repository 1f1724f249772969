//! How asking a node fails.

use api::{ErrorCode, Problem};
use thiserror::Error;

/// Why a node did not give what was asked for. None of these carries a path, which would name a group or a mailbox.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The node says why not.
    #[error("{}{}", .0.code().title(), .0.detail().map(|d| format!(": {d}")).unwrap_or_default())]
    Problem(Box<Problem>),
    /// No connection could be made, so nothing was sent.
    #[error("the node cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It was sent, at least in part, and no whole answer came. A frame has to be sent again in the same bytes.
    #[error("the connection to the node broke")]
    UnknownOutcome(#[source] reqwest::Error),
    /// No answer came in time; what the node did is as unknown as with [`Self::UnknownOutcome`].
    #[error("the node took too long")]
    Timeout,
    /// An answer that is none: too long, of another type, or not what was asked for. Another server, perhaps.
    #[error("the answer is not a node's ({0})")]
    BadAnswer(&'static str),
    /// The text is not the address of a node (the fault of whoever wrote it).
    #[error("`{0}` is not the address of a node; it has to look like https://host or http://127.0.0.1:8080")]
    BadAddress(String),
    /// The address would have tokens travel unencrypted over a network, and that was not allowed.
    #[error("`{0}` is not encrypted; plain http is for this machine only, unless it is allowed")]
    PlainHttp(String),
    /// The client's own set-up failed, for want of the system's certificates or of anything else it needs.
    #[error("connections cannot be set up")]
    Setup(#[source] reqwest::Error),
}

impl HttpError {
    /// The node's code, where it gave one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        self.problem().map(Problem::code)
    }

    /// The node's document, where it gave one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Unreachable(_)
            | Self::UnknownOutcome(_)
            | Self::Timeout
            | Self::BadAnswer(_)
            | Self::BadAddress(_)
            | Self::PlainHttp(_)
            | Self::Setup(_) => None,
        }
    }

    /// Whether nothing was sent.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::BadAddress(_) | Self::PlainHttp(_) | Self::Setup(_))
    }

    /// Whether it is certain that the request changed nothing. Where it is not, a frame is never rebuilt but sent
    /// again as it is: its first copy may be in the log.
    #[must_use]
    pub fn has_no_side_effects(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.code().has_no_side_effects(),
            Self::UnknownOutcome(_) | Self::Timeout | Self::BadAnswer(_) => false,
            Self::Unreachable(_) | Self::BadAddress(_) | Self::PlainHttp(_) | Self::Setup(_) => true,
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.code().is_retryable(),
            Self::Unreachable(_) | Self::UnknownOutcome(_) | Self::Timeout => true,
            Self::BadAnswer(_) | Self::BadAddress(_) | Self::PlainHttp(_) | Self::Setup(_) => false,
        }
    }

    /// Whether another token is needed.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.code().is_some_and(|code| code.status() == 401)
    }

    /// Seconds the node asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.problem().and_then(Problem::retry_after)
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        // The address may name a mailbox or a group; the cause alone is told.
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            Self::Unreachable(error)
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::UnknownOutcome(error)
        }
    }
}

impl From<Problem> for HttpError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}
