//! What an application is told of a group: one entry for everything that happened, in order, once.

use serde::{Deserialize, Serialize};

/// Position in the local timeline of a group: 0, 1, 2, … without gaps.
///
/// It is not the log's sequence number: frames that tell the application nothing have no entry, and a message that
/// had to wait for its sender's credential gets its place when it is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Position(pub u64);

/// Who did something, as far as members can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Identity key in hexadecimal, `None` while no credential has shown one.
    pub identity: Option<String>,
    /// The name they chose in this group, `None` while unknown.
    pub name: Option<String>,
    /// Name of their leaf.
    pub leaf_id: u64,
}

/// One thing that happened in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Place in the local timeline.
    pub position: Position,
    /// Sequence number of the frame in the group's log.
    pub seq: u64,
    /// Epoch the frame belongs to; for an operation the one it began.
    pub epoch: u64,
    /// When the node stored the frame, in milliseconds since 1970, as the node says.
    pub received_at_ms: u64,
    /// Who did it; `None` where the frame does not say (a removal marked by the owner or an admin, say).
    pub sender: Option<Person>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// A text message.
    Text {
        /// The text.
        text: String,
    },
    /// A file that fits one message.
    File {
        /// File name without any path.
        name: String,
        /// Media type as the sender states it.
        media_type: String,
        /// The content.
        #[serde(with = "base64_bytes")]
        content: Vec<u8>,
    },
    /// A file that lies outside the log: see [`crate::Group::fetch_attachment`].
    Attachment {
        /// File name without any path.
        name: String,
        /// Media type as the sender states it.
        media_type: String,
        /// Size in bytes as the sender states it.
        size: u64,
        /// SHA-256 as the sender states it, in hexadecimal.
        sha256: String,
        /// How far this home is with it.
        state: AttachmentState,
    },
    /// A message of the application's own type.
    Application {
        /// Its content type.
        content_type: String,
        /// Its bytes.
        #[serde(with = "base64_bytes")]
        body: Vec<u8>,
    },
    /// The group was founded.
    Created,
    /// People were invited by name.
    Invited {
        /// Who.
        people: Vec<Person>,
    },
    /// An open invitation was issued.
    TicketIssued,
    /// An open invitation was closed.
    TicketRevoked,
    /// The sender joined.
    Joined,
    /// The sender gave its leaf a fresh key.
    KeyUpdated,
    /// The sender came back after losing its state.
    Rejoined,
    /// The sender left.
    Left,
    /// People were removed, or their invites became void.
    Removed {
        /// Who.
        people: Vec<Person>,
    },
    /// A removal was completed by re-keying.
    Healed,
    /// The group's rules changed.
    PolicyChanged,
    /// The set of admins changed.
    AdminsChanged,
    /// The group has another owner.
    OwnerChanged,
    /// The group was closed; nothing follows.
    Closed,
    /// The own leaf was removed; nothing that follows can be read.
    RemovedSelf,
    /// A message that could not be read or did not prove its sender; the log goes on.
    Unreadable {
        /// Stable code of the reason.
        reason: String,
    },
    /// A stretch of history that the node no longer holds.
    HistoryGap,
    /// Somebody else changed the own leaf: its secrets are known to others.
    LeafTakenOver,
}

/// How far a home is with an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttachmentState {
    /// It can be fetched.
    Waiting,
    /// It was sent from here.
    Sent,
    /// It was fetched.
    Fetched,
    /// The service had nothing for this home when it was asked.
    Gone,
}

mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
