//! A client's side of one group: public fold, own secrets, who is who. Pure: bytes in, entries and bytes out.
//!
//! Every step computes all that is new beside the old and then swaps; an error leaves the session as it was, apart
//! from a standing that says so. The shell around it ([`crate::group`]) stores the session before anything is sent and
//! in the same transaction as the entries that a step gave.

mod admins;
mod author;
mod join;
mod keys;
mod message;
mod operation;
mod roster;
mod snapshot;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use curve::TreeSecret;
use e2ee::{
    name::DisplayName,
    schedule::{Authenticator, ExporterSecret, InitSecret, MembershipKey},
};
use group_state::GroupState;
use proofs::VerifyingKeys;
use protocol::{
    Epoch, Frame, FrameHash, FrameId, GroupId, LeafId, LogHash, Refusal, Seq, ServedFrame, SigningKey, Slot,
    VerifyingKey, frame::Served, head::Place,
};
use rand_core::CryptoRng;
use ratchet_tree::PathSecrets;
use thiserror::Error;

pub(crate) use admins::{AdminChange, AdminState, Granted};
pub(crate) use author::Intent;
pub(crate) use join::{FoundingDraft, JoinAttempt, Joining, JoiningStep};
pub(crate) use keys::EpochKeys;
pub(crate) use message::TEXT;
pub(crate) use roster::{Member, Members, Shown};
pub(crate) use snapshot::Snapshot;

use crate::{
    attachments::OwnCopy,
    entry::{Entry, Person, Position, What},
};

/// Where the own leaf stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Added by name, not yet joined.
    Invited,
    /// A full member.
    Member,
    /// Left, or removed by the frame at this position.
    Removed(Seq),
    /// The own leaf's or the group's secrets are lost here; the public fold goes on and a rejoin is possible.
    Lost,
    /// The owner closed the group.
    Closed,
    /// The node's history contradicts itself or what members say; evidence kept, nothing is sent any more.
    Forked(Evidence),
}

/// Why a client stopped trusting a node's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Position of the frame that showed it.
    pub(crate) seq: Seq,
    /// What was wrong, as a stable code.
    pub(crate) code: String,
    /// The leaf on whose signed word alone this rests, where it is one.
    pub(crate) by: Option<LeafId>,
}

/// The own leaf.
pub(crate) struct Own {
    pub(crate) slot: Slot,
    pub(crate) leaf_id: LeafId,
    pub(crate) secret: TreeSecret,
    pub(crate) sig: SigningKey,
    /// Secrets of the nodes above; `None` once the leaf is not ours any more.
    pub(crate) path: Option<PathSecrets>,
}

/// Secrets of the current epoch that are not message keys.
pub(crate) struct Schedule {
    pub(crate) init: InitSecret,
    pub(crate) authenticator: Authenticator,
    pub(crate) exporter: ExporterSecret,
    pub(crate) membership: MembershipKey,
}

/// An operation of ours that may be on its way: stored before it is sent, kept until the log or a refusal decides.
pub(crate) struct Pending {
    pub(crate) frame_id: FrameId,
    pub(crate) hash: FrameHash,
    /// The exact bytes, resent after an unknown outcome.
    pub(crate) bytes: Vec<u8>,
    /// The own leaf's next secret, where the operation changes it.
    pub(crate) secret: Option<TreeSecret>,
    /// The own leaf's next pseudonym.
    pub(crate) sig: Option<SigningKey>,
    /// `e` of a Rejoin.
    pub(crate) external: Option<TreeSecret>,
    /// Invites to seal once the add is accepted.
    pub(crate) invites: Vec<PendingInvite>,
    /// The admins under the root it brings, where it brings one.
    pub(crate) admins: Option<Vec<Granted>>,
}

/// A named invitee whose add may be on its way.
pub(crate) struct PendingInvite {
    /// The public key package, encoded.
    pub(crate) package: Vec<u8>,
    /// The leaf secret chosen for it; erased once the invite is sealed.
    pub(crate) secret: TreeSecret,
    pub(crate) slot: Slot,
}

/// A message of ours that may be on its way.
pub(crate) struct Outgoing {
    pub(crate) frame_id: FrameId,
    pub(crate) hash: FrameHash,
    pub(crate) bytes: Vec<u8>,
    /// What to tell the application when it comes back; `None` for a roster or a list of admins.
    pub(crate) what: Option<What>,
    /// The content, to seal it anew should its epoch pass.
    pub(crate) content: Vec<u8>,
}

/// An opened message whose sender has shown no credential yet.
pub(crate) struct Held {
    pub(crate) seq: Seq,
    pub(crate) received_at_ms: u64,
    pub(crate) leaf_id: LeafId,
    /// The frame's bytes: opened again once there is a credential.
    pub(crate) frame: Vec<u8>,
}

impl Outgoing {
    /// The epoch it was sealed for.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        match Frame::decode(&self.bytes).ok()?.head().place {
            Place::Message { epoch } => Some(epoch),
            Place::Operation { .. } => None,
        }
    }
}

/// Most messages held for want of a credential; further ones are recorded as unreadable.
const MAX_HELD: usize = 1_000;
/// Most bytes held so. They are stored anew with every step, and a row of the store is bounded.
const MAX_HELD_BYTES: usize = 2 * 1024 * 1024;

/// Everything a client knows of one group.
pub(crate) struct Session {
    pub(crate) fold: GroupState,
    pub(crate) own: Own,
    pub(crate) schedule: Schedule,
    /// Message keys of the current epoch and up to two before it, oldest first.
    pub(crate) epochs: Vec<EpochKeys>,
    pub(crate) members: Members,
    pub(crate) standing: Standing,
    pub(crate) owner: Option<SigningKey>,
    pub(crate) pending: Option<Pending>,
    pub(crate) outbox: Vec<Outgoing>,
    pub(crate) held: Vec<Held>,
    /// Somebody joined and nobody has posted the roster since: to be done before the next own message.
    pub(crate) roster_due: bool,
    /// Leaves whose entries were posted since; not stored, so that a restart at worst posts the roster once more.
    pub(crate) roster_posted: BTreeSet<LeafId>,
    /// Sealed invites not yet handed to the caller: recipient and text.
    pub(crate) invites: Vec<(VerifyingKey, String)>,
    /// Place of the next entry.
    pub(crate) next_position: u64,
    /// What the holder calls the group.
    pub(crate) title: String,
    /// Where the group lives.
    pub(crate) server: String,
    /// The node's key, from its first receipt on.
    pub(crate) node: Option<VerifyingKey>,
    /// Behind a gap the group is the node's word: the identities known from before, until one of them is heard.
    /// Nothing is said until then, for the node could have made up the group.
    pub(crate) unconfirmed: Option<BTreeSet<VerifyingKey>>,
    /// Leaves whose word on the log does not count any more, because the user found that they lied.
    pub(crate) overruled: BTreeSet<LeafId>,
    /// Who is an admin, as far as this home has to know.
    pub(crate) admins: AdminState,
    /// How to get at the attachments that the entries since the last write tell of; stored with these.
    pub(crate) copies: Vec<(Position, OwnCopy)>,
    /// Where to lay down a roster that is too large for invites. Not stored: without it, they name it only.
    pub(crate) snapshot: Option<Snapshot>,
}

/// Why a step was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum SessionError {
    /// A frame before or after the expected position.
    #[error("expected frame {expected}, got {got}")]
    Gap { expected: Seq, got: Seq },
    /// The node's history is not the one this client knows.
    #[error("the history is forked at frame {seq}: {code}")]
    Forked { seq: Seq, code: &'static str },
    /// A member says, and signed, that the log it saw was another one.
    #[error("the sender of frame {seq} saw another history")]
    Disputed { seq: Seq, by: LeafId },
    /// A stored operation that the fold refuses: to be fetched once more before it counts as a fork.
    #[error("frame {seq} does not apply: {code}")]
    Suspect { seq: Seq, code: &'static str },
    /// Derived keys contradict the public tree: a proof was accepted that should not exist.
    #[error("frame {0} leads to keys that do not fit the tree")]
    ProofSystemFailure(Seq),
    /// Refused before it was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The own leaf is not in the group any more.
    #[error("you are no longer a member of this group")]
    NotAMember,
    /// Added by name, but not yet joined.
    #[error("join the group first")]
    NotJoined,
    /// The keys of this group are lost here.
    #[error("the group's keys are lost here: rejoin first")]
    KeysLost,
    /// Behind a gap, and nobody known from before was heard since.
    #[error(
        "the group's state is the server's word alone: wait until somebody you know is heard, or compare digits"
    )]
    Unconfirmed,
    /// What only the owner may.
    #[error("only the owner of the group may do that")]
    OwnerOnly,
    /// What only the owner and admins may.
    #[error("only the owner and admins of the group may do that")]
    AdminOnly,
    /// The member is no admin.
    #[error("that member is no admin")]
    NotAnAdmin,
    /// More admins than a group can have.
    #[error("a group has at most 256 admins besides its owner")]
    TooManyAdmins,
    /// Not possible in this state.
    #[error("{0}")]
    NotPossible(&'static str),
    /// Content that cannot be sealed.
    #[error("the content is too long: one message holds about 65,000 bytes")]
    TooLong,
}

impl SessionError {
    /// The stable code.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Gap { .. } => "gap",
            Self::Suspect { code, .. } => code,
            Self::Forked { .. } => "forked",
            Self::Disputed { .. } => "log_hash_mismatch",
            Self::ProofSystemFailure(_) => "proof_system_failure",
            Self::Refused(refusal) => refusal.code(),
            Self::NotAMember => "not_a_member",
            Self::NotJoined => "not_joined",
            Self::KeysLost => "keys_lost",
            Self::Unconfirmed => "unconfirmed",
            Self::OwnerOnly => "owner_only",
            Self::AdminOnly => "admin_only",
            Self::NotAnAdmin => "not_an_admin",
            Self::TooManyAdmins => "too_many",
            Self::NotPossible(_) => "not_possible",
            Self::TooLong => "too_large",
        }
    }
}

/// What earlier log hashes are looked up with.
pub(crate) type History<'a> = dyn Fn(Seq) -> Option<LogHash> + 'a;

/// What a step needs besides the session.
pub(crate) struct Env<'a> {
    /// The own identity.
    pub(crate) identity: &'a SigningKey,
    /// The name to show.
    pub(crate) name: &'a DisplayName,
    /// Known proof parameters.
    pub(crate) keys: &'a VerifyingKeys,
    /// Log hashes of earlier positions.
    pub(crate) history: &'a History<'a>,
    /// Fresh randomness.
    pub(crate) rng: &'a mut dyn CryptoRng,
}

impl Schedule {
    /// Nothing: for a session whose group goes on without it.
    pub(crate) fn wiped() -> Self {
        Self {
            init: InitSecret::new_group(),
            authenticator: Authenticator::from_bytes(&[0; 32]),
            exporter: ExporterSecret::from_bytes(&[0; 32]),
            membership: MembershipKey::from_bytes(&[0; 32]),
        }
    }
}

impl Session {
    /// Everybody else with a place in the group, invitees included.
    pub(crate) fn others(&self) -> Vec<LeafId> {
        let live = self.fold.tree().leaves().filter_map(|(_, leaf)| leaf.live().map(|live| live.leaf_id));
        live.filter(|id| *id != self.own.leaf_id).collect()
    }

    /// The position expected next.
    pub(crate) fn next_seq(&self) -> Seq {
        self.fold.seq().next().unwrap_or_else(|| self.fold.seq())
    }

    pub(crate) fn group(&self) -> GroupId {
        self.fold.group()
    }

    /// Takes the frame at the next position. A frame that was already taken gives no entries, so delivery may repeat.
    ///
    /// # Errors
    /// [`SessionError::Gap`] for a frame further ahead; [`SessionError::Forked`] and
    /// [`SessionError::ProofSystemFailure`] when the history cannot be trusted: the session then stands at the frame
    /// before, with its standing changed.
    pub(crate) fn process(
        &mut self,
        served: &ServedFrame,
        env: &mut Env<'_>,
    ) -> Result<Vec<Entry>, SessionError> {
        if let Standing::Forked(evidence) = &self.standing {
            return Err(SessionError::Forked { seq: evidence.seq, code: "forked" });
        }
        // What follows a removal is not for us, even where it comes in the same page.
        if served.seq <= self.fold.seq() || matches!(self.standing, Standing::Removed(_)) {
            return Ok(Vec::new());
        }
        let expected = self.next_seq();
        if served.seq != expected {
            return Err(SessionError::Gap { expected, got: served.seq });
        }
        let done = match &served.content {
            Served::MessageHash(hash) => self.pass_over(served, hash),
            Served::Frame(frame) | Served::Operation(frame) if frame.kind().is_operation() => {
                self.process_operation(served, frame, env)
            }
            Served::Frame(frame) | Served::Operation(frame) => self.process_message(served, frame, env),
        };
        match &done {
            Err(SessionError::Forked { seq, code }) => self.fork(*seq, code),
            Err(error @ SessionError::Disputed { seq, by }) => {
                let (seq, code) = (*seq, error.code());
                self.standing = Standing::Forked(Evidence { seq, code: code.to_owned(), by: Some(*by) });
                return Err(SessionError::Forked { seq, code });
            }
            Err(error @ SessionError::ProofSystemFailure(seq)) => self.fork(*seq, error.code()),
            Ok(_) | Err(_) => {}
        }
        done
    }

    /// Goes on past a message whose content was pruned before we saw it.
    fn pass_over(&mut self, served: &ServedFrame, hash: &FrameHash) -> Result<Vec<Entry>, SessionError> {
        self.fold = self.fold.pass_over_message(hash).ok_or(Refusal::Malformed)?;
        Ok(self.take_outgoing(served, hash).unwrap_or_default())
    }

    /// Stops for good: the node's history cannot be trusted.
    pub(crate) fn fork(&mut self, seq: Seq, code: &str) {
        self.standing = Standing::Forked(Evidence { seq, code: code.to_owned(), by: None });
    }

    /// Goes on after a fork that rests on one member's word, which from then on does not count.
    pub(crate) fn overrule(&mut self) -> Result<(), SessionError> {
        let Standing::Forked(Evidence { by: Some(by), .. }) = self.standing else {
            return Err(SessionError::NotPossible("there is no fork that rests on a member's word alone"));
        };
        let tree = self.fold.tree();
        let own = tree.slot_of_leaf(self.own.leaf_id).and_then(|slot| tree.leaf(slot).live());
        let active = own.ok_or(SessionError::NotAMember)?.is_active();
        let path = PathSecrets::derive(tree, self.own.slot, &self.own.secret);
        self.own.path = Some(path.map_err(|_| SessionError::KeysLost)?);
        self.overruled.insert(by);
        self.standing = if active { Standing::Member } else { Standing::Invited };
        Ok(())
    }

    /// Makes the next entry.
    fn entry(&mut self, served: &ServedFrame, epoch: Epoch, sender: Option<Person>, what: What) -> Entry {
        let position = Position(self.next_position);
        self.next_position += 1;
        Entry {
            position,
            seq: served.seq.get(),
            epoch: epoch.get(),
            received_at_ms: served.received_at_ms,
            sender,
            what,
        }
    }

    /// How a leaf is shown.
    pub(crate) fn person(&self, leaf_id: LeafId) -> Person {
        self.members.person(leaf_id)
    }

    /// Takes note of a payload whose signature by `identity` verified: it covers the transcript, so whoever signed it
    /// is in the same group.
    fn heard(&mut self, identity: &VerifyingKey) {
        if self.unconfirmed.as_ref().is_some_and(|known| known.contains(identity)) {
            self.unconfirmed = None;
        }
    }

    /// Whether operations and messages may be made.
    pub(crate) fn check_live(&self) -> Result<(), SessionError> {
        match &self.standing {
            Standing::Invited | Standing::Member => Ok(()),
            Standing::Lost => Err(SessionError::KeysLost),
            Standing::Removed(_) => Err(SessionError::NotAMember),
            Standing::Closed => Err(SessionError::Refused(Refusal::GroupClosed)),
            Standing::Forked(evidence) => Err(SessionError::Forked { seq: evidence.seq, code: "forked" }),
        }
    }
}

pub(crate) fn active_of(fold: &GroupState) -> BTreeMap<Slot, LeafId> {
    fold.tree().leaves().filter_map(|(slot, leaf)| leaf.active().map(|live| (slot, live.leaf_id))).collect()
}
