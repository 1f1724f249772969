//! What each kind of operation says: typed bodies and their canonical bytes.
//!
//! Decoding checks everything that can be checked without a group's state: lengths, points, keys, counts, order.

use curve::{Point, field};
use prost::Message;

use crate::{
    AdminRoot, LeafId, ParamsHash, PolicyHash, RecoveryHash, Refusal, Slot, UnixSeconds, VerifyingKey,
    digest::Hasher,
    head::Kind,
    limits::{MAX_CHANGES, MAX_DEPTH, MAX_MARKS},
    wire,
};

/// A branch change: a slot and the new keys on its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The leaf the branch starts at.
    pub slot: Slot,
    /// Leaf key, one key per DH level upwards, then `K_sign`: at least 2.
    pub keys: Vec<Point>,
}

/// Rules of a group that its owner may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which proof parameters are accepted.
    pub params: ParamsHash,
    /// Most Live leaves, at least 1.
    pub max_members: u32,
    /// Seconds a message's content is kept; 0: for ever.
    pub message_retention: u64,
    /// Seconds an operation's head is kept; 0: for ever.
    pub operation_retention: u64,
    /// Longest life of an invite or ticket, in seconds.
    pub invite_ttl: u64,
}

/// First frame of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// Random bytes that make the group's id unique.
    pub nonce: [u8; 32],
    /// The owner's key, made for this group alone.
    pub owner: VerifyingKey,
    /// Merkle root of the admin commitments, zero while the owner is the only admin.
    pub admin_root: AdminRoot,
    /// The group's rules.
    pub policy: Policy,
    /// Digest of the recovery key, zero for none.
    pub recovery: RecoveryHash,
    /// Pseudonym of the creator's leaf.
    pub sig: VerifyingKey,
    /// The creator's leaf key and `K_sign`.
    pub keys: Vec<Point>,
}

/// One named invitee of an [`AddMembers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The branch with a leaf secret chosen by the doer.
    pub change: Change,
    /// The invitee's one-time pseudonym, from its key package.
    pub sig: VerifyingKey,
    /// When the invite lapses.
    pub expires: UnixSeconds,
}

/// Adds named invitees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddMembers {
    /// Who chose the leaf secrets.
    pub doer: Slot,
    /// 1 to 64 invitees, applied in this order.
    pub added: Vec<Added>,
}

/// A leaf's own fresh key; an invitee's first one joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateKey {
    /// The doer's own branch.
    pub change: Change,
    /// A new pseudonym, if it is rotated.
    pub new_sig: Option<VerifyingKey>,
}

/// Opens a ticket: an open invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueTicket {
    /// Who answers for it.
    pub doer: Slot,
    /// Public key of the ticket.
    pub ticket: VerifyingKey,
    /// How many may join by it, at least 1.
    pub uses: u32,
    /// When it lapses.
    pub expires: UnixSeconds,
}

/// Closes a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokeTicket {
    /// Who closes it.
    pub doer: Slot,
    /// Public key of the ticket.
    pub ticket: VerifyingKey,
}

/// A newcomer adds itself by a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The ticket used.
    pub ticket: VerifyingKey,
    /// The newcomer's branch.
    pub change: Change,
    /// The newcomer's pseudonym.
    pub sig: VerifyingKey,
    /// `E = e·G` of the external key schedule.
    pub external: Point,
}

/// An active leaf comes back after losing its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejoin {
    /// The doer's own branch.
    pub change: Change,
    /// `E = e·G` of the external key schedule.
    pub external: Point,
}

/// Leaves named for removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// 1 to 64 slots, strictly ascending.
    pub slots: Vec<Slot>,
    /// A new admin root in the same step, owner only.
    pub admin_root: Option<AdminRoot>,
}

/// Leaves marked by a named doer (Expire, `MarkOwn`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoerMarks {
    /// Who marks.
    pub doer: Slot,
    /// 1 to 64 slots, strictly ascending.
    pub slots: Vec<Slot>,
}

/// What a Heal does to the doer's own leaf first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnChange {
    /// Nothing.
    None,
    /// A fresh key.
    Update(UpdateKey),
    /// A return after loss of state.
    Rejoin(Rejoin),
}

/// Re-keys dirty leaves; with marks it is `RemoveMembers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heal {
    /// Who chooses the vacant leaves' secrets.
    pub doer: Slot,
    /// Leaves to mark first; present exactly in `RemoveMembers`.
    pub marks: Option<Marks>,
    /// The doer's own leaf.
    pub own: OwnChange,
    /// Branches for the lowest dirty slots, in order.
    pub changes: Vec<Change>,
}

/// The body of a head, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is named after the documented type it holds")]
pub enum Body {
    Init(Init),
    AddMembers(AddMembers),
    UpdateKey(UpdateKey),
    IssueTicket(IssueTicket),
    RevokeTicket(RevokeTicket),
    Join(Join),
    Rejoin(Rejoin),
    /// A leaf gives up its place.
    Leave(Slot),
    MarkRemoved(Marks),
    Expire(DoerMarks),
    MarkOwn(DoerMarks),
    Heal(Heal),
    RemoveMembers(Heal),
    SetPolicy(Policy),
    SetAdmins(AdminRoot),
    /// The new owner's key.
    TransferOwner(VerifyingKey),
    Close,
    Message,
}

impl Policy {
    /// Digest of the policy; part of ctx.
    #[must_use]
    pub fn hash(&self) -> PolicyHash {
        PolicyHash::new(
            Hasher::new("kith/v1/policy")
                .fixed(self.params.as_bytes())
                .u32(self.max_members)
                .u64(self.message_retention)
                .u64(self.operation_retention)
                .u64(self.invite_ttl)
                .finish(),
        )
    }

    fn to_wire(self) -> wire::Policy {
        wire::Policy {
            params: self.params.as_bytes().to_vec(),
            max_members: self.max_members,
            message_retention: self.message_retention,
            operation_retention: self.operation_retention,
            invite_ttl: self.invite_ttl,
        }
    }

    fn from_wire(wire: Option<wire::Policy>) -> Result<Self, Refusal> {
        let wire = wire.ok_or(Refusal::Malformed)?;
        Ok(Self {
            params: ParamsHash::from_slice(&wire.params).map_err(|_| Refusal::Malformed)?,
            max_members: wire.max_members,
            message_retention: wire.message_retention,
            operation_retention: wire.operation_retention,
            invite_ttl: wire.invite_ttl,
        })
    }

    /// Canonical bytes, for storage.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Reads [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::from_wire(Some(wire::decode_canonical(bytes)?))
    }
}

fn point(bytes: &[u8]) -> Result<Point, Refusal> {
    let bytes = bytes.try_into().map_err(|_| Refusal::Malformed)?;
    Point::from_bytes(bytes).map_err(|_| Refusal::BadTreeKey)
}

fn key(bytes: &[u8]) -> Result<VerifyingKey, Refusal> {
    if bytes.len() != VerifyingKey::LEN {
        return Err(Refusal::Malformed);
    }
    VerifyingKey::from_slice(bytes).map_err(|_| Refusal::BadSignatureKey)
}

/// All zero, or the one encoding of a field element: what no admin tree could have for its root is no root.
fn admin_root(bytes: &[u8]) -> Result<AdminRoot, Refusal> {
    let root = AdminRoot::from_slice(bytes).map_err(|_| Refusal::Malformed)?;
    field::from_bytes(root.as_bytes()).map(|_| root).ok_or(Refusal::Malformed)
}

fn keys_to_wire(keys: &[Point]) -> Vec<u8> {
    keys.iter().flat_map(|k| *k.as_bytes()).collect()
}

/// Length is bounded before any point is decoded: a point costs a subgroup check.
fn keys_from_wire(bytes: &[u8]) -> Result<Vec<Point>, Refusal> {
    let (keys, rest) = bytes.as_chunks::<{ Point::LEN }>();
    let most = MAX_DEPTH as usize + 2;
    if !rest.is_empty() || keys.len() < 2 || keys.len() > most {
        return Err(Refusal::WrongKeyCount);
    }
    keys.iter().map(|k| point(k)).collect()
}

impl Change {
    fn to_wire(&self) -> wire::Change {
        wire::Change { slot: self.slot.get(), keys: keys_to_wire(&self.keys) }
    }

    fn from_wire(wire: Option<wire::Change>) -> Result<Self, Refusal> {
        let wire = wire.ok_or(Refusal::Malformed)?;
        Ok(Self { slot: Slot::new(wire.slot), keys: keys_from_wire(&wire.keys)? })
    }
}

fn slots_from_wire(slots: &[u32]) -> Result<Vec<Slot>, Refusal> {
    if slots.is_empty() || slots.len() > MAX_MARKS {
        return Err(Refusal::WrongStructure);
    }
    if !slots.is_sorted_by(|a, b| a < b) {
        return Err(Refusal::WrongStructure);
    }
    Ok(slots.iter().copied().map(Slot::new).collect())
}

fn slots_to_wire(slots: &[Slot]) -> Vec<u32> {
    slots.iter().map(|s| s.get()).collect()
}

impl Marks {
    fn to_wire(&self) -> wire::Marks {
        wire::Marks {
            slots: slots_to_wire(&self.slots),
            admin_root: self.admin_root.map(|r| r.as_bytes().to_vec()).unwrap_or_default(),
        }
    }

    fn from_wire(wire: &wire::Marks) -> Result<Self, Refusal> {
        let admin_root = match wire.admin_root.as_slice() {
            [] => None,
            bytes => Some(admin_root(bytes)?),
        };
        Ok(Self { slots: slots_from_wire(&wire.slots)?, admin_root })
    }
}

impl UpdateKey {
    fn to_wire(&self) -> wire::UpdateKey {
        wire::UpdateKey {
            change: Some(self.change.to_wire()),
            new_sig: self.new_sig.map(|k| k.as_bytes().to_vec()).unwrap_or_default(),
        }
    }

    fn from_wire(wire: wire::UpdateKey) -> Result<Self, Refusal> {
        let new_sig = match wire.new_sig.as_slice() {
            [] => None,
            bytes => Some(key(bytes)?),
        };
        Ok(Self { change: Change::from_wire(wire.change)?, new_sig })
    }
}

impl Rejoin {
    fn to_wire(&self) -> wire::Rejoin {
        wire::Rejoin { change: Some(self.change.to_wire()), external: self.external.as_bytes().to_vec() }
    }

    fn from_wire(wire: wire::Rejoin) -> Result<Self, Refusal> {
        Ok(Self { change: Change::from_wire(wire.change)?, external: point(&wire.external)? })
    }
}

impl Heal {
    fn to_wire(&self) -> wire::Heal {
        let (update, rejoin) = match &self.own {
            OwnChange::None => (None, None),
            OwnChange::Update(u) => (Some(u.to_wire()), None),
            OwnChange::Rejoin(r) => (None, Some(r.to_wire())),
        };
        wire::Heal {
            doer: self.doer.get(),
            marks: self.marks.as_ref().map(Marks::to_wire),
            update,
            rejoin,
            changes: self.changes.iter().map(Change::to_wire).collect(),
        }
    }

    fn from_wire(wire: wire::Heal, marks_needed: bool) -> Result<Self, Refusal> {
        let doer = Slot::new(wire.doer);
        let own = match (wire.update, wire.rejoin) {
            (None, None) => OwnChange::None,
            (Some(u), None) => OwnChange::Update(UpdateKey::from_wire(u)?),
            (None, Some(r)) => OwnChange::Rejoin(Rejoin::from_wire(r)?),
            (Some(_), Some(_)) => return Err(Refusal::WrongStructure),
        };
        let own_changes = usize::from(own != OwnChange::None);
        let changes = wire.changes.len() + own_changes;
        // One change may be the doer's own: by normalisation it can empty a dirty neighbour without a further one.
        if wire.marks.is_some() != marks_needed || changes == 0 || changes > MAX_CHANGES {
            return Err(Refusal::WrongStructure);
        }
        let own_slot = match &own {
            OwnChange::None => doer,
            OwnChange::Update(u) => u.change.slot,
            OwnChange::Rejoin(r) => r.change.slot,
        };
        if own_slot != doer {
            return Err(Refusal::WrongSlot);
        }
        Ok(Self {
            doer,
            marks: wire.marks.as_ref().map(Marks::from_wire).transpose()?,
            own,
            changes: wire
                .changes
                .into_iter()
                .map(|c| Change::from_wire(Some(c)))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The branch changes in the order they are applied: own leaf first.
    pub fn all_changes(&self) -> impl Iterator<Item = &Change> {
        let own = match &self.own {
            OwnChange::None => None,
            OwnChange::Update(u) => Some(&u.change),
            OwnChange::Rejoin(r) => Some(&r.change),
        };
        own.into_iter().chain(&self.changes)
    }
}

fn doer_marks(bytes: &[u8]) -> Result<DoerMarks, Refusal> {
    let wire: wire::DoerMarks = wire::decode_canonical(bytes)?;
    Ok(DoerMarks { doer: Slot::new(wire.doer), slots: slots_from_wire(&wire.slots)? })
}

impl Body {
    /// The kind that goes with this body.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Init(_) => Kind::Init,
            Self::AddMembers(_) => Kind::AddMembers,
            Self::UpdateKey(_) => Kind::UpdateKey,
            Self::IssueTicket(_) => Kind::IssueTicket,
            Self::RevokeTicket(_) => Kind::RevokeTicket,
            Self::Join(_) => Kind::Join,
            Self::Rejoin(_) => Kind::Rejoin,
            Self::Leave(_) => Kind::Leave,
            Self::MarkRemoved(_) => Kind::MarkRemoved,
            Self::Expire(_) => Kind::Expire,
            Self::MarkOwn(_) => Kind::MarkOwn,
            Self::Heal(_) => Kind::Heal,
            Self::RemoveMembers(_) => Kind::RemoveMembers,
            Self::SetPolicy(_) => Kind::SetPolicy,
            Self::SetAdmins(_) => Kind::SetAdmins,
            Self::TransferOwner(_) => Kind::TransferOwner,
            Self::Close => Kind::Close,
            Self::Message => Kind::Message,
        }
    }

    /// The canonical bytes of the body alone.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Init(b) => wire::Init {
                nonce: b.nonce.to_vec(),
                owner: b.owner.as_bytes().to_vec(),
                admin_root: b.admin_root.as_bytes().to_vec(),
                policy: Some(b.policy.to_wire()),
                recovery: b.recovery.as_bytes().to_vec(),
                sig: b.sig.as_bytes().to_vec(),
                keys: keys_to_wire(&b.keys),
            }
            .encode_to_vec(),
            Self::AddMembers(b) => wire::AddMembers {
                doer: b.doer.get(),
                added: b
                    .added
                    .iter()
                    .map(|a| wire::Added {
                        change: Some(a.change.to_wire()),
                        sig: a.sig.as_bytes().to_vec(),
                        expires: a.expires.get(),
                    })
                    .collect(),
            }
            .encode_to_vec(),
            Self::UpdateKey(b) => b.to_wire().encode_to_vec(),
            Self::IssueTicket(b) => wire::IssueTicket {
                doer: b.doer.get(),
                ticket: b.ticket.as_bytes().to_vec(),
                uses: b.uses,
                expires: b.expires.get(),
            }
            .encode_to_vec(),
            Self::RevokeTicket(b) => {
                wire::RevokeTicket { doer: b.doer.get(), ticket: b.ticket.as_bytes().to_vec() }
                    .encode_to_vec()
            }
            Self::Join(b) => wire::Join {
                ticket: b.ticket.as_bytes().to_vec(),
                change: Some(b.change.to_wire()),
                sig: b.sig.as_bytes().to_vec(),
                external: b.external.as_bytes().to_vec(),
            }
            .encode_to_vec(),
            Self::Rejoin(b) => b.to_wire().encode_to_vec(),
            Self::Leave(slot) => wire::Leave { slot: slot.get() }.encode_to_vec(),
            Self::MarkRemoved(b) => b.to_wire().encode_to_vec(),
            Self::Expire(b) | Self::MarkOwn(b) => {
                wire::DoerMarks { doer: b.doer.get(), slots: slots_to_wire(&b.slots) }.encode_to_vec()
            }
            Self::Heal(b) | Self::RemoveMembers(b) => b.to_wire().encode_to_vec(),
            Self::SetPolicy(p) => wire::SetPolicy { policy: Some(p.to_wire()) }.encode_to_vec(),
            Self::SetAdmins(r) => wire::SetAdmins { admin_root: r.as_bytes().to_vec() }.encode_to_vec(),
            Self::TransferOwner(k) => {
                wire::TransferOwner { new_owner: k.as_bytes().to_vec() }.encode_to_vec()
            }
            Self::Close | Self::Message => Vec::new(),
        }
    }

    /// Decodes the body of a kind.
    ///
    /// # Errors
    /// [`Refusal`] for anything that is not the canonical form of a body within its bounds.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, Refusal> {
        Ok(match kind {
            Kind::Init => {
                let b: wire::Init = wire::decode_canonical(bytes)?;
                let keys = keys_from_wire(&b.keys)?;
                if keys.len() != 2 {
                    return Err(Refusal::WrongKeyCount);
                }
                Self::Init(Init {
                    nonce: b.nonce.as_slice().try_into().map_err(|_| Refusal::Malformed)?,
                    owner: key(&b.owner)?,
                    admin_root: admin_root(&b.admin_root)?,
                    policy: Policy::from_wire(b.policy)?,
                    recovery: RecoveryHash::from_slice(&b.recovery).map_err(|_| Refusal::Malformed)?,
                    sig: key(&b.sig)?,
                    keys,
                })
            }
            Kind::AddMembers => {
                let b: wire::AddMembers = wire::decode_canonical(bytes)?;
                if b.added.is_empty() || b.added.len() > MAX_CHANGES {
                    return Err(Refusal::WrongStructure);
                }
                let added = b
                    .added
                    .into_iter()
                    .map(|a| {
                        Ok(Added {
                            change: Change::from_wire(a.change)?,
                            sig: key(&a.sig)?,
                            expires: UnixSeconds::new(a.expires),
                        })
                    })
                    .collect::<Result<_, Refusal>>()?;
                Self::AddMembers(AddMembers { doer: Slot::new(b.doer), added })
            }
            Kind::UpdateKey => Self::UpdateKey(UpdateKey::from_wire(wire::decode_canonical(bytes)?)?),
            Kind::IssueTicket => {
                let b: wire::IssueTicket = wire::decode_canonical(bytes)?;
                Self::IssueTicket(IssueTicket {
                    doer: Slot::new(b.doer),
                    ticket: key(&b.ticket)?,
                    uses: b.uses,
                    expires: UnixSeconds::new(b.expires),
                })
            }
            Kind::RevokeTicket => {
                let b: wire::RevokeTicket = wire::decode_canonical(bytes)?;
                Self::RevokeTicket(RevokeTicket { doer: Slot::new(b.doer), ticket: key(&b.ticket)? })
            }
            Kind::Join => {
                let b: wire::Join = wire::decode_canonical(bytes)?;
                Self::Join(Join {
                    ticket: key(&b.ticket)?,
                    change: Change::from_wire(b.change)?,
                    sig: key(&b.sig)?,
                    external: point(&b.external)?,
                })
            }
            Kind::Rejoin => Self::Rejoin(Rejoin::from_wire(wire::decode_canonical(bytes)?)?),
            Kind::Leave => {
                let b: wire::Leave = wire::decode_canonical(bytes)?;
                Self::Leave(Slot::new(b.slot))
            }
            Kind::MarkRemoved => {
                let b: wire::Marks = wire::decode_canonical(bytes)?;
                Self::MarkRemoved(Marks::from_wire(&b)?)
            }
            Kind::Expire => Self::Expire(doer_marks(bytes)?),
            Kind::MarkOwn => Self::MarkOwn(doer_marks(bytes)?),
            Kind::Heal => Self::Heal(Heal::from_wire(wire::decode_canonical(bytes)?, false)?),
            Kind::RemoveMembers => {
                Self::RemoveMembers(Heal::from_wire(wire::decode_canonical(bytes)?, true)?)
            }
            Kind::SetPolicy => {
                let b: wire::SetPolicy = wire::decode_canonical(bytes)?;
                Self::SetPolicy(Policy::from_wire(b.policy)?)
            }
            Kind::SetAdmins => {
                let b: wire::SetAdmins = wire::decode_canonical(bytes)?;
                Self::SetAdmins(admin_root(&b.admin_root)?)
            }
            Kind::TransferOwner => {
                let b: wire::TransferOwner = wire::decode_canonical(bytes)?;
                Self::TransferOwner(key(&b.new_owner)?)
            }
            Kind::Close | Kind::Message => {
                let _: wire::Empty = wire::decode_canonical(bytes)?;
                if kind == Kind::Close { Self::Close } else { Self::Message }
            }
        })
    }

    /// The slot that answers for the frame with its pseudonym, where the kind names one.
    ///
    /// For a Join it is the slot the newcomer takes.
    #[must_use]
    pub fn doer(&self) -> Option<Slot> {
        match self {
            Self::Init(_) => Some(Slot::ZERO),
            Self::AddMembers(b) => Some(b.doer),
            Self::UpdateKey(b) => Some(b.change.slot),
            Self::IssueTicket(b) => Some(b.doer),
            Self::RevokeTicket(b) => Some(b.doer),
            Self::Join(b) => Some(b.change.slot),
            Self::Rejoin(b) => Some(b.change.slot),
            Self::Leave(slot) => Some(*slot),
            Self::Expire(b) | Self::MarkOwn(b) => Some(b.doer),
            Self::Heal(b) | Self::RemoveMembers(b) => Some(b.doer),
            Self::MarkRemoved(_)
            | Self::SetPolicy(_)
            | Self::SetAdmins(_)
            | Self::TransferOwner(_)
            | Self::Close
            | Self::Message => None,
        }
    }

    /// Number of branch changes, hence of proofs.
    #[must_use]
    pub fn change_count(&self) -> usize {
        match self {
            Self::Init(_) | Self::UpdateKey(_) | Self::Join(_) | Self::Rejoin(_) => 1,
            Self::AddMembers(b) => b.added.len(),
            Self::Heal(b) | Self::RemoveMembers(b) => b.all_changes().count(),
            Self::IssueTicket(_)
            | Self::RevokeTicket(_)
            | Self::Leave(_)
            | Self::MarkRemoved(_)
            | Self::Expire(_)
            | Self::MarkOwn(_)
            | Self::SetPolicy(_)
            | Self::SetAdmins(_)
            | Self::TransferOwner(_)
            | Self::Close
            | Self::Message => 0,
        }
    }

    /// `E` of the external key schedule, present in Join, Rejoin and a Heal whose own change is a Rejoin.
    #[must_use]
    pub fn external(&self) -> Option<&Point> {
        match self {
            Self::Join(b) => Some(&b.external),
            Self::Rejoin(b) => Some(&b.external),
            Self::Heal(Heal { own: OwnChange::Rejoin(r), .. })
            | Self::RemoveMembers(Heal { own: OwnChange::Rejoin(r), .. }) => Some(&r.external),
            Self::Init(_)
            | Self::AddMembers(_)
            | Self::UpdateKey(_)
            | Self::IssueTicket(_)
            | Self::RevokeTicket(_)
            | Self::Leave(_)
            | Self::MarkRemoved(_)
            | Self::Expire(_)
            | Self::MarkOwn(_)
            | Self::Heal(_)
            | Self::RemoveMembers(_)
            | Self::SetPolicy(_)
            | Self::SetAdmins(_)
            | Self::TransferOwner(_)
            | Self::Close
            | Self::Message => None,
        }
    }
}

/// An open invitation as the fold keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Public key of the ticket.
    pub key: VerifyingKey,
    /// Uses left, at least 1.
    pub uses_left: u32,
    /// When it lapses.
    pub expires: UnixSeconds,
    /// Leaf that issued it.
    pub issuer: LeafId,
}
