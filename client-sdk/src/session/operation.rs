//! Taking an operation from the log.

use api::StateAnswer;
use curve::TreeSecret;
use e2ee::{
    content::Content,
    invite::{Invite, MAX_INLINE_ROSTER},
    key_package::KeyPackage,
    name::DisplayName,
    node_url::NodeUrl,
    payload::{Carrier, LogPosition, PayloadContext, SignedPayload},
    roster::{Roster, RosterEntry},
    schedule::{InitSecret, JoinerSecret},
};
use group_state::{Accepted, Effects, GroupState};
use proofs::{AdminStatement, Claim, Proof, VerifyingKeys};
use protocol::{
    Frame, LeafId, Seq, ServedFrame, Slot, UnixSeconds, VerifyingKey,
    body::{Body, Heal, OwnChange},
    digest::Role,
    frame::Served,
    head::Place,
};
use ratchet_tree::{PathSecrets, Status};
use zeroize::Zeroize as _;

use super::{
    AdminState, Env, EpochKeys, Member, Own, Pending, Session, SessionError, Shown, Standing,
    keys::{NewEpoch, joiner},
};
use crate::entry::{Entry, Person, What};

/// What the payload of an operation told, after every check.
#[derive(Default)]
struct Told {
    credential: Option<RosterEntry>,
    added: Vec<KeyPackage>,
    seen: Option<LogPosition>,
    by: Option<VerifyingKey>,
}

impl Session {
    pub(super) fn process_operation(
        &mut self,
        served: &ServedFrame,
        frame: &Frame,
        env: &mut Env<'_>,
    ) -> Result<Vec<Entry>, SessionError> {
        let seq = served.seq;
        let Accepted { state: next, effects } = self
            .fold
            .apply(frame, env.keys)
            .and_then(|proposed| proposed.verify_together(env.keys, env.rng))
            .map_err(|refusal| SessionError::Suspect { seq, code: refusal.code() })?;
        let mine = self.pending.as_ref().is_some_and(|p| p.frame_id == frame.head().frame_id);
        if mine && self.pending.as_ref().is_some_and(|p| p.hash != frame.hash()) {
            // Our id on other content can only come from somebody who saw our frame.
            return Err(SessionError::Suspect { seq, code: "frame_id_conflict" });
        }

        if self.standing == Standing::Lost && !mine {
            return Ok(self.go_on_without_keys(served, frame, next, &effects));
        }
        let own_leaf = next.tree().slot_of_leaf(self.own.leaf_id).and_then(|s| next.tree().leaf(s).live());
        let Some(own_leaf) = own_leaf else {
            return Ok(self.removed(served, frame, next, &effects));
        };
        let Some(secret) = self.own_secret(&own_leaf.dh, mine) else {
            return Ok(self.taken_over(served, next));
        };
        // Everything new is derived beside the old; nothing of the session changes before the last check.
        let path = match &self.own.path {
            Some(path) => path.rederive(next.tree(), &secret),
            None => PathSecrets::derive(next.tree(), self.own.slot, &secret),
        }
        .map_err(|_| SessionError::ProofSystemFailure(seq))?;
        let init = self.init_secret(frame, mine);
        let joiner = joiner(init.as_ref().unwrap_or(&self.schedule.init), path.root(), &frame.head_digest());
        let new = NewEpoch::derive(&next, &joiner)?;
        let told = self.read_payload(frame, &next, &joiner);
        let doer = frame.head().body.doer().and_then(|slot| leaf_id_at(&next, slot));
        if let (Some(seen), Some(doer)) = (told.seen, doer) {
            self.check_seen(served, doer, seen, env)?;
        }

        let before = core::mem::replace(&mut self.fold, next);
        let pending = if mine { self.pending.take() } else { None };
        let is_active = matches!(own_leaf_status(&self.fold, self.own.leaf_id), Some(Status::Active));
        self.own.secret = secret;
        self.own.path = Some(path);
        if let Some(sig) = pending.as_ref().and_then(|p| p.sig.clone()) {
            self.own.sig = sig;
        }
        self.schedule = new.schedule;
        self.take_keys(new.keys, &effects);
        if self.standing == Standing::Invited && is_active || self.standing == Standing::Lost && mine {
            self.standing = Standing::Member;
        }
        self.take_told(&effects, &told);
        if let Some(by) = &told.by {
            self.heard(by);
        }
        self.note_roster(frame, &effects, mine);
        let mut pending = pending;
        self.note_admins(before.admin_root(), pending.as_mut().and_then(|p| p.admins.take()));
        if let Some(pending) = pending {
            self.seal_invites(pending, &joiner, env);
        }
        let (sender, what) = self.describe(frame, &before, &effects);
        let epoch = self.fold.epoch();
        let mut entries = vec![self.entry(served, epoch, sender, what)];
        entries.extend(self.release_held(env));
        if effects.closed {
            self.close();
        }
        Ok(entries)
    }

    /// Whether a frame marks the own leaf and is signed by somebody entitled to it, as far as this session knows the
    /// group. For members who are shown their removal but not the frames before it.
    pub(crate) fn is_removed_by(&self, frame: &Frame, keys: &VerifyingKeys) -> bool {
        let (Place::Operation { base, at, .. }, head) = (frame.head().place, frame.head()) else {
            return false;
        };
        // A frame from before what we know is about somebody else, who had our slot then.
        let earlier = self.fold.message_epochs().iter().rev().skip(1).any(|epoch| epoch.ctx == base);
        if earlier || at < self.fold.at() {
            return false;
        }
        let digest = frame.digest(&base);
        // An invitee goes together with who invited it.
        let leaf = self.fold.tree().leaf(self.own.slot).live();
        let (inviter, invited_until) = match leaf.map(|l| l.status) {
            Some(Status::Invited { expires, keyed_by }) => {
                (self.fold.tree().slot_of_leaf(keyed_by), Some(expires))
            }
            Some(Status::Active) | None => (None, None),
        };
        let concerns = |slot: &Slot| *slot == self.own.slot || Some(*slot) == inviter;
        if let Body::Leave(slot) = &head.body {
            let key = if *slot == self.own.slot {
                Some(self.own.sig.verifying_key())
            } else {
                self.fold.tree().leaf(*slot).active().map(|l| l.sig)
            };
            let message = Role::Leaf.message(&digest);
            let signed = match (key, frame.auth.leaf) {
                (Some(key), Some(signature)) => key.verify(&message, &signature).is_ok(),
                _ => false,
            };
            return head.group == self.group() && concerns(slot) && signed;
        }
        let by_owner = if let Body::MarkRemoved(marks) = &head.body {
            Some(&marks.slots)
        } else if let Body::RemoveMembers(Heal { marks: Some(marks), .. }) = &head.body {
            Some(&marks.slots)
        } else {
            None
        };
        // Without owner or admin, only invitees can be marked: overdue ones, or by who invited them.
        let by_leaf = if let Body::Expire(marks) = &head.body {
            Some(&marks.slots).filter(|_| invited_until.is_some_and(|until| until < at))
        } else if let Body::MarkOwn(marks) = &head.body {
            Some(&marks.slots).filter(|_| inviter == Some(marks.doer))
        } else {
            None
        };
        let (Some(slots), owner_signs) = (by_owner.or(by_leaf), by_owner.is_some()) else { return false };
        let owner = frame.auth.owner.is_some_and(|signature| {
            self.fold.owner().verify(&Role::Owner.message(&digest), &signature).is_ok()
        });
        // As far as we know the admins; should they have changed since, the owner's word is needed.
        let admin = frame.auth.admin_proof.is_some_and(|proof| {
            let claim = AdminStatement::new(digest, self.fold.admin_root()).map(Claim::from);
            matches!((claim, Proof::from_bytes(&proof)), (Ok(claim), Ok(proof)) if keys.verify(&claim, &proof).is_ok())
        });
        let doer = head.body.doer().and_then(|slot| self.fold.tree().leaf(slot).active());
        let by_doer = match (doer, frame.auth.leaf) {
            (Some(leaf), Some(signature)) => {
                leaf.sig.verify(&Role::Leaf.message(&digest), &signature).is_ok()
            }
            _ => false,
        };
        head.group == self.group()
            && slots.iter().any(|slot| if owner_signs { concerns(slot) } else { *slot == self.own.slot })
            && if owner_signs { owner || admin } else { by_doer }
    }

    /// The own leaf's secret after an operation, `None` when somebody else changed the leaf.
    fn own_secret(&self, key: &curve::Point, mine: bool) -> Option<TreeSecret> {
        if let Some(secret) = self.pending.as_ref().filter(|_| mine).and_then(|p| p.secret.clone()) {
            return (secret.public() == *key).then_some(secret);
        }
        let unchanged = self.fold.tree().slot_of_leaf(self.own.leaf_id) == self.fold.tree().slot_of_dh(key);
        unchanged.then(|| self.own.secret.clone())
    }

    /// The init secret of an operation that brings its own, by what its author drew or what members know.
    fn init_secret(&self, frame: &Frame, mine: bool) -> Option<InitSecret> {
        let external = frame.head().body.external()?;
        let root = self.fold.tree().root_key();
        let drawn = self.pending.as_ref().filter(|_| mine).and_then(|p| p.external.as_ref());
        let shared = match drawn {
            Some(e) => e.dh(&root),
            None => self.own.path.as_ref()?.root().dh(external),
        };
        Some(InitSecret::external(&shared, external, &root, &self.fold.ctx()))
    }

    /// The own leaf is gone: what follows cannot be read, so its secrets go, too.
    fn removed(
        &mut self,
        served: &ServedFrame,
        frame: &Frame,
        next: GroupState,
        effects: &Effects,
    ) -> Vec<Entry> {
        let before = core::mem::replace(&mut self.fold, next);
        self.forget(served.seq);
        let left = matches!(frame.head().body, Body::Leave(slot) if slot == self.own.slot);
        let epoch = self.fold.epoch();
        let (sender, what) = self.describe(frame, &before, effects);
        let mut entries = vec![self.entry(served, epoch, sender, what)];
        if !left {
            entries.push(self.entry(served, epoch, None, What::RemovedSelf));
        }
        entries
    }

    /// Keys are lost, but the public fold goes on, so that a rejoin can build on it.
    fn go_on_without_keys(
        &mut self,
        served: &ServedFrame,
        frame: &Frame,
        next: GroupState,
        effects: &Effects,
    ) -> Vec<Entry> {
        if next.tree().slot_of_leaf(self.own.leaf_id).is_none() {
            return self.removed(served, frame, next, effects);
        }
        let before = core::mem::replace(&mut self.fold, next);
        if effects.closed {
            self.close();
        }
        let epoch = self.fold.epoch();
        let (sender, what) = self.describe(frame, &before, effects);
        vec![self.entry(served, epoch, sender, what)]
    }

    /// Takes a state on the node's word alone, behind frames that are gone.
    pub(crate) fn skip_to(&mut self, answer: &StateAnswer) -> Result<Entry, SessionError> {
        let fork = |code| SessionError::Forked { seq: answer.seq, code };
        let fold = GroupState::from_bytes(answer.state.as_bytes()).map_err(|_| fork("state_mismatch"))?;
        let fold = fold.at_position(answer.seq, answer.log);
        let ours =
            fold.tree().leaf(self.own.slot).live().is_some_and(|leaf| {
                leaf.leaf_id == self.own.leaf_id && leaf.sig == self.own.sig.verifying_key()
            });
        if fold.group() != self.group() || fold.seq() < self.fold.seq() || !may_follow(&self.fold, &fold) {
            return Err(fork("state_mismatch"));
        }
        if !ours {
            return Err(SessionError::NotAMember);
        }
        self.fold = fold;
        self.standing = Standing::Lost;
        self.wipe_keys();
        self.held.clear();
        let own = self.members.shown(self.own.leaf_id).copied();
        let known = self.members.iter().map(|(_, member)| member.identity).filter(|key| Some(*key) != own);
        self.unconfirmed = Some(known.collect());
        let epoch = self.fold.epoch();
        let served = ServedFrame {
            seq: answer.seq,
            received_at_ms: 0,
            content: Served::MessageHash(protocol::FrameHash::new([0; 32])),
        };
        Ok(self.entry(&served, epoch, None, What::HistoryGap))
    }

    /// The own leaf is gone by a frame that is shown without those before it ([`Self::is_removed_by`]).
    pub(crate) fn removed_unseen(&mut self, served: &ServedFrame) -> Vec<Entry> {
        let epoch = self.fold.epoch();
        self.forget(served.seq);
        vec![self.entry(served, epoch, None, What::RemovedSelf)]
    }

    /// What cannot serve any more is wiped.
    fn forget(&mut self, seq: Seq) {
        self.standing = Standing::Removed(seq);
        self.wipe_keys();
        self.admins = AdminState::default();
        self.outbox.clear();
        self.held.clear();
    }

    /// Nothing follows in this group, so nothing is kept to read or write with.
    fn close(&mut self) {
        self.standing = Standing::Closed;
        self.wipe_keys();
        self.admins = AdminState::default();
        self.outbox.clear();
        self.held.clear();
    }

    /// Wipes all that opens something, the leaf's secret included: an epoch begun by a Join or Rejoin starts from the
    /// root alone, so that whoever finds the secret later could read such epochs from a record of the log.
    fn wipe_keys(&mut self) {
        self.own.path = None;
        self.own.secret.zeroize();
        self.admins.own = None;
        self.epochs.clear();
        self.pending = None;
        self.schedule = super::Schedule::wiped();
    }

    /// Somebody else holds the own leaf's keys now. The public fold goes on, so that a rejoin can build on it.
    fn taken_over(&mut self, served: &ServedFrame, next: GroupState) -> Vec<Entry> {
        self.fold = next;
        self.standing = Standing::Lost;
        self.wipe_keys();
        let epoch = self.fold.epoch();
        vec![self.entry(served, epoch, None, What::LeafTakenOver)]
    }

    /// Keeps message keys of three epochs; a mark ends all before it.
    fn take_keys(&mut self, keys: EpochKeys, effects: &Effects) {
        if !effects.removed.is_empty() {
            self.epochs.clear();
        }
        self.epochs.push(keys);
        let newest = self.fold.epoch().get();
        self.epochs.retain(|e| newest - e.epoch.get() <= protocol::limits::MESSAGE_EPOCHS);
    }

    /// Opens and checks the payload. What does not open or verify tells nothing; the operation stands all the same.
    fn read_payload(&self, frame: &Frame, next: &GroupState, joiner: &JoinerSecret) -> Told {
        let slot = frame.head().body.doer();
        let leaf_id = slot.and_then(|s| next.tree().leaf(s).live()).map(|l| l.leaf_id);
        let (Some(slot), Some(leaf_id)) = (slot, leaf_id) else { return Told::default() };
        let sealed = frame.sealed().filter(|s| !s.is_empty());
        let digest = frame.head_digest();
        let opened = sealed.and_then(|s| joiner.open_op(self.fold.suite(), &digest, s).ok());
        let Some(payload) = opened.and_then(|bytes| SignedPayload::from_bytes(&bytes).ok()) else {
            return Told::default();
        };
        let context = PayloadContext {
            suite: self.fold.suite(),
            group: self.fold.group(),
            epoch: self.fold.epoch(),
            frame: frame.head().frame_id,
            slot,
            leaf_id,
            transcript: self.fold.transcript(),
            carrier: Carrier::Operation(digest),
        };
        told(&payload, &context, next, self.members.shown(leaf_id)).unwrap_or_default()
    }

    /// Takes credentials and invitees into the list of members.
    fn take_told(&mut self, effects: &Effects, told: &Told) {
        if let Some(entry) = &told.credential {
            self.members.admit(&self.fold, entry.clone(), Shown::ByLeaf);
        }
        for ((slot, leaf_id), package) in effects.added.iter().zip(&told.added) {
            let leaf = self.fold.tree().leaf(*slot).live();
            // The leaf must be the package's own, otherwise the inviter names somebody it did not invite.
            if leaf.is_some_and(|l| l.sig == *package.sig()) {
                let name = package.name().as_str().to_owned();
                let identity = *package.identity();
                self.members.insert(*leaf_id, Member { identity, name, entry: None, proven: true });
            }
        }
    }

    /// A newcomer knows nobody until a member posts the roster.
    fn note_roster(&mut self, frame: &Frame, effects: &Effects, mine: bool) {
        let came_back =
            matches!(frame.head().body, Body::Rejoin(_) | Body::Heal(Heal { own: OwnChange::Rejoin(_), .. }));
        if effects.joined.is_some() || came_back {
            self.roster_due = !mine;
            self.roster_posted.clear();
        }
    }

    /// Seals the invites of an add that was accepted, and forgets the secrets chosen for them.
    fn seal_invites(&mut self, pending: Pending, joiner: &JoinerSecret, env: &mut Env<'_>) {
        if pending.invites.is_empty() {
            return;
        }
        let Ok(server) = NodeUrl::new(&self.server) else { return };
        let roster = Roster::snapshot(self.members.current(&self.fold)).unwrap_or_default();
        let encoded = roster.to_bytes();
        let inline = (encoded.len() <= MAX_INLINE_ROSTER).then(|| roster.clone());
        let mut snapshot = self.snapshot.take().filter(|_| inline.is_none());
        for invite in pending.invites {
            let Ok(package) = KeyPackage::from_bytes(&invite.package) else { continue };
            let leaf = self.fold.tree().leaf(invite.slot).live();
            let Some(leaf) = leaf.filter(|l| l.sig == *package.sig()) else { continue };
            let expires = match leaf.status {
                Status::Invited { expires, .. } => expires,
                Status::Active => UnixSeconds::ZERO,
            };
            let sealed = Invite {
                suite: self.fold.suite(),
                group: self.fold.group(),
                epoch: self.fold.epoch(),
                ctx: self.fold.ctx(),
                transcript: self.fold.transcript(),
                seq: self.fold.seq(),
                log: self.fold.log(),
                owner: self.fold.owner(),
                joiner: joiner.clone(),
                leaf_secret: invite.secret,
                slot: invite.slot,
                leaf_id: leaf.leaf_id,
                expires,
                roster_hash: roster.hash(),
                roster: inline.clone(),
                authenticator: self.schedule.authenticator.clone(),
                server: server.clone(),
                name: DisplayName::new(&self.title).ok(),
                roster_secret: snapshot.as_mut().map(|snapshot| snapshot.reader(leaf.leaf_id)),
            }
            .seal(&package, env.identity, &mut *env.rng);
            if let Ok(sealed) = sealed {
                self.invites.push((*package.identity(), sealed.to_text()));
            }
        }
        self.snapshot = snapshot.map(|snapshot| snapshot.of(encoded));
    }

    /// How an operation is shown.
    fn describe(&self, frame: &Frame, before: &GroupState, effects: &Effects) -> (Option<Person>, What) {
        let body = &frame.head().body;
        let doer =
            body.doer().and_then(|slot| leaf_id_at(&self.fold, slot).or_else(|| leaf_id_at(before, slot)));
        let sender = doer.map(|id| self.person(id));
        let removed = || effects.removed.iter().map(|r| self.person(r.leaf_id)).collect();
        let joined = effects.joined.is_some();
        let what = match body {
            Body::Init(_) => What::Created,
            Body::AddMembers(_) => {
                What::Invited { people: effects.added.iter().map(|(_, id)| self.person(*id)).collect() }
            }
            Body::UpdateKey(_) | Body::Join(_) | Body::Heal(_) if joined => What::Joined,
            Body::UpdateKey(_) | Body::Join(_) => What::KeyUpdated,
            Body::IssueTicket(_) => What::TicketIssued,
            Body::RevokeTicket(_) => What::TicketRevoked,
            Body::Rejoin(_) => What::Rejoined,
            Body::Leave(_) => What::Left,
            Body::MarkRemoved(_) | Body::Expire(_) | Body::MarkOwn(_) | Body::RemoveMembers(_) => {
                What::Removed { people: removed() }
            }
            Body::Heal(_) => What::Healed,
            Body::SetPolicy(_) => What::PolicyChanged,
            Body::SetAdmins(_) => What::AdminsChanged,
            Body::TransferOwner(_) => What::OwnerChanged,
            Body::Close | Body::Message => What::Closed,
        };
        (sender, what)
    }
}

/// Whether a state on the node's word can come after one that was verified: epochs, times and leaf ids only grow, and
/// a leaf whose key was set in an epoch we know is as we know it.
fn may_follow(known: &GroupState, claimed: &GroupState) -> bool {
    let (old, new) = (known.tree(), claimed.tree());
    let leaves_agree =
        new.leaves().filter_map(|(slot, leaf)| Some((slot, leaf.live()?))).all(|(slot, leaf)| {
            if leaf.since > known.epoch() {
                return true;
            }
            old.leaf(slot).live().is_some_and(|before| {
                (before.leaf_id, before.dh, before.sig, before.since)
                    == (leaf.leaf_id, leaf.dh, leaf.sig, leaf.since)
            })
        });
    claimed.suite() == known.suite()
        && claimed.epoch() >= known.epoch()
        && claimed.at() >= known.at()
        && new.next_leaf_id() >= old.next_leaf_id()
        && leaves_agree
}

fn leaf_id_at(fold: &GroupState, slot: Slot) -> Option<LeafId> {
    fold.tree().leaf(slot).live().map(|l| l.leaf_id)
}

fn own_leaf_status(fold: &GroupState, leaf_id: LeafId) -> Option<Status> {
    let slot = fold.tree().slot_of_leaf(leaf_id)?;
    fold.tree().leaf(slot).live().map(|l| l.status)
}

/// Checks a payload against the identity it has to be by: the one its own credential claims for a leaf that the frame
/// made, otherwise the one the leaf has shown before.
fn told(
    payload: &SignedPayload,
    context: &PayloadContext,
    next: &GroupState,
    shown: Option<&VerifyingKey>,
) -> Option<Told> {
    let claimed = payload.claimed_content().ok()?;
    let identity = match &claimed {
        Content::Credential { credential, .. } => *credential.identity(),
        Content::Empty
        | Content::Application { .. }
        | Content::File { .. }
        | Content::Roster(_)
        | Content::Added { .. }
        | _ => *shown?,
    };
    let verified = payload.verify(context, &identity).ok()?;
    let (seen, by) = (Some(verified.seen()), Some(identity));
    Some(match verified.content().ok()? {
        Content::Credential { credential, profile } => {
            let leaf = next.tree().leaf(context.slot).live()?;
            let entry = RosterEntry {
                slot: context.slot,
                leaf_id: leaf.leaf_id,
                since: leaf.since,
                credential,
                profile,
            };
            Told { credential: Some(entry), seen, by, ..Told::default() }
        }
        Content::Added { packages } => Told { added: packages, seen, by, ..Told::default() },
        Content::Empty | Content::Application { .. } | Content::File { .. } | Content::Roster(_) | _ => {
            Told { seen, by, ..Told::default() }
        }
    })
}

/// The own leaf at the beginning of a session.
pub(super) fn own(
    fold: &GroupState,
    slot: Slot,
    secret: TreeSecret,
    sig: protocol::SigningKey,
) -> Result<Own, SessionError> {
    let leaf_id =
        leaf_id_at(fold, slot).ok_or(SessionError::NotPossible("the own leaf is not in the tree"))?;
    let path = PathSecrets::derive(fold.tree(), slot, &secret)
        .map_err(|_| SessionError::ProofSystemFailure(fold.seq()))?;
    Ok(Own { slot, leaf_id, secret, sig, path: Some(path) })
}

/// A leaf that is not ours any more, or whose keys are not: what is left of it.
pub(super) const fn detached(
    slot: Slot,
    leaf_id: LeafId,
    secret: TreeSecret,
    sig: protocol::SigningKey,
) -> Own {
    Own { slot, leaf_id, secret, sig, path: None }
}
