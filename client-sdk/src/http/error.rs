//! How asking a node fails.

use api::{ErrorCode, Problem};
use thiserror::Error;

/// Why a node did not give what was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The node says why not.
    #[error("{}{}", .0.code().title(), .0.detail().map(|d| format!(": {d}")).unwrap_or_default())]
    Problem(Box<Problem>),
    /// Nothing was sent: no connection could be made.
    #[error("the node cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It may have been sent; no whole answer came.
    #[error("the connection to the node broke")]
    Broken(#[source] reqwest::Error),
    /// An answer that is none: too long, of another type, or not what was asked for. Another server, perhaps.
    #[error("the answer is not a node's ({0})")]
    BadAnswer(&'static str),
    /// The address is not one of a node.
    #[error("`{0}` is not the address of a node; it has to look like https://host or http://127.0.0.1:8080")]
    BadAddress(String),
}

impl HttpError {
    /// The node's code, where it gave one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Problem(problem) => Some(problem.code()),
            Self::Unreachable(_) | Self::Broken(_) | Self::BadAnswer(_) | Self::BadAddress(_) => None,
        }
    }

    /// Whether certainly nothing was sent.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::BadAddress(_))
    }

    /// Seconds the node asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Problem(problem) => problem.retry_after(),
            Self::Unreachable(_) | Self::Broken(_) | Self::BadAnswer(_) | Self::BadAddress(_) => None,
        }
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        // The address may name a mailbox or a group; the cause alone is told.
        let error = error.without_url();
        if error.is_connect() || error.is_builder() { Self::Unreachable(error) } else { Self::Broken(error) }
    }
}
