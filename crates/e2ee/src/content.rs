//! What is inside a signed payload.
//!
//! `{uint32 kind = 1; bytes body = 2}` with a body per kind. A kind this version does not know is told apart from
//! nonsense, so that newer members can post what older ones skip.

use core::fmt;

use protocol::limits::MAX_CHANGES;
use thiserror::Error;

use crate::{
    admins::Admins,
    attachment::Attachment,
    credential::{LeafCredential, Profile},
    key_package::KeyPackage,
    name::{ContentType, FileName},
    padding::MAX_PLAINTEXT,
    roster::{Roster, StatementWire},
    wire,
};

/// Most bytes of an encoded content: the largest plaintext less room for the signature around it.
pub const MAX_CONTENT: usize = MAX_PLAINTEXT - 256;

/// Why bytes are no content. The frame is recorded with this error and the log goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContentError {
    /// A kind this version does not know or that is reserved.
    #[error("content of an unknown kind {0}")]
    UnknownKind(u32),
    /// Not the canonical encoding of an acceptable content of its kind (the sender's fault).
    #[error("malformed content")]
    Malformed,
    /// Longer than [`MAX_CONTENT`] (the caller's fault).
    #[error("a content of {len} bytes, the limit is {max}")]
    TooLong {
        /// Bytes of the encoding.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// More key packages than a frame adds members (the caller's fault).
    #[error("{0} key packages, the limit is 64")]
    TooManyPackages(usize),
}

impl From<crate::Malformed> for ContentError {
    fn from(_: crate::Malformed) -> Self {
        Self::Malformed
    }
}

/// What a member says.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Nothing: operations that need no words.
    Empty,
    /// Something of the application's.
    Application {
        /// What it is, for the application.
        content_type: ContentType,
        /// The bytes.
        body: Vec<u8>,
    },
    /// A file that fits into one frame.
    File {
        /// A name that is safe to create; opening sanitises what was sent.
        name: FileName,
        /// What it is.
        media_type: ContentType,
        /// The bytes.
        body: Vec<u8>,
    },
    /// Members as the sender knows them, each entry to be verified on its own.
    Roster(Roster),
    /// The sender's own leaf and name: in each Init, `UpdateKey`, Join and Rejoin.
    Credential {
        /// Who is behind the leaf.
        credential: LeafCredential,
        /// Its name in this group.
        profile: Profile,
    },
    /// The key packages of the members an operation adds, in the order of its changes.
    Added {
        /// At most 64.
        packages: Vec<KeyPackage>,
    },
    /// The commitments of the admins, with a box for each of them.
    Admins(Admins),
    /// A file that does not fit into one frame.
    Attachment(Attachment),
}

mod kind {
    pub(super) const EMPTY: u32 = 0;
    pub(super) const APPLICATION: u32 = 1;
    pub(super) const FILE: u32 = 2;
    pub(super) const ROSTER: u32 = 3;
    pub(super) const CREDENTIAL: u32 = 4;
    pub(super) const ADDED: u32 = 5;
    pub(super) const ADMINS: u32 = 6;
    pub(super) const ATTACHMENT: u32 = 7;
}

impl Content {
    /// The encoding. That of [`Content::Empty`] is no bytes at all.
    ///
    /// # Errors
    /// [`ContentError::TooLong`] or [`ContentError::TooManyPackages`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ContentError> {
        let (kind, body) = match self {
            Self::Empty => (kind::EMPTY, Vec::new()),
            Self::Application { content_type, body } => (
                kind::APPLICATION,
                bytes(&ApplicationWire { content_type: content_type.to_string(), body: body.clone() }),
            ),
            Self::File { name, media_type, body } => (
                kind::FILE,
                bytes(&FileWire {
                    name: name.to_string(),
                    media_type: media_type.to_string(),
                    body: body.clone(),
                }),
            ),
            Self::Roster(roster) => (kind::ROSTER, roster.to_bytes()),
            Self::Credential { credential, profile } => {
                (kind::CREDENTIAL, bytes(&StatementWire::new(credential, profile)))
            }
            Self::Added { packages } if packages.len() > MAX_CHANGES => {
                return Err(ContentError::TooManyPackages(packages.len()));
            }
            Self::Added { packages } => (
                kind::ADDED,
                bytes(&AddedWire { packages: packages.iter().map(KeyPackage::to_bytes).collect() }),
            ),
            Self::Admins(admins) => (kind::ADMINS, admins.to_bytes()),
            Self::Attachment(attachment) => (kind::ATTACHMENT, attachment.to_bytes()),
        };
        let out = bytes(&ContentWire { kind, body });
        if out.len() > MAX_CONTENT {
            return Err(ContentError::TooLong { len: out.len(), max: MAX_CONTENT });
        }
        Ok(out)
    }

    /// Takes received bytes. Signatures of key packages are verified, those of roster entries and credentials are not:
    /// that takes a tree.
    ///
    /// # Errors
    /// [`ContentError::UnknownKind`] for what another version may know, [`ContentError::Malformed`] for the rest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ContentError> {
        if bytes.len() > MAX_CONTENT {
            return Err(ContentError::Malformed);
        }
        let wire: ContentWire = wire::decode(bytes)?;
        match wire.kind {
            kind::EMPTY if wire.body.is_empty() => Ok(Self::Empty),
            kind::EMPTY => Err(ContentError::Malformed),
            kind::APPLICATION => {
                let wire: ApplicationWire = wire::decode(&wire.body)?;
                Ok(Self::Application { content_type: content_type(&wire.content_type)?, body: wire.body })
            }
            kind::FILE => {
                let wire: FileWire = wire::decode(&wire.body)?;
                if wire.name.len() > FileName::MAX {
                    return Err(ContentError::Malformed);
                }
                let media_type = content_type(&wire.media_type)?;
                Ok(Self::File { name: FileName::sanitise(&wire.name), media_type, body: wire.body })
            }
            kind::ROSTER => Ok(Self::Roster(Roster::from_bytes(&wire.body)?)),
            kind::CREDENTIAL => {
                let (credential, profile) = wire::decode::<StatementWire>(&wire.body)?.read()?;
                Ok(Self::Credential { credential, profile })
            }
            kind::ADDED => {
                let wire: AddedWire = wire::decode(&wire.body)?;
                if wire.packages.len() > MAX_CHANGES {
                    return Err(ContentError::Malformed);
                }
                let packages = wire.packages.iter().map(|bytes| KeyPackage::from_bytes(bytes));
                Ok(Self::Added { packages: packages.collect::<Result<_, _>>()? })
            }
            kind::ADMINS => Ok(Self::Admins(Admins::from_bytes(&wire.body)?)),
            kind::ATTACHMENT => Ok(Self::Attachment(Attachment::from_bytes(&wire.body)?)),
            unknown => Err(ContentError::UnknownKind(unknown)),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Content::Empty",
            Self::Application { .. } => "Content::Application(..)",
            Self::File { .. } => "Content::File(..)",
            Self::Roster(_) => "Content::Roster(..)",
            Self::Credential { .. } => "Content::Credential(..)",
            Self::Added { .. } => "Content::Added(..)",
            Self::Admins(_) => "Content::Admins(..)",
            Self::Attachment(_) => "Content::Attachment(..)",
        })
    }
}

fn bytes(message: &impl prost::Message) -> Vec<u8> {
    core::mem::take(&mut *wire::encode(message))
}

fn content_type(text: &str) -> Result<ContentType, ContentError> {
    ContentType::new(text).map_err(|_| ContentError::Malformed)
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContentWire {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(bytes = "vec", tag = "2")]
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ApplicationWire {
    #[prost(string, tag = "1")]
    content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FileWire {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    media_type: String,
    #[prost(bytes = "vec", tag = "3")]
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AddedWire {
    #[prost(bytes = "vec", repeated, tag = "1")]
    packages: Vec<Vec<u8>>,
}
