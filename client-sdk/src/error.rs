//! How the client fails: one error with a stable code and an answer to "may I try again?".

use api::ErrorCode;
use thiserror::Error as ThisError;

use crate::{
    drops::DropError, http::HttpError, prover::ProverError, session::SessionError, store::StoreError,
};

/// Why something was not done.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The group's rules forbid it, or the client's own checks do.
    #[error("{detail}")]
    NotPossible {
        /// Stable code.
        code: &'static str,
        /// What is in the way.
        detail: String,
    },
    /// The node refused.
    #[error("the node refused: {}", .code.title())]
    Node {
        /// The node's code.
        code: ErrorCode,
    },
    /// The node cannot be reached, or does not answer as one.
    #[error("the node could not be asked")]
    Http(#[source] HttpError),
    /// It was sent and no answer came; the next call for this group finds out what became of it.
    #[error("no answer came; the outcome is settled by the next call for this group")]
    OutcomeUnknown,
    /// The node's history contradicts what this client knows. Nothing more is sent; compare with the others.
    #[error("the node's history of this group is forked at frame {seq} ({reason})")]
    Forked {
        /// Position of the frame that showed it.
        seq: u64,
        /// What was wrong, as a code.
        reason: String,
    },
    /// Too many others changed the group at the same time.
    #[error("the group changed too often to get through; try again")]
    Contention,
    /// There is no identity in this home yet.
    #[error("there is no identity yet; create one first")]
    NoIdentity,
    /// This home has an identity already.
    #[error("this home has an identity already")]
    IdentityExists,
    /// No group of that name or id.
    #[error("no group called `{0}`")]
    NoSuchGroup(String),
    /// Several groups or members go by that name.
    #[error("`{0}` could be several; use the id")]
    Ambiguous(String),
    /// Nobody of that name in the group.
    #[error("no member called `{0}`")]
    NoSuchMember(String),
    /// A link, invite, contact or other text that is not right.
    #[error("{what}: {reason}")]
    BadText {
        /// What it should have been.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The local store failed.
    #[error("the local store failed")]
    Store(#[from] StoreError),
    /// A proof could not be made.
    #[error("a proof could not be made")]
    Prover(#[source] ProverError),
    /// A drop could not be made or read.
    #[error(transparent)]
    Drop(DropError),
    /// The system gave no randomness, or a task was torn down.
    #[error("the system failed the client")]
    System,
}

impl Error {
    /// Stable code: lower case and underscores.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotPossible { code, .. } => code,
            Self::Node { code } => code.code(),
            Self::Http(_) => "unreachable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Forked { .. } => "forked",
            Self::Contention => "contention",
            Self::NoIdentity => "no_identity",
            Self::IdentityExists => "identity_exists",
            Self::NoSuchGroup(_) => "no_such_group",
            Self::Ambiguous(_) => "ambiguous",
            Self::NoSuchMember(_) => "no_such_member",
            Self::BadText { .. } => "bad_text",
            Self::Store(StoreError::WrongKey) => "wrong_key",
            Self::Store(_) => "store",
            Self::Prover(ProverError::Keys(error)) => error.code(),
            Self::Prover(_) => "prover",
            Self::Drop(error) => error.code(),
            Self::System => "system",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Node { code } => code.is_retryable(),
            Self::Http(_) | Self::OutcomeUnknown | Self::Contention => true,
            Self::Drop(error) => error.is_retryable(),
            Self::Store(error) => matches!(error, StoreError::Busy),
            Self::NotPossible { .. }
            | Self::Forked { .. }
            | Self::NoIdentity
            | Self::IdentityExists
            | Self::NoSuchGroup(_)
            | Self::Ambiguous(_)
            | Self::NoSuchMember(_)
            | Self::BadText { .. }
            | Self::Prover(_)
            | Self::System => false,
        }
    }

    pub(crate) fn bad_text(what: &'static str, reason: impl core::fmt::Display) -> Self {
        Self::BadText { what, reason: reason.to_string() }
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Forked { seq, code } | SessionError::Suspect { seq, code } => {
                Self::Forked { seq: seq.get(), reason: code.to_owned() }
            }
            SessionError::Disputed { seq, .. } => {
                Self::Forked { seq: seq.get(), reason: error.code().to_owned() }
            }
            SessionError::ProofSystemFailure(seq) => {
                Self::Forked { seq: seq.get(), reason: "proof_system_failure".to_owned() }
            }
            SessionError::Gap { .. }
            | SessionError::Refused(_)
            | SessionError::NotAMember
            | SessionError::NotJoined
            | SessionError::KeysLost
            | SessionError::OwnerOnly
            | SessionError::AdminOnly
            | SessionError::NotAnAdmin
            | SessionError::TooManyAdmins
            | SessionError::Unconfirmed
            | SessionError::NotPossible(_)
            | SessionError::TooLong => Self::NotPossible { code: error.code(), detail: error.to_string() },
        }
    }
}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        match error.code() {
            Some(code) => Self::Node { code },
            None => Self::Http(error),
        }
    }
}

impl From<DropError> for Error {
    fn from(error: DropError) -> Self {
        Self::Drop(error)
    }
}

impl From<ProverError> for Error {
    fn from(error: ProverError) -> Self {
        Self::Prover(error)
    }
}
