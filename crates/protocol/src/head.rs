//! The head of a frame: what is said in the clear.

use prost::Message;

use crate::{
    Ctx, Epoch, FrameId, GroupId, Refusal, Suite, TreeHash, UnixSeconds,
    body::Body,
    digest,
    limits::{MAX_HEAD, VERSION},
    wire,
};

/// Kind of a frame. Numbers are part of the wire format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is described at the body of the same name")]
#[repr(u32)]
pub enum Kind {
    Init = 1,
    AddMembers = 2,
    UpdateKey = 3,
    IssueTicket = 4,
    RevokeTicket = 5,
    Join = 6,
    Rejoin = 7,
    Leave = 8,
    MarkRemoved = 9,
    Expire = 10,
    MarkOwn = 11,
    Heal = 12,
    RemoveMembers = 13,
    SetPolicy = 14,
    SetAdmins = 15,
    TransferOwner = 16,
    // 17 Recover, 18 log checkpoint, 33 leaf-signed message, 34 join request: reserved, see `RESERVED`.
    Close = 19,
    Message = 32,
}

/// Numbers that have a meaning to come and are refused until then: recovery by a key, log checkpoints, leaf-signed
/// messages, requests to join.
pub const RESERVED: &[u32] = &[17, 18, 33, 34];

impl Kind {
    /// Every kind there is.
    pub const ALL: &'static [Self] = &[
        Self::Init,
        Self::AddMembers,
        Self::UpdateKey,
        Self::IssueTicket,
        Self::RevokeTicket,
        Self::Join,
        Self::Rejoin,
        Self::Leave,
        Self::MarkRemoved,
        Self::Expire,
        Self::MarkOwn,
        Self::Heal,
        Self::RemoveMembers,
        Self::SetPolicy,
        Self::SetAdmins,
        Self::TransferOwner,
        Self::Close,
        Self::Message,
    ];

    /// The number on the wire.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless repr(u32) enum")]
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The kind of a number.
    ///
    /// # Errors
    /// [`Refusal::NotSupported`] for a reserved number, [`Refusal::Malformed`] for any other without a kind.
    pub fn from_code(code: u32) -> Result<Self, Refusal> {
        match Self::ALL.iter().find(|k| k.code() == code) {
            Some(kind) => Ok(*kind),
            None if RESERVED.contains(&code) => Err(Refusal::NotSupported),
            None => Err(Refusal::Malformed),
        }
    }

    /// Whether frames of this kind change the epoch.
    #[must_use]
    pub const fn is_operation(self) -> bool {
        !matches!(self, Self::Message)
    }
}

/// Where in the group's history a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An operation on the state whose ctx is `base`.
    Operation {
        /// ctx of the state it was built on.
        base: Ctx,
        /// The sender's time.
        at: UnixSeconds,
        /// Hash the tree has afterwards.
        tree_hash_after: TreeHash,
    },
    /// A message of an epoch.
    Message {
        /// The epoch whose keys seal and authorise it.
        epoch: Epoch,
    },
}

/// A checked head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Cipher suite; must be the group's.
    pub suite: Suite,
    /// The group.
    pub group: GroupId,
    /// The sender's id for this frame.
    pub frame_id: FrameId,
    /// Base and time, or epoch.
    pub place: Place,
    /// What it says.
    pub body: Body,
}

impl Head {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// The canonical bytes, at most [`MAX_HEAD`] for heads that decode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut wire = wire::Head {
            version: VERSION,
            suite: self.suite.code(),
            group: self.group.as_bytes().to_vec(),
            frame_id: self.frame_id.as_bytes().to_vec(),
            kind: self.kind().code(),
            body: self.body.encode(),
            ..wire::Head::default()
        };
        match self.place {
            Place::Operation { base, at, tree_hash_after } => {
                wire.base = base.as_bytes().to_vec();
                wire.at = at.get();
                wire.tree_hash_after = tree_hash_after.as_bytes().to_vec();
            }
            Place::Message { epoch } => wire.epoch = epoch.get(),
        }
        wire.encode_to_vec()
    }

    /// Decodes and checks all that needs no state.
    ///
    /// # Errors
    /// [`Refusal`] naming the first rule broken: size, form, version, kind, then the body's own rules.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_HEAD {
            return Err(Refusal::TooLarge);
        }
        let wire: wire::Head = wire::decode_canonical(bytes)?;
        if wire.version != VERSION {
            return Err(Refusal::UnsupportedVersion);
        }
        let suite = Suite::from_code(wire.suite).ok_or(Refusal::UnknownSuite)?;
        let kind = Kind::from_code(wire.kind)?;
        let group = GroupId::from_slice(&wire.group).map_err(|_| Refusal::Malformed)?;
        let frame_id = FrameId::from_slice(&wire.frame_id).map_err(|_| Refusal::Malformed)?;
        let place = if kind.is_operation() {
            if wire.epoch != 0 {
                return Err(Refusal::Malformed);
            }
            Place::Operation {
                base: Ctx::from_slice(&wire.base).map_err(|_| Refusal::Malformed)?,
                at: UnixSeconds::new(wire.at),
                tree_hash_after: TreeHash::from_slice(&wire.tree_hash_after)
                    .map_err(|_| Refusal::Malformed)?,
            }
        } else {
            if !wire.base.is_empty() || wire.at != 0 || !wire.tree_hash_after.is_empty() {
                return Err(Refusal::Malformed);
            }
            Place::Message { epoch: Epoch::new(wire.epoch) }
        };
        let head = Self { suite, group, frame_id, place, body: Body::decode(kind, &wire.body)? };
        if let (Body::Init(_), Place::Operation { base, at, tree_hash_after }) = (&head.body, head.place) {
            // The id is derived from what the frame says, so nobody can squat on one or claim another's.
            let id = digest::group_id(suite, at, &tree_hash_after, &wire.body);
            if id != group || base != digest::ctx_before_init(suite, &group) {
                return Err(Refusal::Malformed);
            }
        }
        Ok(head)
    }
}
