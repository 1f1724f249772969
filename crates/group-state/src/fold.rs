//! Applying a frame: the fold rules in the order cheap before costly.

use std::collections::BTreeMap;

use curve::schnorr;
use proofs::VerifyingKeys;
use protocol::{
    Epoch, Frame, LogHash, Refusal, Seq, Transcript, UnixSeconds,
    body::{Body, Init, OwnChange, Policy},
    digest,
    head::{Kind, Place},
};
use ratchet_tree::Tree;

use crate::{
    Effects, GroupState, Proposed, authorize,
    operations::{Draft, branch_claim, max_capacity},
};

impl GroupState {
    /// Founds a group from its Init, which stands at position 0.
    ///
    /// # Errors
    /// [`Refusal`] naming the first rule broken.
    pub fn create(frame: &Frame, keys: &VerifyingKeys) -> Result<Proposed, Refusal> {
        let (Body::Init(init), Place::Operation { base, at, tree_hash_after }) =
            (&frame.head().body, frame.head().place)
        else {
            return Err(Refusal::WrongStructure);
        };
        check_policy(&init.policy, keys)?;
        let frame_digest = frame.digest(&base);
        authorize::check_init(frame, &frame_digest)?;
        if frame.proofs.len() != 1 {
            return Err(Refusal::WrongStructure);
        }
        let tree = init_tree(init)?;
        if tree.hash() != tree_hash_after {
            return Err(Refusal::TreeHashMismatch);
        }
        let group = frame.head().group;
        let mut next = Self {
            suite: frame.head().suite,
            group,
            epoch: Epoch::ZERO,
            at,
            first_clean_epoch: Epoch::ZERO,
            closed: false,
            tree,
            transcript: digest::transcript(&Transcript::new([0; 32]), &frame.hash()),
            owner: init.owner,
            admin_root: init.admin_root,
            policy: init.policy,
            tickets: BTreeMap::new(),
            recovery: init.recovery,
            ctx: base,
            seq: Seq::ZERO,
            log: digest::log_hash(&LogHash::new([0; 32]), Seq::ZERO, &frame.hash()),
            window: Vec::new(),
        };
        next.seal_epoch();
        let claim = branch_claim(&frame_digest, &init.keys, &[], frame.proofs.first())?;
        Ok(Proposed { next, effects: Effects::default(), claims: vec![claim] })
    }

    /// What a frame at the next position leads to. `self` stays as it is.
    ///
    /// # Errors
    /// [`Refusal`] naming the first rule broken; for an operation that is stored this means a fork, for a message
    /// that it is unreadable ([`GroupState::pass_over_message`]).
    pub fn apply(&self, frame: &Frame, keys: &VerifyingKeys) -> Result<Proposed, Refusal> {
        let head = frame.head();
        if head.group != self.group {
            return Err(Refusal::NotAccepted);
        }
        if head.suite != self.suite {
            return Err(Refusal::UnknownSuite);
        }
        if self.closed {
            return Err(Refusal::GroupClosed);
        }
        match head.place {
            Place::Message { epoch } => self.apply_message(frame, epoch),
            Place::Operation { base, at, .. } => {
                if base != self.ctx {
                    return Err(Refusal::StaleEpoch);
                }
                if at < self.at {
                    return Err(Refusal::TimeBackwards);
                }
                self.apply_operation(frame, at, keys)
            }
        }
    }

    fn apply_message(&self, frame: &Frame, epoch: Epoch) -> Result<Proposed, Refusal> {
        if !self.is_clean() {
            return Err(Refusal::HealFirst);
        }
        if !self.accepts_messages_of(epoch) {
            return Err(Refusal::EpochNotAccepted);
        }
        self.check_auth_fields(frame)?;
        // A message without content would be a free ride for whoever holds the epoch's key.
        if !frame.proofs.is_empty() || frame.sealed_is_empty() {
            return Err(Refusal::WrongStructure);
        }
        let window = self.message_epoch(epoch).ok_or(Refusal::EpochNotAccepted)?;
        let signature = frame.auth.sign.as_ref().ok_or(Refusal::WrongStructure)?;
        let frame_digest = frame.digest(&window.ctx);
        schnorr::verify(&window.sign_key, frame_digest.as_bytes(), signature)
            .map_err(|_| Refusal::BadSignature)?;
        let next = self.pass_over_message(&frame.hash()).ok_or(Refusal::Malformed)?;
        Ok(Proposed { next, effects: Effects::default(), claims: Vec::new() })
    }

    fn apply_operation(
        &self,
        frame: &Frame,
        at: UnixSeconds,
        keys: &VerifyingKeys,
    ) -> Result<Proposed, Refusal> {
        // Under other keys capacity and proofs would mean something else, so that verifiers could differ.
        if self.policy.params != keys.params_hash() {
            return Err(Refusal::UnknownParams);
        }
        let body = &frame.head().body;
        if !self.is_clean() && !allowed_while_dirty(body.kind()) {
            return Err(Refusal::HealFirst);
        }
        self.check_auth_fields(frame)?;
        if frame.proofs.len() != body.change_count() {
            return Err(Refusal::WrongStructure);
        }
        if seals_nothing(body.kind()) && !frame.sealed_is_empty() {
            return Err(Refusal::WrongStructure);
        }
        self.check_doer(body)?;
        let frame_digest = frame.digest(&self.ctx);
        self.check_signatures(frame, &frame_digest)?;

        let mut draft = Draft::new(self, frame, frame_digest, at, keys)?;
        draft.run(body)?;
        draft.finish(frame)
    }
}

/// The tree of a group of one.
fn init_tree(init: &Init) -> Result<Tree, Refusal> {
    let [leaf, sign] = init.keys.as_slice() else { return Err(Refusal::WrongKeyCount) };
    Ok(Tree::create(*leaf, init.sig, Epoch::ZERO, *sign)?)
}

/// Bounds of a policy, and whether its proof parameters are known.
pub(crate) fn check_policy(policy: &Policy, keys: &VerifyingKeys) -> Result<(), Refusal> {
    if policy.params != keys.params_hash() {
        return Err(Refusal::UnknownParams);
    }
    let members = policy.max_members;
    let ttl = policy.invite_ttl;
    if members == 0
        || members > max_capacity(keys).get()
        || ttl == 0
        || ttl > protocol::limits::MAX_INVITE_TTL
    {
        return Err(Refusal::BadPolicy);
    }
    Ok(())
}

const fn allowed_while_dirty(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Leave
            | Kind::MarkRemoved
            | Kind::Expire
            | Kind::MarkOwn
            | Kind::Heal
            | Kind::RemoveMembers
            | Kind::SetAdmins
            | Kind::Close
    )
}

/// Pure marks carry no payload: nobody could tell whom it would have to be kept from.
const fn seals_nothing(kind: Kind) -> bool {
    matches!(kind, Kind::Leave | Kind::MarkRemoved | Kind::Expire | Kind::MarkOwn)
}

/// Whether a frame that leaves a leaf Dirty may still seal something: only when the doer's own leaf is fresh.
pub(crate) fn changes_own_leaf(body: &Body) -> bool {
    if let Body::Heal(b) | Body::RemoveMembers(b) = body { b.own != OwnChange::None } else { false }
}
