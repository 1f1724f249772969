//! The rules as a plain list, slow and short: a row of leaves, a list of tickets, and one check after the other.

use curve::Point;
use group_state::GroupState;
use protocol::{
    AdminRoot, Ctx, Kind, LeafId, Slot, UnixSeconds, VerifyingKey,
    body::{Body, Change, Marks, OwnChange, Policy, UpdateKey},
    digest::{self, CtxFields, Role},
    head::Place,
};
use ratchet_tree::{Leaf, LiveLeaf, Status};

use crate::{
    attempts::Attempt,
    support::{FIELDS, Field, Group, keys},
};

#[derive(Clone, Debug, PartialEq)]
struct Ticket {
    key: VerifyingKey,
    uses: u32,
    expires: u64,
    issuer: u64,
}

#[derive(Clone)]
pub struct Model {
    row: Vec<Leaf>,
    next_leaf_id: u64,
    epoch: u64,
    at: u64,
    first_clean: u64,
    pub closed: bool,
    owner: VerifyingKey,
    admin_root: AdminRoot,
    policy: Policy,
    tickets: Vec<Ticket>,
    /// ctx of the state, and ctx and signing key of each epoch so far.
    ctx: Ctx,
    epochs: Vec<(Ctx, Point)>,
    seq: u64,
}

type Outcome<T> = Result<T, &'static str>;

fn demand(holds: bool, rule: &'static str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(rule) }
}

impl Model {
    pub fn of(group: &Group) -> Self {
        let state = &group.state;
        Self {
            row: vec![*state.tree().leaf(Slot::ZERO)],
            next_leaf_id: 1,
            epoch: 0,
            at: state.at().get(),
            first_clean: 0,
            closed: false,
            owner: state.owner(),
            admin_root: state.admin_root(),
            policy: *state.policy(),
            tickets: Vec::new(),
            ctx: state.ctx(),
            epochs: vec![(state.ctx(), state.tree().sign_key())],
            seq: 0,
        }
    }

    /// Compares a state with this model, field by field and by a ctx of its own.
    pub fn compare(&mut self, state: &GroupState) {
        assert_eq!(state.tree().capacity().get() as usize, self.row.len());
        for (at, leaf) in self.row.iter().enumerate() {
            assert_eq!(state.tree().leaf(Slot::new(at as u32)), leaf, "slot {at}");
        }
        assert_eq!(state.tree().next_leaf_id().get(), self.next_leaf_id);
        assert_eq!(
            (state.epoch().get(), state.at().get(), state.seq().get()),
            (self.epoch, self.at, self.seq)
        );
        assert_eq!((state.first_clean_epoch().get(), state.is_closed()), (self.first_clean, self.closed));
        assert_eq!(
            (state.owner(), state.admin_root(), *state.policy()),
            (self.owner, self.admin_root, self.policy)
        );
        self.tickets.sort_by_key(|ticket| ticket.key);
        let tickets: Vec<Ticket> = state
            .tickets()
            .map(|t| Ticket {
                key: t.key,
                uses: t.uses_left,
                expires: t.expires.get(),
                issuer: t.issuer.get(),
            })
            .collect();
        assert_eq!(tickets, self.tickets);
        let fields = CtxFields {
            suite: state.suite(),
            group: state.group(),
            epoch: state.epoch(),
            at: state.at(),
            first_clean_epoch: state.first_clean_epoch(),
            closed: state.is_closed(),
            tree_hash: state.tree().hash(),
            transcript: state.transcript(),
            owner: self.owner,
            admin_root: self.admin_root,
            policy: self.policy.hash(),
            tickets: digest::tickets_hash(state.tickets().collect::<Vec<_>>().into_iter()),
            recovery: protocol::RecoveryHash::new([0; 32]),
        };
        self.ctx = digest::ctx(&fields);
        assert_eq!(state.ctx(), self.ctx);
        if self.epochs.len() as u64 == self.epoch {
            self.epochs.push((self.ctx, state.tree().sign_key()));
        }
        assert_eq!(self.epochs.len() as u64, self.epoch + 1);
        for epoch in 0..=self.epoch {
            let accepted = !self.closed
                && self.dirty().is_none()
                && self.epoch - epoch <= 2
                && epoch >= self.first_clean;
            assert_eq!(state.accepts_messages_of(protocol::Epoch::new(epoch)), accepted);
        }
    }

    fn dirty(&self) -> Option<usize> {
        self.row.iter().position(|leaf| matches!(leaf, Leaf::Dirty { .. }))
    }

    fn live(&self, slot: Slot) -> Option<&LiveLeaf> {
        self.row.get(slot.get() as usize)?.live()
    }

    fn active(&self, slot: Slot) -> Option<&LiveLeaf> {
        self.live(slot).filter(|leaf| matches!(leaf.status, Status::Active))
    }

    fn live_count(&self) -> usize {
        self.row.iter().filter(|leaf| leaf.live().is_some()).count()
    }

    fn active_count(&self) -> usize {
        self.row.iter().filter(|leaf| leaf.active().is_some()).count()
    }

    /// The model after a frame, or the rule against it.
    pub fn after(&self, attempt: &Attempt) -> Outcome<Self> {
        let draft = &attempt.draft;
        demand(!self.closed, "the group is open")?;
        match draft.head.place {
            Place::Message { epoch } => self.after_message(attempt, epoch.get()),
            Place::Operation { base, at, .. } => {
                self.form(&draft.head.body)?;
                demand(base == self.ctx, "built on this state")?;
                demand(at.get() >= self.at, "time does not run backwards")?;
                self.after_operation(attempt, at.get())
            }
        }
    }

    fn after_message(&self, attempt: &Attempt, epoch: u64) -> Outcome<Self> {
        let draft = &attempt.draft;
        demand(self.dirty().is_none(), "nothing is said while a leaf is dirty")?;
        demand(epoch <= self.epoch && self.epoch - epoch <= 2, "of the last three epochs")?;
        demand(epoch >= self.first_clean, "not from before the last removal")?;
        for field in FIELDS {
            demand(draft.has(field) == (field == Field::Sign), "the shared signature and no other")?;
        }
        demand(draft.proofs == 0 && !draft.sealed.is_empty(), "content and no proof")?;
        demand(attempt.signed_in == Some(self.epochs[epoch as usize]), "signed in its epoch")?;
        let mut next = self.clone();
        next.seq += 1;
        Ok(next)
    }

    /// What can be said of a body without any state.
    fn form(&self, body: &Body) -> Outcome<()> {
        let ascending = |slots: &[Slot]| {
            demand(!slots.is_empty() && slots.len() <= 64, "one to 64 marks")?;
            demand(slots.windows(2).all(|pair| pair[0] < pair[1]), "marks ascend")
        };
        match body {
            Body::MarkRemoved(b) => ascending(&b.slots)?,
            Body::Expire(b) | Body::MarkOwn(b) => ascending(&b.slots)?,
            Body::Heal(b) | Body::RemoveMembers(b) => {
                if let Some(Marks { slots, .. }) = &b.marks {
                    ascending(slots)?;
                }
                let own = match &b.own {
                    OwnChange::None => None,
                    OwnChange::Update(own) => Some(own.change.slot),
                    OwnChange::Rejoin(own) => Some(own.change.slot),
                };
                demand(own.is_none_or(|slot| slot == b.doer), "the own change is of the doer")?;
            }
            _ => {}
        }
        if matches!(body.kind(), Kind::Heal | Kind::RemoveMembers | Kind::AddMembers) {
            demand((1..=64).contains(&body.change_count()), "one to 64 changes")?;
        }
        Ok(())
    }

    fn demanded(&self, body: &Body) -> Vec<(Field, Option<VerifyingKey>)> {
        let leaf = |slot: Slot| (Field::Leaf, self.live(slot).map(|leaf| leaf.sig));
        let owner = (Field::Owner, Some(self.owner));
        let own = |own: &OwnChange| match own {
            OwnChange::Update(UpdateKey { new_sig: Some(key), .. }) => vec![(Field::NewLeaf, Some(*key))],
            _ => Vec::new(),
        };
        match body {
            Body::AddMembers(b) => vec![leaf(b.doer), owner],
            Body::IssueTicket(b) => vec![leaf(b.doer), owner],
            Body::UpdateKey(b) => {
                let mut fields = vec![leaf(b.change.slot)];
                fields.extend(b.new_sig.map(|key| (Field::NewLeaf, Some(key))));
                fields
            }
            Body::RevokeTicket(b) => {
                let doer = self.live(b.doer).map(|leaf| leaf.leaf_id.get());
                let issuer = self.tickets.iter().find(|ticket| ticket.key == b.ticket).map(|t| t.issuer);
                if issuer.is_some() && issuer == doer {
                    vec![leaf(b.doer)]
                } else {
                    vec![leaf(b.doer), owner]
                }
            }
            Body::Join(b) => vec![(Field::Ticket, Some(b.ticket)), (Field::NewLeaf, Some(b.sig))],
            Body::Rejoin(b) => vec![leaf(b.change.slot)],
            Body::Leave(slot) => vec![leaf(*slot)],
            Body::Expire(b) | Body::MarkOwn(b) => vec![leaf(b.doer)],
            Body::Heal(b) => [vec![leaf(b.doer)], own(&b.own)].concat(),
            Body::RemoveMembers(b) => [vec![leaf(b.doer), owner], own(&b.own)].concat(),
            Body::MarkRemoved(_) | Body::SetPolicy(_) | Body::SetAdmins(_) | Body::Close => vec![owner],
            Body::TransferOwner(key) => vec![owner, (Field::NewOwner, Some(*key))],
            Body::Init(_) | Body::Message => Vec::new(),
        }
    }

    fn after_operation(&self, attempt: &Attempt, at: u64) -> Outcome<Self> {
        let (draft, body) = (&attempt.draft, &attempt.draft.head.body);
        let kind = body.kind();
        let clean = self.dirty().is_none();
        let while_dirty = [
            Kind::Leave,
            Kind::MarkRemoved,
            Kind::Expire,
            Kind::MarkOwn,
            Kind::Heal,
            Kind::RemoveMembers,
            Kind::SetAdmins,
            Kind::Close,
        ];
        demand(clean || while_dirty.contains(&kind), "heal first")?;

        let demanded = self.demanded(body);
        for field in FIELDS {
            let wanted = demanded.iter().any(|(other, _)| *other == field);
            demand(draft.has(field) == wanted, "exactly the demanded signatures")?;
        }
        for (field, signer, role) in &draft.signers {
            let (_, key) = demanded.iter().find(|(other, _)| other == field).ok_or("a signature too many")?;
            let right_role = match field {
                Field::Leaf => Role::Leaf,
                Field::NewLeaf => Role::NewLeaf,
                Field::Owner => Role::Owner,
                Field::NewOwner => Role::NewOwner,
                _ => Role::Ticket,
            };
            let right = *key == Some(signer.verifying_key()) && *role == right_role && draft.ctx == self.ctx;
            demand(right, "signatures hold")?;
        }
        demand(draft.proofs == body.change_count(), "a proof for each change")?;
        let marks = [Kind::Leave, Kind::MarkRemoved, Kind::Expire, Kind::MarkOwn];
        demand(draft.sealed.is_empty() || !marks.contains(&kind), "marks seal nothing")?;

        let mut next = self.clone();
        next.at = at;
        next.epoch += 1;
        next.seq += 1;
        next.tickets.retain(|ticket| ticket.expires >= at);
        next.run(body)?;

        let doer = match body {
            Body::Leave(_) | Body::MarkRemoved(_) => None,
            other => other.doer(),
        };
        demand(doer.is_none_or(|slot| next.active(slot).is_some()), "the doer is active afterwards")?;
        next.conditions()?;
        let own_is_fresh = match body {
            Body::Heal(b) | Body::RemoveMembers(b) => b.own != OwnChange::None,
            _ => false,
        };
        let clean_after = next.dirty().is_none();
        demand(clean_after || own_is_fresh || draft.sealed.is_empty(), "nothing sealed while dirty")?;
        demand(attempt.hash_holds, "the tree is the claimed one")?;
        if clean_after && (!clean || kind == Kind::RemoveMembers) {
            next.first_clean = next.epoch;
        }
        Ok(next)
    }

    /// What holds after every frame.
    fn conditions(&self) -> Outcome<()> {
        for (i, leaf) in self.row.iter().enumerate() {
            if let Some(by) = leaf.keyed_by() {
                let keyer = self.row.iter().filter_map(Leaf::active).any(|leaf| leaf.leaf_id == by);
                demand(keyer, "keyed by an active leaf")?;
                demand(leaf.active().is_none(), "an active leaf is keyed by nobody")?;
            }
            for other in &self.row[i + 1..] {
                demand(leaf.dh().is_none() || leaf.dh() != other.dh(), "tree keys differ")?;
                let sig = |leaf: &Leaf| leaf.live().map(|live| live.sig);
                demand(sig(leaf).is_none() || sig(leaf) != sig(other), "signature keys differ")?;
            }
        }
        demand(self.active_count() > 0, "one active leaf")?;
        demand(self.live_count() <= self.policy.max_members as usize, "not too many members")
    }

    fn expiry(&self, expires: UnixSeconds) -> Outcome<()> {
        let soon = expires.get() <= self.at + self.policy.invite_ttl;
        demand(expires.get() > self.at && soon, "expires in time")
    }

    fn run(&mut self, body: &Body) -> Outcome<()> {
        match body {
            Body::AddMembers(b) => {
                let keyed_by = self.active(b.doer).ok_or("an active doer")?.leaf_id;
                for added in &b.added {
                    self.expiry(added.expires)?;
                    let place = self.placement();
                    demand(added.change.slot.get() as usize == place, "at its place")?;
                    let leaf = LiveLeaf {
                        dh: added.change.keys[0],
                        sig: added.sig,
                        leaf_id: self.new_id(),
                        since: protocol::Epoch::new(self.epoch),
                        status: Status::Invited { expires: added.expires, keyed_by },
                    };
                    self.change(&added.change, Leaf::Live(leaf))?;
                }
                Ok(())
            }
            Body::UpdateKey(b) => self.update(b),
            Body::IssueTicket(b) => {
                let issuer = self.active(b.doer).ok_or("an active doer")?.leaf_id.get();
                self.expiry(b.expires)?;
                demand((1..=1_024).contains(&b.uses), "uses within bounds")?;
                demand(self.tickets.len() < 32, "not too many tickets")?;
                demand(self.tickets.iter().all(|ticket| ticket.key != b.ticket), "a new ticket")?;
                self.tickets.push(Ticket { key: b.ticket, uses: b.uses, expires: b.expires.get(), issuer });
                Ok(())
            }
            Body::RevokeTicket(b) => {
                self.active(b.doer).ok_or("an active doer")?;
                let before = self.tickets.len();
                self.tickets.retain(|ticket| ticket.key != b.ticket);
                demand(self.tickets.len() < before, "an open ticket")
            }
            Body::Join(b) => {
                let ticket = self.tickets.iter_mut().find(|t| t.key == b.ticket).ok_or("an open ticket")?;
                ticket.uses -= 1;
                self.tickets.retain(|ticket| ticket.uses > 0);
                demand(b.change.slot.get() as usize == self.placement(), "at its place")?;
                let leaf = LiveLeaf {
                    dh: b.change.keys[0],
                    sig: b.sig,
                    leaf_id: self.new_id(),
                    since: protocol::Epoch::new(self.epoch),
                    status: Status::Active,
                };
                self.change(&b.change, Leaf::Live(leaf))
            }
            Body::Rejoin(b) => self.rejoin(&b.change),
            Body::Leave(slot) => {
                self.live(*slot).ok_or("a live leaf")?;
                self.mark(&[*slot])
            }
            Body::MarkRemoved(b) => self.mark_removed(b),
            Body::Expire(b) => {
                self.active(b.doer).ok_or("an active doer")?;
                for slot in &b.slots {
                    let Some(LiveLeaf { status: Status::Invited { expires, .. }, .. }) = self.live(*slot)
                    else {
                        return Err("an invite");
                    };
                    demand(expires.get() < self.at, "overdue")?;
                }
                self.dirty_slots(&b.slots);
                Ok(())
            }
            Body::MarkOwn(b) => {
                let doer = self.active(b.doer).ok_or("an active doer")?.leaf_id;
                for slot in &b.slots {
                    let leaf = self.row.get(slot.get() as usize).ok_or("a leaf")?;
                    demand(leaf.keyed_by() == Some(doer), "keyed by the doer")?;
                }
                self.dirty_slots(&b.slots);
                self.tickets.retain(|ticket| ticket.issuer != doer.get());
                Ok(())
            }
            Body::Heal(b) | Body::RemoveMembers(b) => {
                let joins = matches!(b.own, OwnChange::Update(_)) && b.marks.is_none();
                let before = self.live(b.doer).ok_or("a live doer")?;
                demand(joins || before.is_active(), "an active doer")?;
                if let Some(marks) = &b.marks {
                    self.mark_removed(marks)?;
                }
                demand(self.dirty().is_some(), "something to heal")?;
                match &b.own {
                    OwnChange::None => {}
                    OwnChange::Update(own) => self.update(own)?,
                    OwnChange::Rejoin(own) => self.rejoin(&own.change)?,
                }
                let keyed_by = self.active(b.doer).ok_or("an active doer")?.leaf_id;
                for change in &b.changes {
                    let lowest = self.dirty().ok_or("something to heal")?;
                    demand(change.slot.get() as usize == lowest, "the lowest dirty slot")?;
                    self.change(change, Leaf::Vacant { dh: change.keys[0], keyed_by })?;
                }
                Ok(())
            }
            Body::SetPolicy(policy) => {
                demand(policy.params == keys().params_hash(), "known proofs")?;
                demand((1..=1 << 15).contains(&policy.max_members), "members within bounds")?;
                demand((1..=30 * 24 * 3600).contains(&policy.invite_ttl), "invites within bounds")?;
                demand(policy.max_members as usize >= self.live_count(), "room for those who are there")?;
                self.policy = *policy;
                Ok(())
            }
            Body::SetAdmins(root) => {
                self.admin_root = *root;
                Ok(())
            }
            Body::TransferOwner(owner) => {
                self.owner = *owner;
                Ok(())
            }
            Body::Close => {
                self.closed = true;
                Ok(())
            }
            Body::Init(_) | Body::Message => Err("an operation on a group"),
        }
    }

    fn new_id(&mut self) -> LeafId {
        self.next_leaf_id += 1;
        LeafId::new(self.next_leaf_id - 1)
    }

    fn update(&mut self, own: &UpdateKey) -> Outcome<()> {
        let before = *self.live(own.change.slot).ok_or("a live leaf")?;
        if let Status::Invited { expires, .. } = before.status {
            demand(expires.get() >= self.at, "an invite that stands")?;
        }
        demand(own.new_sig != Some(before.sig), "another key")?;
        let leaf = LiveLeaf {
            dh: own.change.keys[0],
            sig: own.new_sig.unwrap_or(before.sig),
            since: protocol::Epoch::new(self.epoch),
            status: Status::Active,
            ..before
        };
        self.change(&own.change, Leaf::Live(leaf))
    }

    fn rejoin(&mut self, change: &Change) -> Outcome<()> {
        let before = *self.active(change.slot).ok_or("an active leaf")?;
        let leaf = LiveLeaf { dh: change.keys[0], since: protocol::Epoch::new(self.epoch), ..before };
        self.change(change, Leaf::Live(leaf))
    }

    fn mark_removed(&mut self, marks: &Marks) -> Outcome<()> {
        if let Some(root) = marks.admin_root {
            self.admin_root = root;
        }
        self.mark(&marks.slots)
    }

    fn mark(&mut self, slots: &[Slot]) -> Outcome<()> {
        let mut gone = Vec::new();
        for slot in slots {
            gone.push(self.live(*slot).ok_or("a live leaf")?.leaf_id);
        }
        let mut all = slots.to_vec();
        for (at, leaf) in self.row.iter().enumerate() {
            if leaf.keyed_by().is_some_and(|by| gone.contains(&by)) {
                all.push(Slot::new(at as u32));
            }
        }
        self.dirty_slots(&all);
        self.tickets.clear();
        demand(self.active_count() > 0, "one active leaf")
    }

    fn dirty_slots(&mut self, slots: &[Slot]) {
        for slot in slots {
            let leaf = &mut self.row[slot.get() as usize];
            *leaf = Leaf::Dirty { dh: *leaf.dh().unwrap() };
        }
    }

    fn placement(&self) -> usize {
        let first = |wanted: fn(&Leaf) -> bool| self.row.iter().position(wanted);
        first(|leaf| matches!(leaf, Leaf::Vacant { .. }))
            .or_else(|| first(|leaf| matches!(leaf, Leaf::Empty)))
            .unwrap_or(self.row.len())
    }

    fn change(&mut self, change: &Change, leaf: Leaf) -> Outcome<()> {
        let slot = change.slot.get() as usize;
        let reserved = [Point::generator(), Point::sign_base()];
        demand(change.keys.iter().all(|key| !reserved.contains(key)), "no reserved key")?;
        if slot == self.row.len() {
            self.row.resize(2 * slot, Leaf::Empty);
        }
        let mut levels = 0;
        let mut width = 1;
        while width < self.row.len() {
            let first = ((slot / width) ^ 1) * width;
            let beside = &mut self.row[first..first + width];
            if beside.iter().any(|leaf| leaf.live().is_some()) {
                levels += 1;
            } else {
                beside.fill(Leaf::Empty);
            }
            width *= 2;
        }
        demand(change.keys.len() == levels + 2, "a key for each level")?;
        // Against the row with the old leaf in it: a key that stays heals nothing.
        demand(self.row.iter().all(|other| other.dh() != leaf.dh()), "a new tree key")?;
        self.row[slot] = leaf;
        while self.row.len() > 1 && self.row[self.row.len() / 2..].iter().all(Leaf::is_empty) {
            self.row.truncate(self.row.len() / 2);
        }
        Ok(())
    }
}
