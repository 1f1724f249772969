//! The state as bytes: what a node keeps to open a group quickly and serves to those who join.

use curve::Point;
use prost::Message;
use protocol::{
    AdminRoot, Ctx, Epoch, GroupId, LeafId, LogHash, RecoveryHash, Seq, Suite, Transcript, UnixSeconds,
    VerifyingKey,
    body::{Policy, Ticket},
    limits::{MAX_TICKETS, MESSAGE_EPOCHS},
};
use ratchet_tree::Tree;
use thiserror::Error;

use crate::{GroupState, MessageEpoch};

/// Version of the byte form.
const VERSION: u32 = 1;
/// Epochs in the window of a state at most: the current one and those before it.
const WINDOW: usize = 3;
const _: () = assert!(WINDOW as u64 == MESSAGE_EPOCHS + 1);

/// Bytes that are no state (a damaged store, or a peer's fault when served).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Written by a newer version.
    #[error("snapshot version {0} is not supported")]
    Version(u32),
    /// Not the form of a state.
    #[error("the snapshot is malformed")]
    Malformed,
    /// A state whose digest is not the stored one.
    #[error("the snapshot does not match its digest")]
    Digest,
}

#[derive(Clone, PartialEq, Message)]
struct WireState {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(uint32, tag = "2")]
    suite: u32,
    #[prost(bytes = "vec", tag = "3")]
    group: Vec<u8>,
    #[prost(uint64, tag = "4")]
    epoch: u64,
    #[prost(uint64, tag = "5")]
    at: u64,
    #[prost(uint64, tag = "6")]
    first_clean_epoch: u64,
    #[prost(bool, tag = "7")]
    closed: bool,
    #[prost(bytes = "vec", tag = "8")]
    tree: Vec<u8>,
    #[prost(bytes = "vec", tag = "9")]
    transcript: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "11")]
    admin_root: Vec<u8>,
    #[prost(bytes = "vec", tag = "12")]
    policy: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    tickets: Vec<WireTicket>,
    #[prost(bytes = "vec", tag = "14")]
    recovery: Vec<u8>,
    #[prost(bytes = "vec", tag = "15")]
    ctx: Vec<u8>,
    #[prost(uint64, tag = "16")]
    seq: u64,
    #[prost(bytes = "vec", tag = "17")]
    log: Vec<u8>,
    #[prost(message, repeated, tag = "18")]
    window: Vec<WireEpoch>,
}

#[derive(Clone, PartialEq, Message)]
struct WireTicket {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(uint32, tag = "2")]
    uses_left: u32,
    #[prost(uint64, tag = "3")]
    expires: u64,
    #[prost(uint64, tag = "4")]
    issuer: u64,
}

#[derive(Clone, PartialEq, Message)]
struct WireEpoch {
    #[prost(uint64, tag = "1")]
    epoch: u64,
    #[prost(bytes = "vec", tag = "2")]
    ctx: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    sign_key: Vec<u8>,
}

impl GroupState {
    /// The state as bytes: about 180 bytes a member.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        WireState {
            version: VERSION,
            suite: self.suite.code(),
            group: self.group.as_bytes().to_vec(),
            epoch: self.epoch.get(),
            at: self.at.get(),
            first_clean_epoch: self.first_clean_epoch.get(),
            closed: self.closed,
            tree: self.tree.to_bytes(),
            transcript: self.transcript.as_bytes().to_vec(),
            owner: self.owner.as_bytes().to_vec(),
            admin_root: self.admin_root.as_bytes().to_vec(),
            policy: self.policy.to_bytes(),
            tickets: self
                .tickets
                .values()
                .map(|t| WireTicket {
                    key: t.key.as_bytes().to_vec(),
                    uses_left: t.uses_left,
                    expires: t.expires.get(),
                    issuer: t.issuer.get(),
                })
                .collect(),
            recovery: self.recovery.as_bytes().to_vec(),
            ctx: self.ctx.as_bytes().to_vec(),
            seq: self.seq.get(),
            log: self.log.as_bytes().to_vec(),
            window: self
                .window
                .iter()
                .map(|w| WireEpoch {
                    epoch: w.epoch.get(),
                    ctx: w.ctx.as_bytes().to_vec(),
                    sign_key: w.sign_key.as_bytes().to_vec(),
                })
                .collect(),
        }
        .encode_to_vec()
    }

    /// Reads [`Self::to_bytes`], checking every part and that the state hashes to its ctx.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let wire = WireState::decode(bytes).map_err(|_| SnapshotError::Malformed)?;
        if wire.version != VERSION {
            return Err(SnapshotError::Version(wire.version));
        }
        let state = read(wire).ok_or(SnapshotError::Malformed)?;
        if state.compute_ctx() == state.ctx { Ok(state) } else { Err(SnapshotError::Digest) }
    }

    /// Reads a state that a server handed out, for the anchor `ctx` at (`seq`, `log`) that came by another way.
    ///
    /// Nothing of the server's is believed: the state must hash to the anchor's ctx, log position and hash are the
    /// anchor's own, and message epochs before the current one are forgotten, since ctx does not cover them.
    ///
    /// # Errors
    /// [`SnapshotError::Digest`] for a state other than the anchor's, the others as [`Self::from_bytes`].
    pub fn from_served(bytes: &[u8], ctx: &Ctx, seq: Seq, log: LogHash) -> Result<Self, SnapshotError> {
        let mut state = Self::from_bytes(bytes)?;
        if state.ctx != *ctx {
            return Err(SnapshotError::Digest);
        }
        state.seq = seq;
        state.log = log;
        state.window =
            vec![MessageEpoch { epoch: state.epoch, ctx: state.ctx, sign_key: state.tree.sign_key() }];
        Ok(state)
    }
}

fn read(wire: WireState) -> Option<GroupState> {
    if wire.tickets.len() > MAX_TICKETS || wire.window.len() > WINDOW {
        return None;
    }
    let tickets = wire
        .tickets
        .iter()
        .map(|t| {
            let key = VerifyingKey::from_slice(&t.key).ok()?;
            let ticket = Ticket {
                key,
                uses_left: t.uses_left,
                expires: UnixSeconds::new(t.expires),
                issuer: LeafId::new(t.issuer),
            };
            Some((key, ticket))
        })
        .collect::<Option<_>>()?;
    let window = wire
        .window
        .iter()
        .map(|w| {
            Some(MessageEpoch {
                epoch: Epoch::new(w.epoch),
                ctx: Ctx::from_slice(&w.ctx).ok()?,
                sign_key: Point::from_bytes(w.sign_key.as_slice().try_into().ok()?).ok()?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let epoch = Epoch::new(wire.epoch);
    let ctx = Ctx::from_slice(&wire.ctx).ok()?;
    let tree = Tree::from_bytes(&wire.tree).ok()?;
    // Messages of the current epoch are checked against the window, so its last entry has to be this very state.
    let current = MessageEpoch { epoch, ctx, sign_key: tree.sign_key() };
    if !window.is_sorted_by(|a, b| a.epoch < b.epoch) || *window.last()? != current {
        return None;
    }
    Some(GroupState {
        suite: Suite::from_code(wire.suite)?,
        group: GroupId::from_slice(&wire.group).ok()?,
        epoch,
        at: UnixSeconds::new(wire.at),
        first_clean_epoch: Epoch::new(wire.first_clean_epoch),
        closed: wire.closed,
        tree,
        transcript: Transcript::from_slice(&wire.transcript).ok()?,
        owner: VerifyingKey::from_slice(&wire.owner).ok()?,
        admin_root: AdminRoot::from_slice(&wire.admin_root).ok()?,
        policy: Policy::from_bytes(&wire.policy).ok()?,
        tickets,
        recovery: RecoveryHash::from_slice(&wire.recovery).ok()?,
        ctx,
        seq: Seq::new(wire.seq),
        log: LogHash::from_slice(&wire.log).ok()?,
        window,
    })
}
