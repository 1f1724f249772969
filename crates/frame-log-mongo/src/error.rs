//! What the driver's errors mean for the log.

use frame_log::{AppendError, MailboxError, ReadError, WriteError};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use thiserror::Error as ThisError;

/// A unique key is taken.
const DUPLICATE_KEY: i32 = 11_000;
/// The server has no disk left.
const OUT_OF_DISK_SPACE: i32 = 14_031;

/// Why a log was not opened.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum OpenError {
    /// The connection string, or the options in it, cannot be used. Not repeated here, since it may hold a password.
    #[error("the connection string cannot be read; it begins with mongodb:// and names at least one host")]
    BadConnectionString,
    /// The name of the database is none.
    #[error(
        "a database's name has 1 to 63 bytes and none of the characters / \\ . \" $ * < > : | ? or space"
    )]
    BadDatabaseName,
    /// No server answers, or none is primary, or it does not let us in.
    #[error("the database cannot be reached or refuses us")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server answered something that is not understood.
    #[error("the server's answer is not understood: {0}")]
    Protocol(&'static str),
    /// The collections were written by another version of the program.
    #[error(
        "the database has schema {found}, this program knows {known}: use the program that wrote it, or one that can \
         bring it over"
    )]
    Schema {
        /// What is stored.
        found: String,
        /// What this program reads and writes.
        known: u32,
    },
    /// There are frames but no schema is named: the database is somebody else's or was restored in part.
    #[error(
        "the collection `frames` holds documents but the database does not name its schema: choose another database, \
         or restore the collection `meta` along with the others"
    )]
    Foreign,
    /// An index is there under a name of ours and is another index.
    #[error(transparent)]
    Index(#[from] BadIndex),
}

/// An index that stands in the way of ours.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error(
    "the index `{name}` of the collection `{collection}` has {what} other than it should: drop it \
     (db.{collection}.dropIndex(\"{name}\")) and start again, which builds it anew"
)]
pub struct BadIndex {
    /// The collection.
    pub collection: &'static str,
    /// The index.
    pub name: &'static str,
    /// What differs.
    pub what: &'static str,
}

/// What a failed request to the database means, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A document with this key is there already; nothing was written.
    Taken,
    /// The server has no disk left; nothing was written.
    NoSpace,
    /// The server did not answer, or not with a yes: for a write, the outcome is open.
    Unavailable,
}

impl Fault {
    /// Reads the driver's error. Only a refusal by the server itself says that nothing was written; a failed
    /// confirmation (of the write concern) says the opposite of nothing.
    pub(crate) fn of(error: &Error) -> Self {
        let code = if let ErrorKind::Write(WriteFailure::WriteError(refused)) = &*error.kind {
            Some(refused.code)
        } else if let ErrorKind::Command(refused) = &*error.kind {
            Some(refused.code)
        } else {
            None
        };
        match code {
            Some(DUPLICATE_KEY) => Self::Taken,
            Some(OUT_OF_DISK_SPACE) => Self::NoSpace,
            _ => Self::Unavailable,
        }
    }
}

/// The kind of an error and its code, for logs: a message of the server may quote stored values.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the driver has many kinds, and a log line a word for the rest"
)]
pub(crate) fn describe(error: &Error) -> (&'static str, Option<i32>) {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(refused)) => ("write refused", Some(refused.code)),
        ErrorKind::Write(WriteFailure::WriteConcernError(open)) => ("write not confirmed", Some(open.code)),
        ErrorKind::Command(refused) => ("command refused", Some(refused.code)),
        ErrorKind::Io(_) => ("connection failed", None),
        ErrorKind::ConnectionPoolCleared { .. } => ("connections given up", None),
        ErrorKind::ServerSelection { .. } => ("no server to ask", None),
        ErrorKind::Authentication { .. } => ("not let in", None),
        ErrorKind::Shutdown => ("closed", None),
        _ => ("failed", None),
    }
}

impl From<Fault> for ReadError {
    fn from(_: Fault) -> Self {
        Self::Unavailable
    }
}

impl From<Fault> for AppendError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSpace => Self::NoSpace,
            Fault::Taken | Fault::Unavailable => Self::Unavailable,
        }
    }
}

impl From<Fault> for WriteError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSpace => Self::NoSpace,
            Fault::Taken | Fault::Unavailable => Self::Unavailable,
        }
    }
}

impl From<Fault> for MailboxError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSpace => Self::NoSpace,
            Fault::Taken | Fault::Unavailable => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{deserialize_from_document, doc};

    use super::*;

    /// What is certain and what is open after each way of failing: a frame that may be there is never called refused.
    #[test]
    fn only_the_servers_refusal_is_certain() {
        let refused = |code| {
            let said = deserialize_from_document(doc! { "code": code, "errmsg": "no" }).unwrap();
            Error::from(ErrorKind::Write(WriteFailure::WriteError(said)))
        };
        let unconfirmed = |code| {
            let said = deserialize_from_document(doc! { "code": code, "errmsg": "waiting" }).unwrap();
            Error::from(ErrorKind::Write(WriteFailure::WriteConcernError(said)))
        };
        let command = |code| {
            let said =
                deserialize_from_document(doc! { "code": code, "codeName": "x", "errmsg": "no" }).unwrap();
            Error::from(ErrorKind::Command(said))
        };
        let lost = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        for (error, fault, certain) in [
            (refused(DUPLICATE_KEY), Fault::Taken, false),
            (command(DUPLICATE_KEY), Fault::Taken, false),
            (refused(OUT_OF_DISK_SPACE), Fault::NoSpace, true),
            (command(OUT_OF_DISK_SPACE), Fault::NoSpace, true),
            // A timeout of the write concern, one that can never be met, a step-down while waiting for it.
            (unconfirmed(64), Fault::Unavailable, false),
            (unconfirmed(100), Fault::Unavailable, false),
            (unconfirmed(11_602), Fault::Unavailable, false),
            // Even these codes do not say that nothing was written, where the write concern failed with them.
            (unconfirmed(DUPLICATE_KEY), Fault::Unavailable, false),
            (unconfirmed(OUT_OF_DISK_SPACE), Fault::Unavailable, false),
            // Not primary, recovering, out of time, not allowed.
            (command(10_107), Fault::Unavailable, false),
            (command(13_436), Fault::Unavailable, false),
            (command(50), Fault::Unavailable, false),
            (command(13), Fault::Unavailable, false),
            (lost, Fault::Unavailable, false),
        ] {
            assert_eq!(Fault::of(&error), fault, "{error}");
            assert_eq!(AppendError::from(fault).has_no_side_effects(), certain, "{error}");
        }
    }

    #[test]
    fn logs_quote_nothing_the_server_says() {
        let said = deserialize_from_document(doc! { "code": 11_000, "errmsg": "dup key: secret" }).unwrap();
        let error = Error::from(ErrorKind::Write(WriteFailure::WriteError(said)));
        assert_eq!(describe(&error), ("write refused", Some(11_000)));
    }
}
