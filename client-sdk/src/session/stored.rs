//! Sessions as bytes, for the encrypted store: the public fold apart (it changes with operations only), the rest in
//! one piece.
//!
//! All secret parts are wiped when dropped; what leaves here is sealed by the store before it reaches a disk.

use std::collections::BTreeSet;

use curve::TreeSecret;
use e2ee::{
    message::MessageKeys,
    roster::{Roster, RosterEntry},
    schedule::{Authenticator, ExporterSecret, InitSecret, MembershipKey},
};
use group_state::GroupState;
use proofs::AdminSecret;
use prost::Message;
use protocol::{
    AdminCommitment, Epoch, FrameHash, FrameId, LeafId, LogHash, Seq, SigningKey, Slot, Transcript,
    VerifyingKey,
};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::{
    AdminState, EpochKeys, Evidence, Granted, Held, JoinAttempt, Joining, Member, Members, Outgoing, Pending,
    PendingInvite, Schedule, Session, Standing, admins::OwnAdmin, operation,
};
use crate::entry::What;

/// Version of the byte form.
const VERSION: u32 = 1;

/// Stored bytes are not a session (a damaged store, or one of a newer version).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the stored session cannot be read")]
pub(crate) struct StoredError;

#[derive(Clone, PartialEq, Message)]
struct WireSession {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(uint64, tag = "2")]
    seq: u64,
    #[prost(bytes = "vec", tag = "3")]
    log: Vec<u8>,
    #[prost(uint32, tag = "4")]
    slot: u32,
    #[prost(bytes = "vec", tag = "5")]
    secret: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    sig: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    init: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    authenticator: Vec<u8>,
    #[prost(bytes = "vec", tag = "9")]
    exporter: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    membership: Vec<u8>,
    #[prost(message, repeated, tag = "11")]
    epochs: Vec<WireEpoch>,
    #[prost(message, repeated, tag = "12")]
    members: Vec<WireMember>,
    #[prost(uint32, tag = "13")]
    standing: u32,
    #[prost(uint64, tag = "14")]
    standing_seq: u64,
    #[prost(string, tag = "15")]
    standing_code: String,
    #[prost(bytes = "vec", tag = "16")]
    owner: Vec<u8>,
    #[prost(message, optional, tag = "17")]
    pending: Option<WirePending>,
    #[prost(message, repeated, tag = "18")]
    outbox: Vec<WireOutgoing>,
    #[prost(message, repeated, tag = "19")]
    held: Vec<WireHeld>,
    #[prost(bool, tag = "20")]
    roster_due: bool,
    #[prost(message, repeated, tag = "21")]
    invites: Vec<WireInvite>,
    #[prost(uint64, tag = "22")]
    next_position: u64,
    #[prost(string, tag = "23")]
    title: String,
    #[prost(string, tag = "24")]
    server: String,
    #[prost(bytes = "vec", tag = "25")]
    node: Vec<u8>,
    #[prost(uint64, tag = "26")]
    leaf_id: u64,
    #[prost(message, optional, tag = "27")]
    unconfirmed: Option<WireKeys>,
    #[prost(uint64, optional, tag = "28")]
    standing_leaf: Option<u64>,
    #[prost(uint64, repeated, tag = "29")]
    overruled: Vec<u64>,
    #[prost(message, optional, tag = "30")]
    granted: Option<WireGrants>,
    #[prost(bool, tag = "31")]
    admins_due: bool,
    #[prost(message, optional, tag = "32")]
    own_admin: Option<WireOwnAdmin>,
}

#[derive(Clone, PartialEq, Message)]
struct WireGrants {
    #[prost(uint64, repeated, tag = "1")]
    leaf_ids: Vec<u64>,
    /// Secrets of 64 bytes, one after the other.
    #[prost(bytes = "vec", tag = "2")]
    secrets: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireOwnAdmin {
    #[prost(bytes = "vec", tag = "1")]
    secret: Vec<u8>,
    #[prost(uint32, tag = "2")]
    position: u32,
    /// Commitments of 32 bytes, one after the other.
    #[prost(bytes = "vec", tag = "3")]
    commitments: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireKeys {
    #[prost(bytes = "vec", repeated, tag = "1")]
    keys: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct WireEpoch {
    #[prost(uint64, tag = "1")]
    epoch: u64,
    #[prost(bytes = "vec", tag = "2")]
    transcript: Vec<u8>,
    #[prost(uint32, repeated, tag = "3")]
    slots: Vec<u32>,
    #[prost(uint64, repeated, tag = "4")]
    leaf_ids: Vec<u64>,
    #[prost(bytes = "vec", tag = "5")]
    keys: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireMember {
    #[prost(uint64, tag = "1")]
    leaf_id: u64,
    #[prost(bytes = "vec", tag = "2")]
    identity: Vec<u8>,
    #[prost(string, tag = "3")]
    name: String,
    /// A roster of one.
    #[prost(bytes = "vec", tag = "4")]
    entry: Vec<u8>,
    #[prost(bool, tag = "5")]
    proven: bool,
}

#[derive(Clone, PartialEq, Message)]
struct WirePending {
    #[prost(bytes = "vec", tag = "1")]
    frame_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    bytes: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    secret: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    sig: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    external: Vec<u8>,
    #[prost(message, repeated, tag = "7")]
    invites: Vec<WirePendingInvite>,
    #[prost(message, optional, tag = "8")]
    admins: Option<WireGrants>,
}

#[derive(Clone, PartialEq, Message)]
struct WirePendingInvite {
    #[prost(bytes = "vec", tag = "1")]
    package: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    secret: Vec<u8>,
    #[prost(uint32, tag = "3")]
    slot: u32,
}

#[derive(Clone, PartialEq, Message)]
struct WireOutgoing {
    #[prost(bytes = "vec", tag = "1")]
    frame_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    bytes: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    what: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    content: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireHeld {
    #[prost(uint64, tag = "1")]
    seq: u64,
    #[prost(uint64, tag = "2")]
    received_at_ms: u64,
    #[prost(uint64, tag = "3")]
    leaf_id: u64,
    #[prost(bytes = "vec", tag = "4")]
    frame: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireInvite {
    #[prost(bytes = "vec", tag = "1")]
    recipient: Vec<u8>,
    #[prost(string, tag = "2")]
    text: String,
}

#[derive(Clone, PartialEq, Message)]
struct WireJoining {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "vec", tag = "2")]
    fold: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    ticket: Vec<u8>,
    #[prost(string, tag = "4")]
    title: String,
    #[prost(string, tag = "5")]
    server: String,
    #[prost(message, optional, tag = "6")]
    attempt: Option<WireAttempt>,
}

#[derive(Clone, PartialEq, Message)]
struct WireAttempt {
    #[prost(bytes = "vec", tag = "1")]
    frame_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    bytes: Vec<u8>,
    #[prost(uint32, tag = "4")]
    slot: u32,
    #[prost(bytes = "vec", tag = "5")]
    secret: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    sig: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    external: Vec<u8>,
    #[prost(uint64, tag = "8")]
    base_epoch: u64,
}

impl WireSession {
    fn wipe(&mut self) {
        for part in [&mut self.secret, &mut self.sig, &mut self.init, &mut self.authenticator] {
            part.zeroize();
        }
        for part in [&mut self.exporter, &mut self.membership, &mut self.owner] {
            part.zeroize();
        }
        self.epochs.iter_mut().for_each(|e| e.keys.zeroize());
        for message in &mut self.outbox {
            message.what.zeroize();
            message.content.zeroize();
        }
        if let Some(pending) = &mut self.pending {
            pending.secret.zeroize();
            pending.sig.zeroize();
            pending.external.zeroize();
            pending.invites.iter_mut().for_each(|i| i.secret.zeroize());
            pending.admins.iter_mut().for_each(|a| a.secrets.zeroize());
        }
        self.granted.iter_mut().for_each(|a| a.secrets.zeroize());
        self.own_admin.iter_mut().for_each(|a| a.secret.zeroize());
        self.invites.iter_mut().for_each(|i| i.text.zeroize());
    }
}

impl WireJoining {
    fn wipe(&mut self) {
        self.ticket.zeroize();
        if let Some(attempt) = &mut self.attempt {
            attempt.secret.zeroize();
            attempt.sig.zeroize();
            attempt.external.zeroize();
        }
    }
}

fn encode(message: &impl Message) -> Zeroizing<Vec<u8>> {
    // Sized beforehand, so that no half-grown buffer with secrets is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(message.encoded_len()));
    let encoded = message.encode(&mut *bytes);
    debug_assert!(encoded.is_ok(), "a vector grows");
    bytes
}

fn array<const N: usize>(bytes: &[u8]) -> Result<Zeroizing<[u8; N]>, StoredError> {
    bytes.try_into().map(Zeroizing::new).map_err(|_| StoredError)
}

fn secret(bytes: &[u8]) -> Result<TreeSecret, StoredError> {
    TreeSecret::from_bytes(&*array::<32>(bytes)?).map_err(|_| StoredError)
}

fn signing(bytes: &[u8]) -> Result<SigningKey, StoredError> {
    Ok(SigningKey::from_seed(&*array::<32>(bytes)?))
}

fn optional<T>(
    bytes: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, StoredError>,
) -> Result<Option<T>, StoredError> {
    if bytes.is_empty() { Ok(None) } else { read(bytes).map(Some) }
}

fn frame_id(bytes: &[u8]) -> Result<FrameId, StoredError> {
    FrameId::from_slice(bytes).map_err(|_| StoredError)
}

fn frame_hash(bytes: &[u8]) -> Result<FrameHash, StoredError> {
    FrameHash::from_slice(bytes).map_err(|_| StoredError)
}

fn seed(key: &SigningKey) -> Vec<u8> {
    key.to_seed().to_vec()
}

impl Session {
    /// The session without its public fold.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (standing, standing_seq, standing_code) = match &self.standing {
            Standing::Invited => (0, Seq::ZERO, String::new()),
            Standing::Member => (1, Seq::ZERO, String::new()),
            Standing::Lost => (2, Seq::ZERO, String::new()),
            Standing::Closed => (3, Seq::ZERO, String::new()),
            Standing::Removed(seq) => (4, *seq, String::new()),
            Standing::Forked(evidence) => (5, evidence.seq, evidence.code.clone()),
        };
        let mut wire = WireSession {
            version: VERSION,
            seq: self.fold.seq().get(),
            log: self.fold.log().as_bytes().to_vec(),
            slot: self.own.slot.get(),
            leaf_id: self.own.leaf_id.get(),
            secret: self.own.secret.to_bytes().to_vec(),
            sig: seed(&self.own.sig),
            init: self.schedule.init.to_bytes().to_vec(),
            authenticator: self.schedule.authenticator.to_bytes().to_vec(),
            exporter: self.schedule.exporter.to_bytes().to_vec(),
            membership: self.schedule.membership.to_bytes().to_vec(),
            epochs: self.epochs.iter().map(epoch_to_wire).collect(),
            members: self.members.iter().map(member_to_wire).collect(),
            standing,
            standing_seq: standing_seq.get(),
            standing_code,
            owner: self.owner.as_ref().map(seed).unwrap_or_default(),
            pending: self.pending.as_ref().map(pending_to_wire),
            outbox: self.outbox.iter().map(outgoing_to_wire).collect(),
            held: self
                .held
                .iter()
                .map(|h| WireHeld {
                    seq: h.seq.get(),
                    received_at_ms: h.received_at_ms,
                    leaf_id: h.leaf_id.get(),
                    frame: h.frame.clone(),
                })
                .collect(),
            roster_due: self.roster_due,
            invites: self
                .invites
                .iter()
                .map(|(to, text)| WireInvite { recipient: to.as_bytes().to_vec(), text: text.clone() })
                .collect(),
            next_position: self.next_position,
            title: self.title.clone(),
            server: self.server.clone(),
            node: self.node.map(|k| k.as_bytes().to_vec()).unwrap_or_default(),
            standing_leaf: match &self.standing {
                Standing::Forked(evidence) => evidence.by.map(LeafId::get),
                Standing::Invited
                | Standing::Member
                | Standing::Removed(_)
                | Standing::Lost
                | Standing::Closed => None,
            },
            overruled: self.overruled.iter().map(|id| id.get()).collect(),
            granted: Some(&self.admins.granted).filter(|g| !g.is_empty()).map(|g| grants_to_wire(g)),
            admins_due: self.admins.due,
            own_admin: self.admins.own.as_ref().map(own_admin_to_wire),
            unconfirmed: self
                .unconfirmed
                .as_ref()
                .map(|keys| WireKeys { keys: keys.iter().map(|k| k.as_bytes().to_vec()).collect() }),
        };
        let bytes = encode(&wire);
        wire.wipe();
        bytes
    }

    /// Puts a session together again from its two parts.
    ///
    /// # Errors
    /// [`StoredError`] when they are not what was stored.
    pub(crate) fn from_bytes(fold: &[u8], rest: &[u8]) -> Result<Self, StoredError> {
        Self::with_fold(GroupState::from_bytes(fold).map_err(|_| StoredError)?, rest)
    }

    /// As [`Self::from_bytes`], with a public fold that was read before.
    ///
    /// # Errors
    /// [`StoredError`] when the rest is not what was stored beside that fold.
    pub(crate) fn with_fold(fold: GroupState, rest: &[u8]) -> Result<Self, StoredError> {
        let mut wire = WireSession::decode(rest).map_err(|_| StoredError)?;
        let session = read(fold, &wire);
        wire.wipe();
        session
    }
}

fn read(fold: GroupState, wire: &WireSession) -> Result<Session, StoredError> {
    if wire.version != VERSION {
        return Err(StoredError);
    }
    let log = LogHash::from_slice(&wire.log).map_err(|_| StoredError)?;
    let fold = fold.at_position(Seq::new(wire.seq), log);
    let seq = Seq::new(wire.standing_seq);
    let standing = match wire.standing {
        0 => Standing::Invited,
        1 => Standing::Member,
        2 => Standing::Lost,
        3 => Standing::Closed,
        4 => Standing::Removed(seq),
        5 => Standing::Forked(Evidence {
            seq,
            code: wire.standing_code.clone(),
            by: wire.standing_leaf.map(LeafId::new),
        }),
        _ => return Err(StoredError),
    };
    let slot = Slot::new(wire.slot);
    let own_secret = secret(&wire.secret)?;
    let sig = signing(&wire.sig)?;
    let own = match standing {
        Standing::Invited | Standing::Member => {
            operation::own(&fold, slot, own_secret, sig).map_err(|_| StoredError)?
        }
        // Nothing is derived from the leaf any more, and it may not be ours: a fork can follow the loss of the keys.
        Standing::Lost | Standing::Removed(_) | Standing::Closed | Standing::Forked(_) => {
            operation::detached(slot, LeafId::new(wire.leaf_id), own_secret, sig)
        }
    };
    Ok(Session {
        own,
        schedule: Schedule {
            init: InitSecret::from_bytes(&*array(&wire.init)?),
            authenticator: Authenticator::from_bytes(&*array(&wire.authenticator)?),
            exporter: ExporterSecret::from_bytes(&*array(&wire.exporter)?),
            membership: MembershipKey::from_bytes(&*array(&wire.membership)?),
        },
        epochs: wire.epochs.iter().map(epoch_from_wire).collect::<Result<_, _>>()?,
        members: members_from_wire(&wire.members)?,
        standing,
        owner: optional(&wire.owner, signing)?,
        pending: wire.pending.as_ref().map(pending_from_wire).transpose()?,
        outbox: wire.outbox.iter().map(outgoing_from_wire).collect::<Result<_, _>>()?,
        held: wire
            .held
            .iter()
            .map(|h| Held {
                seq: Seq::new(h.seq),
                received_at_ms: h.received_at_ms,
                leaf_id: LeafId::new(h.leaf_id),
                frame: h.frame.clone(),
            })
            .collect(),
        roster_due: wire.roster_due,
        roster_posted: BTreeSet::new(),
        invites: wire
            .invites
            .iter()
            .map(|i| Ok((VerifyingKey::from_slice(&i.recipient).map_err(|_| StoredError)?, i.text.clone())))
            .collect::<Result<_, StoredError>>()?,
        next_position: wire.next_position,
        title: wire.title.clone(),
        server: wire.server.clone(),
        node: optional(&wire.node, |b| VerifyingKey::from_slice(b).map_err(|_| StoredError))?,
        overruled: wire.overruled.iter().copied().map(LeafId::new).collect(),
        admins: AdminState {
            granted: wire.granted.as_ref().map(grants_from_wire).transpose()?.unwrap_or_default(),
            due: wire.admins_due,
            own: wire.own_admin.as_ref().map(own_admin_from_wire).transpose()?,
        },
        unconfirmed: wire
            .unconfirmed
            .as_ref()
            .map(|w| w.keys.iter().map(|k| VerifyingKey::from_slice(k)).collect::<Result<_, _>>())
            .transpose()
            .map_err(|_| StoredError)?,
        copies: Vec::new(),
        snapshot: None,
        fold,
    })
}

fn grants_to_wire(granted: &[Granted]) -> WireGrants {
    // Sized beforehand, so that no half-grown buffer is left behind.
    let mut secrets = Vec::with_capacity(granted.len() * AdminSecret::LEN);
    for one in granted {
        secrets.extend_from_slice(&*one.secret.to_bytes());
    }
    WireGrants { leaf_ids: granted.iter().map(|one| one.leaf_id.get()).collect(), secrets }
}

fn grants_from_wire(wire: &WireGrants) -> Result<Vec<Granted>, StoredError> {
    let (secrets, rest) = wire.secrets.as_chunks::<{ AdminSecret::LEN }>();
    if !rest.is_empty() || secrets.len() != wire.leaf_ids.len() {
        return Err(StoredError);
    }
    let granted = wire.leaf_ids.iter().zip(secrets).map(|(leaf_id, secret)| {
        let secret = AdminSecret::from_bytes(secret).map_err(|_| StoredError)?;
        Ok(Granted { leaf_id: LeafId::new(*leaf_id), secret })
    });
    granted.collect()
}

fn own_admin_to_wire(own: &OwnAdmin) -> WireOwnAdmin {
    WireOwnAdmin {
        secret: own.secret.to_bytes().to_vec(),
        position: u32::try_from(own.position).unwrap_or(u32::MAX),
        commitments: own.commitments.iter().flat_map(|one| *one.as_bytes()).collect(),
    }
}

fn own_admin_from_wire(wire: &WireOwnAdmin) -> Result<OwnAdmin, StoredError> {
    let (commitments, rest) = wire.commitments.as_chunks::<{ AdminCommitment::LEN }>();
    if !rest.is_empty() {
        return Err(StoredError);
    }
    Ok(OwnAdmin {
        secret: AdminSecret::from_bytes(&*array::<{ AdminSecret::LEN }>(&wire.secret)?)
            .map_err(|_| StoredError)?,
        position: usize::try_from(wire.position).map_err(|_| StoredError)?,
        commitments: commitments.iter().map(|bytes| AdminCommitment::new(*bytes)).collect(),
    })
}

fn epoch_to_wire(epoch: &EpochKeys) -> WireEpoch {
    WireEpoch {
        epoch: epoch.epoch.get(),
        transcript: epoch.transcript.as_bytes().to_vec(),
        slots: epoch.active.keys().map(|s| s.get()).collect(),
        leaf_ids: epoch.active.values().map(|id| id.get()).collect(),
        keys: epoch.keys.to_bytes().to_vec(),
    }
}

fn epoch_from_wire(wire: &WireEpoch) -> Result<EpochKeys, StoredError> {
    if wire.slots.len() != wire.leaf_ids.len() {
        return Err(StoredError);
    }
    let active = wire.slots.iter().zip(&wire.leaf_ids).map(|(s, id)| (Slot::new(*s), LeafId::new(*id)));
    Ok(EpochKeys {
        epoch: Epoch::new(wire.epoch),
        transcript: Transcript::from_slice(&wire.transcript).map_err(|_| StoredError)?,
        active: active.collect(),
        keys: MessageKeys::from_bytes(&wire.keys).map_err(|_| StoredError)?,
    })
}

fn member_to_wire((leaf_id, member): (LeafId, &Member)) -> WireMember {
    let entry = member.entry.as_ref().and_then(|e| Roster::new(vec![e.clone()]).ok());
    WireMember {
        leaf_id: leaf_id.get(),
        identity: member.identity.as_bytes().to_vec(),
        name: member.name.clone(),
        entry: entry.map(|r| r.to_bytes()).unwrap_or_default(),
        proven: member.proven,
    }
}

fn members_from_wire(wire: &[WireMember]) -> Result<Members, StoredError> {
    let mut members = Members::default();
    for member in wire {
        let entry: Option<RosterEntry> = optional(&member.entry, |bytes| {
            let roster = Roster::from_bytes(bytes).map_err(|_| StoredError)?;
            roster.into_entries().pop().ok_or(StoredError)
        })?;
        let identity = VerifyingKey::from_slice(&member.identity).map_err(|_| StoredError)?;
        let (name, proven) = (member.name.clone(), member.proven);
        members.insert(LeafId::new(member.leaf_id), Member { identity, name, entry, proven });
    }
    Ok(members)
}

fn pending_to_wire(pending: &Pending) -> WirePending {
    let tree_secret = |s: &Option<TreeSecret>| s.as_ref().map(|s| s.to_bytes().to_vec()).unwrap_or_default();
    WirePending {
        frame_id: pending.frame_id.as_bytes().to_vec(),
        hash: pending.hash.as_bytes().to_vec(),
        bytes: pending.bytes.clone(),
        secret: tree_secret(&pending.secret),
        sig: pending.sig.as_ref().map(seed).unwrap_or_default(),
        external: tree_secret(&pending.external),
        invites: pending
            .invites
            .iter()
            .map(|i| WirePendingInvite {
                package: i.package.clone(),
                secret: i.secret.to_bytes().to_vec(),
                slot: i.slot.get(),
            })
            .collect(),
        admins: pending.admins.as_ref().map(|granted| grants_to_wire(granted)),
    }
}

fn pending_from_wire(wire: &WirePending) -> Result<Pending, StoredError> {
    Ok(Pending {
        frame_id: frame_id(&wire.frame_id)?,
        hash: frame_hash(&wire.hash)?,
        bytes: wire.bytes.clone(),
        secret: optional(&wire.secret, secret)?,
        sig: optional(&wire.sig, signing)?,
        external: optional(&wire.external, secret)?,
        invites: wire
            .invites
            .iter()
            .map(|i| {
                Ok(PendingInvite {
                    package: i.package.clone(),
                    secret: secret(&i.secret)?,
                    slot: Slot::new(i.slot),
                })
            })
            .collect::<Result<_, StoredError>>()?,
        admins: wire.admins.as_ref().map(grants_from_wire).transpose()?,
    })
}

fn outgoing_to_wire(message: &Outgoing) -> WireOutgoing {
    let what = message.what.as_ref().and_then(|w| serde_json::to_vec(w).ok());
    WireOutgoing {
        frame_id: message.frame_id.as_bytes().to_vec(),
        hash: message.hash.as_bytes().to_vec(),
        bytes: message.bytes.clone(),
        what: what.unwrap_or_default(),
        content: message.content.clone(),
    }
}

fn outgoing_from_wire(wire: &WireOutgoing) -> Result<Outgoing, StoredError> {
    Ok(Outgoing {
        frame_id: frame_id(&wire.frame_id)?,
        hash: frame_hash(&wire.hash)?,
        bytes: wire.bytes.clone(),
        what: optional(&wire.what, |b| serde_json::from_slice::<What>(b).map_err(|_| StoredError))?,
        content: wire.content.clone(),
    })
}

impl Joining {
    /// All of it.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut wire = WireJoining {
            version: VERSION,
            fold: self.fold.to_bytes(),
            ticket: seed(&self.ticket),
            title: self.title.clone(),
            server: self.server.clone(),
            attempt: self.attempt.as_ref().map(|a| WireAttempt {
                frame_id: a.frame_id.as_bytes().to_vec(),
                hash: a.hash.as_bytes().to_vec(),
                bytes: a.bytes.clone(),
                slot: a.slot.get(),
                secret: a.secret.to_bytes().to_vec(),
                sig: seed(&a.sig),
                external: a.external.to_bytes().to_vec(),
                base_epoch: a.base_epoch.get(),
            }),
        };
        let bytes = encode(&wire);
        wire.wipe();
        bytes
    }

    /// Reads [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`StoredError`] when it is not what was stored.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut wire = WireJoining::decode(bytes).map_err(|_| StoredError)?;
        let joining = Self::read(&wire);
        wire.wipe();
        joining
    }

    fn read(wire: &WireJoining) -> Result<Self, StoredError> {
        if wire.version != VERSION {
            return Err(StoredError);
        }
        let attempt = wire.attempt.as_ref().map(|a| {
            Ok(JoinAttempt {
                frame_id: frame_id(&a.frame_id)?,
                hash: frame_hash(&a.hash)?,
                bytes: a.bytes.clone(),
                slot: Slot::new(a.slot),
                secret: secret(&a.secret)?,
                sig: signing(&a.sig)?,
                external: secret(&a.external)?,
                base_epoch: Epoch::new(a.base_epoch),
            })
        });
        Ok(Self {
            fold: GroupState::from_bytes(&wire.fold).map_err(|_| StoredError)?,
            ticket: signing(&wire.ticket)?,
            title: wire.title.clone(),
            server: wire.server.clone(),
            attempt: attempt.transpose()?,
        })
    }
}
