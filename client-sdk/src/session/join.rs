//! Founding a group, and coming into one: by invite or by ticket.

use std::collections::BTreeSet;

use curve::TreeSecret;
use e2ee::{
    content::Content,
    invite::OpenedInvite,
    key_package::KeyPackagePrivate,
    payload::{Carrier, LogPosition, PayloadContext, SignedPayload},
    schedule::{InitSecret, JoinerSecret},
    ticket::Anchor,
};
use group_state::{
    Accepted, GroupState,
    author::{Author, Authored, Founding, found},
};
use proofs::{Proof, Statement};
use protocol::{
    Epoch, Frame, FrameHash, FrameId, GroupId, LeafId, LogHash, Refusal, Seq, ServedFrame, SigningKey, Slot,
    Suite, Transcript, UnixSeconds, body::Policy, digest::Role, frame::Served,
};
use ratchet_tree::PathSecrets;

use super::{
    AdminState, Env, Own, Pending, Session, SessionError, Standing,
    author::{frame_id, fresh_secret, jobs, leaf_signature, max_capacity, profile},
    keys::{NewEpoch, joiner},
    operation::own,
    roster::{Member, Members, Shown, binding, own_entry},
};
use crate::entry::{Entry, Position, What};

/// A group about to be founded: all but the proof of its first frame.
pub(crate) struct FoundingDraft {
    frame: Frame,
    jobs: Vec<(Statement, TreeSecret)>,
    secret: TreeSecret,
    sig: SigningKey,
    owner: SigningKey,
    joiner: JoinerSecret,
    entry: e2ee::roster::RosterEntry,
}

impl FoundingDraft {
    /// Draws the keys of a new group.
    pub(crate) fn new(
        suite: Suite,
        policy: Policy,
        env: &mut Env<'_>,
        now: UnixSeconds,
    ) -> Result<Self, SessionError> {
        let mut nonce = [0; 32];
        env.rng.fill_bytes(&mut nonce);
        let (owner, sig) = (SigningKey::generate(env.rng), SigningKey::generate(env.rng));
        let secret = fresh_secret(env.rng);
        let founding = Founding {
            suite,
            nonce,
            owner: owner.verifying_key(),
            policy,
            sig: sig.verifying_key(),
            secret: secret.clone(),
            at: now,
        };
        let authored = found(founding, frame_id(env.rng))?;
        let group = authored.head.group;
        let digest = protocol::digest::op_digest(&authored.head.encode());
        let joiner = joiner(&InitSecret::new_group(), &secret, &digest);
        let leaf = e2ee::credential::LeafBinding {
            group,
            slot: Slot::ZERO,
            leaf_id: LeafId::ZERO,
            dh: secret.public(),
            sig: sig.verifying_key(),
            since: Epoch::ZERO,
        };
        let entry = own_entry(&leaf, profile(env.name, &group, env.identity), env.identity);
        let content = Content::Credential { credential: entry.credential, profile: entry.profile.clone() };
        let context = PayloadContext {
            suite,
            group,
            epoch: Epoch::ZERO,
            frame: authored.head.frame_id,
            slot: Slot::ZERO,
            leaf_id: LeafId::ZERO,
            transcript: Transcript::new([0; 32]),
            carrier: Carrier::Operation(digest),
        };
        let payload = SignedPayload::sign(&context, LogPosition::NOTHING, &content, env.identity)
            .map_err(|_| SessionError::TooLong)?;
        let sealed =
            joiner.seal_op(suite, &digest, &payload.to_bytes()).map_err(|_| SessionError::TooLong)?;
        let mut frame = authored.frame(sealed);
        let base = protocol::digest::ctx_before_init(suite, &group);
        let d = frame.digest(&base);
        frame.auth.leaf = Some(leaf_signature(&sig, &d));
        frame.auth.owner = Some(owner.sign(&Role::Owner.message(&d)));
        let jobs = jobs(authored, &d)?;
        Ok(Self { frame, jobs, secret, sig, owner, joiner, entry })
    }

    pub(crate) fn take_jobs(&mut self) -> Vec<(Statement, TreeSecret)> {
        core::mem::take(&mut self.jobs)
    }

    /// The founder's session, with the Init waiting to be sent, and its first entry.
    pub(crate) fn finish(
        mut self,
        proofs: &[Proof],
        title: String,
        server: String,
        env: &Env<'_>,
        now_ms: u64,
    ) -> Result<(Session, Vec<Entry>), SessionError> {
        self.frame.proofs = proofs.iter().map(Proof::to_bytes).collect();
        let proposed = GroupState::create(&self.frame, env.keys)?;
        let Accepted { state, .. } = proposed.verify(env.keys)?;
        let bytes = self.frame.encode().ok_or(SessionError::NotPossible("the frame has no content"))?;
        let pending = Pending {
            frame_id: self.frame.head().frame_id,
            hash: self.frame.hash(),
            bytes,
            secret: None,
            sig: None,
            external: None,
            invites: Vec::new(),
            admins: None,
        };
        let new = NewEpoch::derive(&state, &self.joiner)?;
        let mut members = Members::default();
        members.admit(&state, self.entry, Shown::ByLeaf);
        let own = own(&state, Slot::ZERO, self.secret, self.sig)?;
        let mut session = Session::fresh(own, state, new, members, Standing::Member, title, server);
        session.owner = Some(self.owner);
        session.pending = Some(pending);
        let served = ServedFrame {
            seq: session.fold.seq(),
            received_at_ms: now_ms,
            content: Served::Frame(self.frame),
        };
        let sender = session.person(session.own.leaf_id);
        let entry = session.entry(&served, Epoch::ZERO, Some(sender), What::Created);
        Ok((session, vec![entry]))
    }
}

impl Session {
    /// A session at its beginning: nothing on its way, nothing held, no entry yet.
    fn fresh(
        own: Own,
        fold: GroupState,
        epoch: NewEpoch,
        members: Members,
        standing: Standing,
        title: String,
        server: String,
    ) -> Self {
        Self {
            own,
            fold,
            schedule: epoch.schedule,
            epochs: vec![epoch.keys],
            members,
            standing,
            owner: None,
            pending: None,
            outbox: Vec::new(),
            held: Vec::new(),
            roster_due: false,
            roster_posted: BTreeSet::new(),
            invites: Vec::new(),
            next_position: 0,
            title,
            server,
            node: None,
            unconfirmed: None,
            overruled: BTreeSet::new(),
            admins: AdminState::default(),
            copies: Vec::new(),
            snapshot: None,
        }
    }

    /// Whether the Init has not been confirmed yet: what is on its way is the frame the log begins with.
    pub(crate) fn is_founding(&self) -> bool {
        let first = |p: &Pending| protocol::digest::log_hash(&LogHash::new([0; 32]), Seq::ZERO, &p.hash);
        self.fold.seq() == Seq::ZERO && self.pending.as_ref().is_some_and(|p| first(p) == self.fold.log())
    }

    /// The session of a named invitee, from its invite and the state served for the invite's epoch.
    ///
    /// # Errors
    /// [`SessionError`] when state, invite and key package do not fit together.
    pub(crate) fn from_invite(
        opened: &OpenedInvite,
        package: &KeyPackagePrivate,
        state: &[u8],
        title: String,
    ) -> Result<Self, SessionError> {
        let invite = &opened.invite;
        let fold = GroupState::from_served(state, &invite.ctx, invite.seq, invite.log)
            .map_err(|_| SessionError::Forked { seq: invite.seq, code: "state_mismatch" })?;
        let forked = SessionError::Forked { seq: invite.seq, code: "invite_mismatch" };
        if fold.group() != invite.group || fold.epoch() != invite.epoch || fold.owner() != invite.owner {
            return Err(forked);
        }
        let own = own(&fold, invite.slot, invite.leaf_secret.clone(), package.sig().clone())?;
        let leaf = fold.tree().leaf(invite.slot).live().ok_or(SessionError::NotPossible("no such invite"))?;
        if own.leaf_id != invite.leaf_id || leaf.sig != package.sig().verifying_key() {
            return Err(forked);
        }
        let new = NewEpoch::derive(&fold, &invite.joiner)?;
        if new.schedule.authenticator != invite.authenticator {
            return Err(forked);
        }
        let mut members = Members::default();
        // Ourselves first, or a roster could say that the own leaf is somebody else's.
        let (identity, name) = (*package.package().identity(), package.package().name().as_str().to_owned());
        members.insert(own.leaf_id, Member { identity, name, entry: None, proven: true });
        for entry in invite.roster.iter().flat_map(|r| r.entries()) {
            members.admit(&fold, entry.clone(), Shown::ByRoster);
        }
        let server = invite.server.as_str().to_owned();
        Ok(Self::fresh(own, fold, new, members, Standing::Invited, title, server))
    }
}

/// A group somebody is about to join by ticket: the public fold and, once made, the Join that may be on its way.
pub(crate) struct Joining {
    pub(crate) fold: GroupState,
    pub(crate) ticket: SigningKey,
    pub(crate) title: String,
    pub(crate) server: String,
    pub(crate) attempt: Option<JoinAttempt>,
}

/// One Join with its secrets, stored before it is sent.
pub(crate) struct JoinAttempt {
    pub(crate) frame_id: FrameId,
    pub(crate) hash: FrameHash,
    pub(crate) bytes: Vec<u8>,
    pub(crate) slot: Slot,
    pub(crate) secret: TreeSecret,
    pub(crate) sig: SigningKey,
    pub(crate) external: TreeSecret,
    /// The state it builds on, should the fold have gone on when it turns out to have been accepted.
    pub(crate) base_epoch: Epoch,
}

/// What a frame did to somebody who is joining.
pub(crate) enum JoiningStep {
    /// Still outside.
    Outside,
    /// In: the session, and its first entry.
    Inside(Box<Session>, Entry),
}

/// A Join without its proof.
pub(crate) struct JoinDraft {
    frame: Frame,
    jobs: Vec<(Statement, TreeSecret)>,
    slot: Slot,
    secret: TreeSecret,
    sig: SigningKey,
    external: TreeSecret,
    base_epoch: Epoch,
}

impl Joining {
    /// From a link's anchor and the state served for it.
    ///
    /// # Errors
    /// [`SessionError::Forked`] when the state is not the anchor's.
    pub(crate) fn new(
        anchor: &Anchor,
        ticket: SigningKey,
        state: &[u8],
        title: String,
        server: String,
    ) -> Result<Self, SessionError> {
        let fold = GroupState::from_served(state, &anchor.ctx, anchor.seq, anchor.log)
            .map_err(|_| SessionError::Forked { seq: anchor.seq, code: "state_mismatch" })?;
        if fold.group() != anchor.group || fold.epoch() != anchor.epoch || fold.owner() != anchor.owner {
            return Err(SessionError::Forked { seq: anchor.seq, code: "anchor_mismatch" });
        }
        Ok(Self { fold, ticket, title, server, attempt: None })
    }

    pub(crate) fn group(&self) -> GroupId {
        self.fold.group()
    }

    /// Folds the next frame, verifying every operation; our own Join makes a session of this.
    pub(crate) fn process(
        &mut self,
        served: &ServedFrame,
        env: &mut Env<'_>,
    ) -> Result<JoiningStep, SessionError> {
        if served.seq <= self.fold.seq() {
            return Ok(JoiningStep::Outside);
        }
        let expected = self.fold.seq().next().unwrap_or_else(|| self.fold.seq());
        if served.seq != expected {
            return Err(SessionError::Gap { expected, got: served.seq });
        }
        let frame = match &served.content {
            Served::Frame(frame) | Served::Operation(frame) if frame.kind().is_operation() => frame,
            content @ (Served::Frame(_) | Served::Operation(_) | Served::MessageHash(_)) => {
                let hash = match content {
                    Served::MessageHash(hash) => *hash,
                    Served::Frame(frame) | Served::Operation(frame) => frame.hash(),
                };
                self.fold = self.fold.pass_over_message(&hash).ok_or(Refusal::Malformed)?;
                return Ok(JoiningStep::Outside);
            }
        };
        let Accepted { state: next, .. } = self
            .fold
            .apply(frame, env.keys)
            .and_then(|proposed| proposed.verify_together(env.keys, env.rng))
            .map_err(|refusal| SessionError::Suspect { seq: served.seq, code: refusal.code() })?;
        let ours = self
            .attempt
            .as_ref()
            .is_some_and(|a| a.frame_id == frame.head().frame_id && a.hash == frame.hash());
        let before = core::mem::replace(&mut self.fold, next);
        match self.attempt.take_if(|_| ours) {
            Some(attempt) => self.inside(&before, served, frame, attempt, env),
            None => Ok(JoiningStep::Outside),
        }
    }

    fn inside(
        &self,
        before: &GroupState,
        served: &ServedFrame,
        frame: &Frame,
        attempt: JoinAttempt,
        env: &Env<'_>,
    ) -> Result<JoiningStep, SessionError> {
        let JoinAttempt { slot, secret, sig, external, .. } = attempt;
        let own = own(&self.fold, slot, secret, sig)?;
        let init = external_init(before, &external);
        let path = own.path.as_ref().ok_or(SessionError::ProofSystemFailure(served.seq))?;
        let joiner = joiner(&init, path.root(), &frame.head_digest());
        let new = NewEpoch::derive(&self.fold, &joiner)?;
        let mut members = Members::default();
        if let Some(leaf) = self.fold.tree().leaf(slot).live() {
            let profile = profile(env.name, &self.fold.group(), env.identity);
            let entry = own_entry(&binding(&self.fold, slot, leaf), profile, env.identity);
            members.admit(&self.fold, entry, Shown::ByLeaf);
        }
        let (fold, title, server) = (self.fold.clone(), self.title.clone(), self.server.clone());
        let mut session = Session::fresh(own, fold, new, members, Standing::Member, title, server);
        let sender = session.person(session.own.leaf_id);
        let epoch = session.fold.epoch();
        let entry = session.entry(served, epoch, Some(sender), What::Joined);
        debug_assert_eq!(entry.position, Position(0));
        Ok(JoiningStep::Inside(Box::new(session), entry))
    }

    /// Drafts the Join on the current state.
    pub(crate) fn draft(&self, env: &mut Env<'_>, now: UnixSeconds) -> Result<JoinDraft, SessionError> {
        if self.fold.ticket(&self.ticket.verifying_key()).is_none() {
            return Err(SessionError::Refused(Refusal::NoSuchTicket));
        }
        if !self.fold.is_clean() {
            return Err(SessionError::Refused(Refusal::HealFirst));
        }
        let (secret, external) = (fresh_secret(env.rng), fresh_secret(env.rng));
        let sig = SigningKey::generate(env.rng);
        let id = frame_id(env.rng);
        let leaf_id = self.fold.tree().next_leaf_id();
        let authored = Author::new(&self.fold, now, id, max_capacity(env)?)?.join(
            self.ticket.verifying_key(),
            secret.clone(),
            sig.verifying_key(),
            external.public(),
        )?;
        let slot = authored.head.body.doer().unwrap_or(Slot::ZERO);
        let sealed = self.seal(&authored, slot, leaf_id, &secret, &external, env)?;
        let mut frame = authored.frame(sealed);
        let d = frame.digest(&self.fold.ctx());
        frame.auth.ticket = Some(self.ticket.sign(&Role::Ticket.message(&d)));
        frame.auth.new_leaf = Some(sig.sign(&Role::NewLeaf.message(&d)));
        let jobs = jobs(authored, &d)?;
        Ok(JoinDraft { frame, jobs, slot, secret, sig, external, base_epoch: self.fold.epoch() })
    }

    fn seal(
        &self,
        authored: &Authored,
        slot: Slot,
        leaf_id: LeafId,
        secret: &TreeSecret,
        external: &TreeSecret,
        env: &Env<'_>,
    ) -> Result<Vec<u8>, SessionError> {
        let path = PathSecrets::derive(&authored.tree, slot, secret)
            .map_err(|_| SessionError::ProofSystemFailure(self.fold.seq()))?;
        let leaf = authored.tree.leaf(slot).live();
        let leaf = leaf.ok_or(SessionError::NotPossible("the own leaf would not be in the tree"))?;
        let digest = protocol::digest::op_digest(&authored.head.encode());
        let init = external_init(&self.fold, external);
        let joiner = joiner(&init, path.root(), &digest);
        let profile = profile(env.name, &self.fold.group(), env.identity);
        let entry = own_entry(&binding(&self.fold, slot, leaf), profile, env.identity);
        let content = Content::Credential { credential: entry.credential, profile: entry.profile };
        let context = PayloadContext {
            suite: self.fold.suite(),
            group: self.fold.group(),
            epoch: self.fold.epoch(),
            frame: authored.head.frame_id,
            slot,
            leaf_id,
            transcript: self.fold.transcript(),
            carrier: Carrier::Operation(digest),
        };
        let seen = LogPosition { seq: self.fold.seq(), log: self.fold.log() };
        let payload =
            SignedPayload::sign(&context, seen, &content, env.identity).map_err(|_| SessionError::TooLong)?;
        joiner.seal_op(self.fold.suite(), &digest, &payload.to_bytes()).map_err(|_| SessionError::TooLong)
    }
}

impl JoinDraft {
    pub(crate) fn take_jobs(&mut self) -> Vec<(Statement, TreeSecret)> {
        core::mem::take(&mut self.jobs)
    }

    pub(crate) fn finish(mut self, proofs: &[Proof]) -> Result<JoinAttempt, SessionError> {
        self.frame.proofs = proofs.iter().map(Proof::to_bytes).collect();
        let bytes = self.frame.encode().ok_or(SessionError::NotPossible("the frame has no content"))?;
        Ok(JoinAttempt {
            frame_id: self.frame.head().frame_id,
            hash: self.frame.hash(),
            bytes,
            slot: self.slot,
            secret: self.secret,
            sig: self.sig,
            external: self.external,
            base_epoch: self.base_epoch,
        })
    }
}

fn external_init(fold: &GroupState, external: &TreeSecret) -> InitSecret {
    let root = fold.tree().root_key();
    InitSecret::external(&external.dh(&root), &external.public(), &root, &fold.ctx())
}
