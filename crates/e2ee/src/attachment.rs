//! A file that lies outside the log: what a member says of it, and where the others find it.
//!
//! The file is sealed once and kept by a service that reads nothing of it. Every member gets a copy of its own there,
//! readable once, under a secret derived from the whole's: [`Attachment::copy_for`].

use core::fmt;

use protocol::LeafId;
pub use sealed_drop::DropSecret;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    Malformed,
    name::{ContentType, FileName},
    node_url::NodeUrl,
    wire,
};

/// SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileDigest([u8; 32]);

impl FileDigest {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A file larger than a frame. `Debug` shows neither its secret nor its name.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// A name that is safe to create; opening sanitises what was sent.
    pub name: FileName,
    /// What it is.
    pub media_type: ContentType,
    /// Exact size in bytes, at most [`Attachment::MAX_SIZE`].
    pub size: u64,
    /// Hash of the file.
    pub digest: FileDigest,
    /// Secret of the whole, from which those of the copies follow.
    pub secret: DropSecret,
    /// The service that keeps it; `None` for the one that the group's node announces.
    pub service: Option<NodeUrl>,
}

impl Attachment {
    /// Most bytes of a file.
    pub const MAX_SIZE: u64 = sealed_drop::MAX_CONTENT;

    /// The secret of a member's copy. Every member can derive those of all members.
    #[must_use]
    pub fn copy_for(&self, member: LeafId) -> DropSecret {
        self.secret.copy(&copy_name(member))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let bytes = wire::encode(&AttachmentWire {
            name: self.name.to_string(),
            media_type: self.media_type.to_string(),
            size: self.size,
            digest: self.digest.as_bytes().to_vec(),
            secret: self.secret.to_bytes().to_vec(),
            service: self.service.as_ref().map(|url| url.as_str().to_owned()).unwrap_or_default(),
        });
        bytes.to_vec()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let wire: AttachmentWire = wire::decode(bytes)?;
        if wire.name.len() > FileName::MAX || wire.size > Self::MAX_SIZE {
            return Err(Malformed);
        }
        Ok(Self {
            name: FileName::sanitise(&wire.name),
            media_type: ContentType::new(&wire.media_type).map_err(|_| Malformed)?,
            size: wire.size,
            digest: FileDigest::new(wire::array(&wire.digest)?),
            secret: DropSecret::from_bytes(&*wire::secret_array(&wire.secret)?),
            service: match wire.service.as_str() {
                "" => None,
                url => Some(NodeUrl::exactly(url)?),
            },
        })
    }
}

/// What the copy of a member is called: its leaf's id, eight bytes.
#[must_use]
pub const fn copy_name(member: LeafId) -> [u8; 8] {
    member.get().to_be_bytes()
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({} bytes)", self.size)
    }
}

#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct AttachmentWire {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    media_type: String,
    #[prost(uint64, tag = "3")]
    size: u64,
    #[prost(bytes = "vec", tag = "4")]
    digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    secret: Vec<u8>,
    #[prost(string, tag = "6")]
    service: String,
}

impl fmt::Debug for AttachmentWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttachmentWire(..)")
    }
}
