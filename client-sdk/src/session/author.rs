//! Making operations and messages.

use curve::{TreeSecret, schnorr};
use e2ee::{
    content::Content,
    credential::Profile,
    key_package::KeyPackage,
    name::DisplayName,
    payload::{Carrier, LogPosition, PayloadContext, SignedPayload},
    schedule::InitSecret,
};
use group_state::author::{Author, Authored, Invitee, Own as OwnLeaf, message_head};
use proofs::{Proof, Statement};
use protocol::{
    Authorization, Epoch, Frame, FrameDigest, FrameId, LeafId, Refusal, SignatureBytes, SigningKey, Slot,
    UnixSeconds, VerifyingKey,
    body::{Body, IssueTicket, Marks, Policy, RevokeTicket},
    digest::Role,
};
use rand_core::CryptoRng;
use ratchet_tree::{Capacity, PathSecrets};

use super::{
    AdminChange, Env, Granted, Outgoing, Pending, PendingInvite, Session, SessionError, Standing, admins,
    keys::joiner,
    message::application,
    roster::{binding, own_entry},
};
use crate::{
    attachments,
    entry::{AttachmentState, What},
    prover::Job,
};

/// What a member wants to do to the group.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    /// Give the own leaf a fresh secret; an invitee joins by it.
    UpdateKey,
    /// Give the own leaf a fresh secret and a fresh pseudonym, so that nothing copied earlier speaks for it. Completes
    /// a removal along the way.
    Renew,
    /// Invite people by their key packages.
    AddMembers { packages: Vec<KeyPackage>, ttl: u64 },
    /// Open a ticket.
    IssueTicket { ticket: VerifyingKey, uses: u32, ttl: u64 },
    /// Close a ticket.
    RevokeTicket(VerifyingKey),
    /// Leave.
    Leave,
    /// Remove these leaves: by their names, since a slot may hold somebody else by the time it is built anew.
    Remove(Vec<LeafId>),
    /// Mark these leaves for removal, without saying who does; somebody else completes it.
    Mark(Vec<LeafId>),
    /// Change who is an admin.
    SetAdmins(AdminChange),
    /// Mark lapsed invites.
    Expire(Vec<Slot>),
    /// Give up the leaves the own one keyed.
    MarkOwn(Vec<Slot>),
    /// Complete a removal; with `fresh` the own leaf gets a fresh secret first.
    Heal { fresh: bool },
    /// Come back with fresh secrets.
    Rejoin,
    /// Change the rules.
    SetPolicy(Policy),
    /// Close the group.
    Close,
}

/// An operation that lacks nothing but its proofs.
pub(crate) struct Draft {
    frame: Frame,
    jobs: Vec<Job>,
    /// The last proof is that of being an admin.
    by_admin: bool,
    secret: Option<TreeSecret>,
    sig: Option<SigningKey>,
    external: Option<TreeSecret>,
    invites: Vec<PendingInvite>,
    admins: Option<Vec<Granted>>,
}

impl Draft {
    /// What is to be proved, in order.
    pub(crate) fn take_jobs(&mut self) -> Vec<Job> {
        core::mem::take(&mut self.jobs)
    }

    /// Adds the proofs. What comes out is stored before it is sent.
    pub(crate) fn finish(mut self, proofs: &[Proof]) -> Result<Pending, SessionError> {
        self.frame.proofs = proofs.iter().map(Proof::to_bytes).collect();
        if self.by_admin {
            self.frame.auth.admin_proof = self.frame.proofs.pop();
        }
        let bytes = self.frame.encode().ok_or(SessionError::NotPossible("the frame has no content"))?;
        if bytes.len() > protocol::limits::MAX_FRAME {
            return Err(SessionError::TooLong);
        }
        Ok(Pending {
            frame_id: self.frame.head().frame_id,
            hash: self.frame.hash(),
            bytes,
            secret: self.secret,
            sig: self.sig,
            external: self.external,
            invites: self.invites,
            admins: self.admins,
        })
    }
}

/// Sixteen fresh bytes.
pub(super) fn frame_id(rng: &mut dyn CryptoRng) -> FrameId {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    FrameId::new(bytes)
}

/// A fresh leaf secret whose key is not a reserved one; the chance of another draw is nil.
pub(super) fn fresh_secret(rng: &mut dyn CryptoRng) -> TreeSecret {
    loop {
        let secret = TreeSecret::generate(rng);
        if !secret.public().is_reserved() {
            return secret;
        }
    }
}

/// Which signatures an operation needs from us.
#[derive(Clone, Copy)]
struct Signers {
    leaf: bool,
    right: Right,
}

/// The right an operation takes beyond being a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    /// None.
    Member,
    /// The owner's signature.
    Owner,
    /// The owner's signature, or an admin's proof.
    Admin,
}

impl Session {
    /// Drafts an operation on the current state.
    ///
    /// # Errors
    /// [`SessionError`] when this member may not do it, or the group's rules forbid it.
    pub(crate) fn draft(
        &self,
        intent: &Intent,
        env: &mut Env<'_>,
        now: UnixSeconds,
    ) -> Result<Draft, SessionError> {
        self.check_intent(intent)?;
        let id = frame_id(env.rng);
        let slot = self.own.slot;
        let author = Author::new(&self.fold, now, id, max_capacity(env)?)?;
        let at = author.at();
        let mut secret = None;
        let mut sig: Option<SigningKey> = None;
        let mut external = None;
        let mut invites = Vec::new();
        let mut content = None;
        let mut admins = None;
        let leaf = Signers { leaf: true, right: Right::Member };
        let both = Signers { leaf: true, right: Right::Admin };
        let owner = Signers { leaf: false, right: Right::Owner };
        let (authored, signers) = match intent {
            Intent::UpdateKey => {
                let fresh = fresh_secret(env.rng);
                secret = Some(fresh.clone());
                (author.update_key(slot, fresh, None)?, leaf)
            }
            Intent::Renew => {
                let (fresh, key) = (fresh_secret(env.rng), SigningKey::generate(env.rng));
                let new_sig = Some(key.verifying_key());
                secret = Some(fresh.clone());
                sig = Some(key);
                let authored = if self.fold.is_clean() {
                    author.update_key(slot, fresh, new_sig)?
                } else {
                    author.heal(slot, None, OwnLeaf::Update(fresh, new_sig), || fresh_secret(env.rng))?
                };
                (authored, leaf)
            }
            Intent::AddMembers { packages, ttl } => {
                let expires = at.saturating_add(*ttl);
                let secrets: Vec<_> = packages.iter().map(|_| fresh_secret(env.rng)).collect();
                let invitees = packages
                    .iter()
                    .zip(&secrets)
                    .map(|(p, s)| Invitee { secret: s.clone(), sig: *p.sig(), expires })
                    .collect();
                let authored = author.add_members(slot, invitees)?;
                if let Body::AddMembers(body) = &authored.head.body {
                    let parts = packages.iter().zip(secrets).zip(&body.added);
                    invites = parts
                        .map(|((p, secret), added)| PendingInvite {
                            package: p.to_bytes(),
                            secret,
                            slot: added.change.slot,
                        })
                        .collect();
                }
                content = Some(Content::Added { packages: packages.clone() });
                (authored, both)
            }
            Intent::IssueTicket { ticket, uses, ttl } => {
                let expires = at.saturating_add(*ttl);
                let body = IssueTicket { doer: slot, ticket: *ticket, uses: *uses, expires };
                (author.plain(Body::IssueTicket(body)), both)
            }
            Intent::RevokeTicket(ticket) => {
                let issuer = self.fold.ticket(ticket).map(|t| t.issuer);
                let signers = if issuer == Some(self.own.leaf_id) { leaf } else { both };
                (author.plain(Body::RevokeTicket(RevokeTicket { doer: slot, ticket: *ticket })), signers)
            }
            Intent::Leave => (author.leave(slot)?, leaf),
            Intent::Remove(leaves) => {
                let marks = self.marks(leaves, &mut admins, env)?;
                (author.heal(slot, Some(marks), OwnLeaf::Keep, || fresh_secret(env.rng))?, both)
            }
            Intent::Mark(leaves) => {
                let marks = self.marks(leaves, &mut admins, env)?;
                (author.mark_removed(marks)?, Signers { leaf: false, right: Right::Admin })
            }
            Intent::SetAdmins(change) => {
                let granted = self.changed_admins(change, env.rng)?;
                let root = admins::root(&granted)?;
                admins = Some(granted);
                (author.plain(Body::SetAdmins(root)), owner)
            }
            Intent::Expire(slots) => (author.expire(slot, slots.clone())?, leaf),
            Intent::MarkOwn(slots) => (author.mark_own(slot, slots.clone())?, leaf),
            Intent::Heal { fresh } => {
                let own = match self.standing {
                    // An invitee becomes Active by healing.
                    Standing::Invited | Standing::Member if *fresh || self.standing == Standing::Invited => {
                        let fresh = fresh_secret(env.rng);
                        secret = Some(fresh.clone());
                        OwnLeaf::Update(fresh, None)
                    }
                    Standing::Lost => {
                        let (fresh, e) = (fresh_secret(env.rng), fresh_secret(env.rng));
                        let own = OwnLeaf::Rejoin(fresh.clone(), e.public());
                        secret = Some(fresh);
                        external = Some(e);
                        own
                    }
                    Standing::Invited
                    | Standing::Member
                    | Standing::Removed(_)
                    | Standing::Closed
                    | Standing::Forked(_) => OwnLeaf::Keep,
                };
                (author.heal(slot, None, own, || fresh_secret(env.rng))?, leaf)
            }
            Intent::Rejoin => {
                let (fresh, e) = (fresh_secret(env.rng), fresh_secret(env.rng));
                let authored = author.rejoin(slot, fresh.clone(), e.public())?;
                secret = Some(fresh);
                external = Some(e);
                (authored, leaf)
            }
            Intent::SetPolicy(policy) => (author.plain(Body::SetPolicy(*policy)), owner),
            Intent::Close => (author.plain(Body::Close), owner),
        };
        if secret.is_some() {
            content = Some(self.own_credential(&authored, env)?);
        }
        let sealed = match content {
            Some(content) => {
                let own_secret = secret.as_ref().unwrap_or(&self.own.secret);
                self.seal_operation(&authored, own_secret, external.as_ref(), &content, env)?
            }
            None => Vec::new(),
        };
        let mut frame = authored.frame(sealed);
        let digest = frame.digest(&self.fold.ctx());
        frame.auth = self.sign(&digest, signers, env)?;
        frame.auth.new_leaf = sig.as_ref().map(|key| key.sign(&Role::NewLeaf.message(&digest)));
        let mut jobs: Vec<Job> = jobs(authored, &digest)?.into_iter().map(Job::from).collect();
        let by_admin = signers.right == Right::Admin && self.owner.is_none();
        if by_admin {
            jobs.push(self.admin_job(&digest)?);
        }
        Ok(Draft { frame, jobs, by_admin, secret, sig, external, invites, admins })
    }

    /// The leaves to mark; from the owner together with the root of the admins who are left.
    fn marks(
        &self,
        leaves: &[LeafId],
        admins: &mut Option<Vec<Granted>>,
        env: &mut Env<'_>,
    ) -> Result<Marks, SessionError> {
        let tree = self.fold.tree();
        let mut slots: Vec<_> = leaves.iter().filter_map(|id| tree.slot_of_leaf(*id)).collect();
        if slots.is_empty() {
            return Err(SessionError::Refused(Refusal::NoSuchLeaf));
        }
        slots.sort_unstable();
        *admins = self.admins_without(leaves, env.rng)?;
        let admin_root = admins.as_deref().map(admins::root).transpose()?;
        Ok(Marks { slots, admin_root })
    }

    /// What can be known without trying.
    fn check_intent(&self, intent: &Intent) -> Result<(), SessionError> {
        self.check_live_for(intent)?;
        let owner_only = matches!(intent, Intent::SetPolicy(_) | Intent::SetAdmins(_) | Intent::Close);
        if owner_only && self.owner.is_none() {
            return Err(SessionError::OwnerOnly);
        }
        let admins_too = matches!(
            intent,
            Intent::AddMembers { .. } | Intent::IssueTicket { .. } | Intent::Remove(_) | Intent::Mark(_)
        );
        if admins_too {
            self.check_admin()?;
        }
        // An invitation into a group that the node may have made up would lead others there.
        let invites = matches!(intent, Intent::AddMembers { .. } | Intent::IssueTicket { .. });
        if invites && self.unconfirmed.is_some() {
            return Err(SessionError::Unconfirmed);
        }
        let clean_only = !matches!(
            intent,
            Intent::Leave
                | Intent::Remove(_)
                | Intent::Mark(_)
                | Intent::SetAdmins(_)
                | Intent::Expire(_)
                | Intent::MarkOwn(_)
                | Intent::Heal { .. }
                | Intent::Renew
                | Intent::Close
        );
        if clean_only && !self.fold.is_clean() {
            return Err(SessionError::Refused(Refusal::HealFirst));
        }
        Ok(())
    }

    /// Whether we may do what owner and admins may.
    pub(crate) fn check_admin(&self) -> Result<(), SessionError> {
        if self.owner.is_some() || self.is_admin() { Ok(()) } else { Err(SessionError::AdminOnly) }
    }

    fn check_live_for(&self, intent: &Intent) -> Result<(), SessionError> {
        match (&self.standing, intent) {
            (Standing::Lost, Intent::Rejoin | Intent::Heal { .. } | Intent::Leave) => Ok(()),
            (Standing::Invited, Intent::UpdateKey | Intent::Heal { .. } | Intent::Leave) => Ok(()),
            (Standing::Invited, _) => Err(SessionError::NotJoined),
            (Standing::Lost, _) => Err(SessionError::KeysLost),
            _ => self.check_live(),
        }
    }

    /// The own statement on the leaf as it will be.
    fn own_credential(&self, authored: &Authored, env: &Env<'_>) -> Result<Content, SessionError> {
        let leaf = authored.tree.leaf(self.own.slot).live();
        let leaf = leaf.ok_or(SessionError::NotPossible("the own leaf would not be in the tree"))?;
        let entry = own_entry(
            &binding(&self.fold, self.own.slot, leaf),
            profile(env.name, &self.group(), env.identity),
            env.identity,
        );
        Ok(Content::Credential { credential: entry.credential, profile: entry.profile })
    }

    fn seal_operation(
        &self,
        authored: &Authored,
        own_secret: &TreeSecret,
        external: Option<&TreeSecret>,
        content: &Content,
        env: &Env<'_>,
    ) -> Result<Vec<u8>, SessionError> {
        let path = PathSecrets::derive(&authored.tree, self.own.slot, own_secret)
            .map_err(|_| SessionError::ProofSystemFailure(self.fold.seq()))?;
        let digest = protocol::digest::op_digest(&authored.head.encode());
        let external_init = external.map(|e| {
            let root = self.fold.tree().root_key();
            InitSecret::external(&e.dh(&root), &e.public(), &root, &self.fold.ctx())
        });
        let joiner = joiner(external_init.as_ref().unwrap_or(&self.schedule.init), path.root(), &digest);
        let context = PayloadContext {
            suite: self.fold.suite(),
            group: self.group(),
            epoch: self.fold.epoch(),
            frame: authored.head.frame_id,
            slot: self.own.slot,
            leaf_id: self.own.leaf_id,
            transcript: self.fold.transcript(),
            carrier: Carrier::Operation(digest),
        };
        let payload = SignedPayload::sign(&context, self.seen(), content, env.identity)
            .map_err(|_| SessionError::TooLong)?;
        joiner.seal_op(self.fold.suite(), &digest, &payload.to_bytes()).map_err(|_| SessionError::TooLong)
    }

    /// What we have seen of the log, for others to compare.
    fn seen(&self) -> LogPosition {
        LogPosition { seq: self.fold.seq(), log: self.fold.log() }
    }

    fn sign(
        &self,
        digest: &FrameDigest,
        signers: Signers,
        env: &mut Env<'_>,
    ) -> Result<Authorization, SessionError> {
        let owner = match (signers.right, &self.owner) {
            (Right::Owner | Right::Admin, Some(key)) => Some(key.sign(&Role::Owner.message(digest))),
            (Right::Owner, None) => return Err(SessionError::OwnerOnly),
            (Right::Member, _) | (Right::Admin, None) => None,
        };
        let leaf = signers.leaf.then(|| leaf_signature(&self.own.sig, digest));
        // What an admin does without a name is signed with what every member has.
        let sign = match (signers.leaf || owner.is_some(), &self.own.path) {
            (true, _) => None,
            (false, Some(path)) => Some(schnorr::sign(path.sign(), digest.as_bytes(), &mut *env.rng)),
            (false, None) => return Err(SessionError::KeysLost),
        };
        Ok(Authorization { leaf, owner, sign, ..Authorization::default() })
    }

    /// Seals a message for the current epoch and puts it into the outbox; the session is stored before it is sent.
    ///
    /// # Errors
    /// [`SessionError`] when nothing may be sent now, or the content is too long.
    pub(crate) fn seal_message(
        &mut self,
        content: &Content,
        env: &mut Env<'_>,
    ) -> Result<Vec<u8>, SessionError> {
        self.check_live()?;
        if self.standing != Standing::Member {
            return Err(SessionError::NotJoined);
        }
        if self.unconfirmed.is_some() {
            return Err(SessionError::Unconfirmed);
        }
        if !self.fold.is_clean() {
            return Err(SessionError::Refused(Refusal::HealFirst));
        }
        let no_keys = SessionError::NotPossible("there are no keys for this epoch");
        let Some(sign) = self.own.path.as_ref().map(PathSecrets::sign) else { return Err(no_keys) };
        let id = frame_id(env.rng);
        let epoch = self.fold.epoch();
        let head = message_head(self.fold.suite(), self.group(), epoch, id);
        let digest = protocol::digest::message_digest(&head.encode());
        let seen = self.seen();
        let (suite, group) = (self.fold.suite(), self.group());
        let encoded = content.to_bytes().map_err(|_| SessionError::TooLong)?;
        let keys = self.epochs.last_mut().filter(|e| e.epoch == epoch).ok_or(no_keys)?;
        let key =
            keys.keys.reserve(self.own.slot).map_err(|_| SessionError::Refused(Refusal::EpochNotAccepted))?;
        let context = PayloadContext {
            suite,
            group,
            epoch,
            frame: id,
            slot: self.own.slot,
            leaf_id: self.own.leaf_id,
            transcript: keys.transcript,
            carrier: Carrier::Message(key.generation()),
        };
        let payload =
            SignedPayload::sign(&context, seen, content, env.identity).map_err(|_| SessionError::TooLong)?;
        let sealed =
            keys.keys.seal(key, &id, &digest, &payload.to_bytes()).map_err(|_| SessionError::TooLong)?;
        let mut frame = Frame::unsigned(head, sealed);
        let d = frame.digest(&self.fold.ctx());
        frame.auth.sign = Some(schnorr::sign(sign, d.as_bytes(), &mut *env.rng));
        let bytes = frame.encode().ok_or(SessionError::NotPossible("the frame has no content"))?;
        self.outbox.push(Outgoing {
            frame_id: id,
            hash: frame.hash(),
            bytes: bytes.clone(),
            what: shown(content),
            content: encoded,
        });
        Ok(bytes)
    }

    /// Rosters to post before the next own message, if somebody joined since the last one.
    pub(crate) fn due_rosters(&self) -> Vec<Content> {
        if !self.roster_due || self.standing != Standing::Member {
            return Vec::new();
        }
        let pages = e2ee::roster::Roster::pages(self.members.current(&self.fold)).unwrap_or_default();
        pages.into_iter().map(Content::Roster).collect()
    }

    /// The epoch messages are sealed for.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.fold.epoch()
    }
}

/// What the own message is shown as when it comes back.
fn shown(content: &Content) -> Option<What> {
    match content {
        Content::Application { content_type, body } => Some(application(content_type.as_str(), body.clone())),
        Content::File { name, media_type, body } => Some(What::File {
            name: name.as_str().to_owned(),
            media_type: media_type.as_str().to_owned(),
            content: body.clone(),
        }),
        Content::Attachment(attachment) => Some(attachments::shown(attachment, AttachmentState::Sent)),
        Content::Empty | Content::Roster(_) | Content::Credential { .. } | Content::Added { .. } | _ => None,
    }
}

pub(super) fn leaf_signature(sig: &SigningKey, digest: &FrameDigest) -> SignatureBytes {
    sig.sign(&Role::Leaf.message(digest))
}

/// The proofs an operation needs, leaf upwards.
pub(super) fn jobs(
    authored: Authored,
    digest: &FrameDigest,
) -> Result<Vec<(Statement, TreeSecret)>, SessionError> {
    authored
        .witnesses
        .into_iter()
        .map(|w| Ok((w.statement(digest)?, w.secret)))
        .collect::<Result<_, Refusal>>()
        .map_err(SessionError::from)
}

/// The profile shown in a group. The name is the identity's; there is one revision of it until names can change.
pub(super) fn profile(name: &DisplayName, group: &protocol::GroupId, identity: &SigningKey) -> Profile {
    Profile::sign(name.clone(), 0, group, identity)
}

/// Slots under the largest circuit.
pub(super) fn max_capacity(env: &Env<'_>) -> Result<Capacity, SessionError> {
    u8::try_from(env.keys.max_dh_levels())
        .ok()
        .and_then(Capacity::from_depth)
        .ok_or(SessionError::Refused(Refusal::GroupFull))
}
