//! What goes wrong with folders and buckets.
//!
//! What a client of S3 says of a failure has addresses, URLs and names of objects in it, none of which may reach a log.
//! So it is not kept: what remains is the kind of failure.

use core::{error::Error, fmt};
use std::io;

use service_kit::config::SecretError;
use thiserror::Error as ThisError;

/// The kind of a failure of the network or a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(Option<io::ErrorKind>);

impl Broken {
    pub(super) const fn timed_out() -> Self {
        Self(Some(io::ErrorKind::TimedOut))
    }

    pub(super) const fn unknown() -> Self {
        Self(None)
    }

    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<io::Error>()
                && io.kind() != io::ErrorKind::Other
            {
                return Self(Some(io.kind()));
            }
            next = error.source();
        }
        Self(None)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(kind) => write!(f, "{kind}"),
            None => f.write_str("no reason known"),
        }
    }
}

/// A piece of a body was not stored, read or removed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum BodyError {
    /// Folder or bucket do not answer, or not in time.
    #[error("the place of bodies does not work: {0}")]
    Unavailable(Broken),
    /// There is no room.
    #[error("the place of bodies is full")]
    Full,
    /// What was asked for is not there.
    #[error("a piece of a body is not there")]
    Missing,
    /// What is there is not what was written.
    #[error("a piece of a body is damaged: {0}")]
    Damaged(&'static str),
    /// Access is refused.
    #[error("access to the place of bodies is refused")]
    Denied,
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
}

impl From<object_store::Error> for BodyError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Theirs;
        if let Theirs::NotFound { .. } = error {
            Self::Missing
        } else if let Theirs::PermissionDenied { .. } | Theirs::Unauthenticated { .. } = error {
            Self::Denied
        } else {
            Self::of_kind(Broken::of(&error))
        }
    }
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        Self::of_kind(Broken(Some(error.kind())))
    }
}

impl BodyError {
    fn of_kind(broken: Broken) -> Self {
        match broken.0 {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Self::Full,
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Self::Denied,
            Some(io::ErrorKind::NotFound) => Self::Missing,
            _ => Self::Unavailable(broken),
        }
    }
}

/// The place of bodies cannot be used; said when a service starts, to whoever runs it.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum CheckError {
    /// The folder cannot be made or opened.
    #[error("the folder for bodies cannot be made")]
    NoFolder(#[source] io::Error),
    /// Nothing can be written to the folder, or it cannot be read again.
    #[error("the folder for bodies cannot be written to")]
    Unwritable,
    /// There is no such bucket.
    #[error("the bucket for bodies does not exist")]
    NoBucket,
    /// The bucket does not accept who we are, or does not let us write, list, read and delete.
    #[error(
        "the bucket for bodies refuses the credentials: writing, listing, reading and deleting are needed"
    )]
    Refused,
    /// No answer, or none that is understood.
    #[error("the bucket for bodies does not answer: {0}")]
    Unreachable(Broken),
    /// What was written came back altered.
    #[error("the place for bodies gives back something else than was written to it")]
    Altered,
    /// There is no room.
    #[error("the place for bodies is full")]
    Full,
    /// It is used for another database. Each needs a place of its own: what one does not know of, it removes.
    #[error(
        "the place for bodies belongs to another database: give this one an empty place, or remove the object \
         `owner-of-drops` there if that database is gone for good"
    )]
    Foreign,
    /// A secret cannot be read.
    #[error("the secret for the bucket cannot be read")]
    Secret(#[source] SecretError),
    /// The settings make no client: an address that is none, for example.
    #[error("the settings of the bucket for bodies cannot be used")]
    Settings,
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
}

impl CheckError {
    pub(super) fn of(error: BodyError, folder: bool) -> Self {
        match error {
            BodyError::Full => Self::Full,
            BodyError::Damaged(_) => Self::Altered,
            BodyError::NoRandomness => Self::NoRandomness,
            _ if folder => Self::Unwritable,
            BodyError::Missing => Self::NoBucket,
            BodyError::Denied => Self::Refused,
            BodyError::Unavailable(broken) => Self::Unreachable(broken),
        }
    }
}
