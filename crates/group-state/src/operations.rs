//! What each operation does to the state.

use curve::Point;
use proofs::{AdminStatement, Claim, Proof, Statement, VerifyingKeys};
use protocol::{
    AdminRoot, Epoch, Frame, FrameDigest, LeafId, Refusal, Slot, UnixSeconds,
    body::{
        AddMembers, Body, Change, DoerMarks, Heal, IssueTicket, Join, Marks, OwnChange, Rejoin, Ticket,
        UpdateKey,
    },
    digest,
    frame::ProofBytes,
    head::Place,
    limits::{MAX_INVITES_PER_DOER, MAX_TICKET_USES, MAX_TICKETS},
};
use ratchet_tree::{BranchKeys, Capacity, Marked, NewLeaf, Status, Target, Tree};

use crate::{
    Effects, GroupState, Proposed, Removed,
    fold::{changes_own_leaf, check_policy},
};

/// What one branch change has to prove, and its proof, decoded.
pub(crate) fn branch_claim(
    digest: &FrameDigest,
    keys: &[Point],
    siblings: &[Point],
    proof: Option<&ProofBytes>,
) -> Result<(Claim, Proof), Refusal> {
    let proof = proof.ok_or(Refusal::WrongStructure)?;
    let proof = Proof::from_bytes(proof).map_err(|_| Refusal::BadProof)?;
    let statement =
        Statement::new(*digest, keys.to_vec(), siblings.to_vec()).map_err(|_| Refusal::GroupFull)?;
    Ok((statement.into(), proof))
}

/// What an admin has to prove, and its proof, decoded. Under the zero root nobody is an admin and no proof holds.
pub(crate) fn admin_claim(
    digest: &FrameDigest,
    root: AdminRoot,
    proof: &ProofBytes,
) -> Result<(Claim, Proof), Refusal> {
    let proof = Proof::from_bytes(proof).map_err(|_| Refusal::BadProof)?;
    let statement = AdminStatement::new(*digest, root).map_err(|_| Refusal::BadProof)?;
    Ok((statement.into(), proof))
}

/// Slots under the largest circuit: one of its levels is the signing key's.
pub(crate) fn max_capacity(keys: &VerifyingKeys) -> Capacity {
    u8::try_from(keys.max_dh_levels()).ok().and_then(Capacity::from_depth).unwrap_or(Capacity::ONE)
}

/// A state in the making: a cheap copy that only [`Draft::finish`] lets out.
pub(crate) struct Draft<'a> {
    before: &'a GroupState,
    next: GroupState,
    effects: Effects,
    digest: FrameDigest,
    keys: &'a VerifyingKeys,
    /// The epoch this frame begins.
    epoch: Epoch,
    proofs: std::slice::Iter<'a, ProofBytes>,
    claims: Vec<(Claim, Proof)>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        before: &'a GroupState,
        frame: &'a Frame,
        digest: FrameDigest,
        at: UnixSeconds,
        keys: &'a VerifyingKeys,
    ) -> Result<Self, Refusal> {
        let mut next = before.clone();
        next.at = at;
        next.epoch = before.epoch.next().ok_or(Refusal::Malformed)?;
        next.seq = before.seq.next().ok_or(Refusal::Malformed)?;
        next.tickets.retain(|_, ticket| ticket.expires >= at);
        let mut claims = Vec::with_capacity(frame.proofs.len() + 1);
        if let Some(proof) = &frame.auth.admin_proof {
            // Under the root of the state before: who is an admin is not for the frame to say.
            claims.push(admin_claim(&digest, before.admin_root, proof)?);
        }
        Ok(Self {
            before,
            epoch: next.epoch,
            next,
            effects: Effects::default(),
            digest,
            keys,
            proofs: frame.proofs.iter(),
            claims,
        })
    }

    pub(crate) fn run(&mut self, body: &Body) -> Result<(), Refusal> {
        match body {
            Body::AddMembers(b) => self.add_members(b),
            Body::UpdateKey(b) => self.update_key(b),
            Body::IssueTicket(b) => self.issue_ticket(b),
            Body::RevokeTicket(b) => {
                self.next.tickets.remove(&b.ticket).map(|_| ()).ok_or(Refusal::NoSuchTicket)
            }
            Body::Join(b) => self.join(b),
            Body::Rejoin(b) => self.rejoin(b),
            Body::Leave(slot) => self.mark(&[*slot]),
            Body::MarkRemoved(b) => self.mark_removed(b),
            Body::Expire(b) => self.expire(b),
            Body::MarkOwn(b) => self.mark_own(b),
            Body::Heal(b) => self.heal(b),
            Body::RemoveMembers(b) => {
                let marks = b.marks.as_ref().ok_or(Refusal::WrongStructure)?;
                self.mark_removed(marks)?;
                self.heal(b)
            }
            Body::SetPolicy(policy) => {
                check_policy(policy, self.keys)?;
                if policy.max_members < self.next.tree.live_count() {
                    return Err(Refusal::BadPolicy);
                }
                self.next.policy = *policy;
                Ok(())
            }
            Body::SetAdmins(root) => {
                self.next.admin_root = *root;
                Ok(())
            }
            Body::TransferOwner(owner) => {
                self.next.owner = *owner;
                Ok(())
            }
            Body::Close => {
                self.next.closed = true;
                self.effects.closed = true;
                Ok(())
            }
            // An Init has no state before it; a message is no operation.
            Body::Init(_) | Body::Message => Err(Refusal::WrongStructure),
        }
    }

    /// The post-conditions, then the fields every operation moves.
    pub(crate) fn finish(mut self, frame: &Frame) -> Result<Proposed, Refusal> {
        let body = &frame.head().body;
        let dirty = !self.next.is_clean();
        if dirty && !changes_own_leaf(body) && !frame.sealed_is_empty() {
            return Err(Refusal::WrongStructure);
        }
        // A leaver is the one doer who is not there afterwards.
        let doer = if matches!(body, Body::Leave(_)) { None } else { body.doer() };
        self.next.tree.check(self.next.policy.max_members, doer)?;
        let Place::Operation { tree_hash_after, .. } = frame.head().place else {
            return Err(Refusal::WrongStructure);
        };
        if self.next.tree.hash() != tree_hash_after {
            return Err(Refusal::TreeHashMismatch);
        }
        // A removal healed in the same frame passes through a dirty state that neither end of it shows.
        let was_dirty = !self.before.is_clean() || matches!(body, Body::RemoveMembers(_));
        if was_dirty && !dirty {
            self.next.first_clean_epoch = self.epoch;
        }
        self.next.transcript = digest::transcript(&self.before.transcript, &frame.hash());
        self.next.log = digest::log_hash(&self.before.log, self.next.seq, &frame.hash());
        self.next.seal_epoch();
        Ok(Proposed { next: self.next, effects: self.effects, claims: self.claims })
    }

    /// One branch change: target, normalisation, keys, statement.
    fn branch(&mut self, target: Target, change: &Change, leaf: NewLeaf) -> Result<(), Refusal> {
        let prepared = self.next.tree.prepare(target, max_capacity(self.keys))?;
        if prepared.slot() != change.slot {
            return Err(Refusal::WrongSlot);
        }
        if change.keys.len() != prepared.key_count() {
            return Err(Refusal::WrongKeyCount);
        }
        let proof = self.proofs.next();
        self.claims.push(branch_claim(&self.digest, &change.keys, prepared.siblings(), proof)?);
        self.next.tree = prepared.finish(leaf, &BranchKeys::new(change.keys.clone())?)?;
        Ok(())
    }

    fn leaf_id(&self, slot: Slot) -> Result<LeafId, Refusal> {
        self.next.live_leaf(slot).map(|l| l.leaf_id).ok_or(Refusal::NotActive)
    }

    fn check_expiry(&self, expires: UnixSeconds) -> Result<(), Refusal> {
        let latest = self.next.at.saturating_add(self.next.policy.invite_ttl);
        if expires > self.next.at && expires <= latest { Ok(()) } else { Err(Refusal::BadExpiry) }
    }

    fn add_members(&mut self, body: &AddMembers) -> Result<(), Refusal> {
        let keyed_by = self.leaf_id(body.doer)?;
        for added in &body.added {
            self.check_expiry(added.expires)?;
            if self.next.tree.invites_of(keyed_by) >= MAX_INVITES_PER_DOER {
                return Err(Refusal::TooManyInvites);
            }
            let leaf_id = self.next.tree.next_leaf_id();
            let leaf = NewLeaf::Added { sig: added.sig, expires: added.expires, keyed_by, since: self.epoch };
            self.branch(Target::Place, &added.change, leaf)?;
            self.effects.added.push((added.change.slot, leaf_id));
        }
        Ok(())
    }

    fn update_key(&mut self, body: &UpdateKey) -> Result<(), Refusal> {
        let slot = body.change.slot;
        let leaf = self.next.live_leaf(slot).ok_or(Refusal::NotActive)?;
        let leaf_id = leaf.leaf_id;
        match leaf.status {
            Status::Active => self.effects.updated = Some((slot, leaf_id)),
            Status::Invited { expires, .. } if expires < self.next.at => return Err(Refusal::InviteExpired),
            Status::Invited { .. } => self.effects.joined = Some((slot, leaf_id)),
        }
        self.branch(
            Target::Existing(slot),
            &body.change,
            NewLeaf::Updated { sig: body.new_sig, since: self.epoch },
        )
    }

    fn rejoin(&mut self, body: &Rejoin) -> Result<(), Refusal> {
        let slot = body.change.slot;
        self.effects.updated = Some((slot, self.leaf_id(slot)?));
        self.branch(Target::Existing(slot), &body.change, NewLeaf::Rejoined { since: self.epoch })
    }

    fn join(&mut self, body: &Join) -> Result<(), Refusal> {
        let ticket = self.next.tickets.get_mut(&body.ticket).ok_or(Refusal::NoSuchTicket)?;
        match ticket.uses_left.checked_sub(1) {
            None | Some(0) => {
                self.next.tickets.remove(&body.ticket);
            }
            Some(left) => ticket.uses_left = left,
        }
        let leaf_id = self.next.tree.next_leaf_id();
        self.branch(Target::Place, &body.change, NewLeaf::Joined { sig: body.sig, since: self.epoch })?;
        self.effects.joined = Some((body.change.slot, leaf_id));
        Ok(())
    }

    fn issue_ticket(&mut self, body: &IssueTicket) -> Result<(), Refusal> {
        self.check_expiry(body.expires)?;
        if body.uses == 0 || body.uses > MAX_TICKET_USES {
            return Err(Refusal::WrongStructure);
        }
        if self.next.tickets.len() >= MAX_TICKETS {
            return Err(Refusal::TooManyTickets);
        }
        if self.next.tickets.contains_key(&body.ticket) {
            return Err(Refusal::TicketExists);
        }
        let issuer = self.leaf_id(body.doer)?;
        let ticket = Ticket { key: body.ticket, uses_left: body.uses, expires: body.expires, issuer };
        self.next.tickets.insert(body.ticket, ticket);
        Ok(())
    }

    /// Marks named leaves. Who goes takes all tickets along: it may know their secrets, and so may an invitee, who
    /// reads from the add on.
    fn mark(&mut self, slots: &[Slot]) -> Result<(), Refusal> {
        let marked = self.next.tree.mark(slots)?;
        self.take_marked(marked);
        self.next.tickets.clear();
        Ok(())
    }

    fn mark_removed(&mut self, body: &Marks) -> Result<(), Refusal> {
        if let Some(root) = body.admin_root {
            self.next.admin_root = root;
        }
        self.mark(&body.slots)
    }

    fn expire(&mut self, body: &DoerMarks) -> Result<(), Refusal> {
        let marked = self.next.tree.expire(&body.slots, self.next.at)?;
        self.take_marked(marked);
        Ok(())
    }

    /// Suspicion: the doer gives up what it keyed, its tickets included.
    fn mark_own(&mut self, body: &DoerMarks) -> Result<(), Refusal> {
        let doer = self.leaf_id(body.doer)?;
        let marked = self.next.tree.mark_own(body.doer, &body.slots)?;
        self.take_marked(marked);
        self.next.tickets.retain(|_, ticket| ticket.issuer != doer);
        Ok(())
    }

    fn take_marked(&mut self, (tree, marked): (Tree, Marked)) {
        self.next.tree = tree;
        self.effects.removed.extend(marked.named.iter().chain(&marked.revoked).map(|m| Removed {
            slot: m.slot,
            leaf_id: m.leaf.leaf_id,
            sig: m.leaf.sig,
            was_active: m.leaf.is_active(),
        }));
    }

    fn heal(&mut self, body: &Heal) -> Result<(), Refusal> {
        if self.next.is_clean() {
            return Err(Refusal::NothingToHeal);
        }
        match &body.own {
            OwnChange::None => {}
            OwnChange::Update(update) => self.update_key(update)?,
            OwnChange::Rejoin(rejoin) => self.rejoin(rejoin)?,
        }
        let keyed_by = self.leaf_id(body.doer)?;
        for change in &body.changes {
            self.branch(Target::LowestDirty, change, NewLeaf::Healed { keyed_by })?;
        }
        Ok(())
    }
}
