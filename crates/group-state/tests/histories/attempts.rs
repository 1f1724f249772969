//! What members, and others, try.

use curve::{Point, TreeSecret};
use group_state::author::{Invitee, Own};
use protocol::{
    AdminRoot, Ctx, Epoch, Slot, UnixSeconds, VerifyingKey,
    body::{
        AddMembers, Added, Body, Change, DoerMarks, Heal, IssueTicket, Join, Marks, OwnChange, Rejoin,
        UpdateKey,
    },
};
use ratchet_tree::{BranchKeys, NewLeaf, Target, Tree};

use crate::support::{DAY, Draft, FIELDS, Field, Group, max_capacity, policy, slot};

/// What to do, as numbers that always mean something.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub what: u8,
    pub who: u8,
    pub whom: u8,
    pub more: u8,
    pub wrong: u8,
}

/// A frame and what only its sender knows of it.
pub struct Attempt {
    pub draft: Draft,
    /// The claimed hash is that of the tree the frame leads to, if it leads to one.
    pub hash_holds: bool,
    /// A message: the epoch whose key and state it was really signed with.
    pub signed_in: Option<(Ctx, Point)>,
}

pub struct Sender {
    pub group: Group,
    tickets: Vec<VerifyingKey>,
    past: Vec<(Epoch, Ctx, TreeSecret)>,
}

fn of<T: Copy>(among: &[T], n: u8) -> Option<T> {
    (!among.is_empty()).then(|| among[usize::from(n) % among.len()])
}

impl Sender {
    pub fn new(seed: u64) -> Self {
        let mut policy = policy();
        policy.max_members = 12;
        Self { group: Group::found_with(seed, policy), tickets: Vec::new(), past: Vec::new() }
    }

    /// Mostly a slot that holds what is asked for; sometimes any.
    fn slot_where(&self, n: u8, wanted: impl Fn(&ratchet_tree::Leaf) -> bool) -> u32 {
        let tree = self.group.state.tree();
        let fitting: Vec<u32> =
            tree.leaves().filter(|(_, leaf)| wanted(leaf)).map(|(slot, _)| slot.get()).collect();
        if n < 232 && !fitting.is_empty() {
            of(&fitting, n).unwrap()
        } else {
            u32::from(n) % (tree.capacity().get() + 2)
        }
    }

    fn doer(&self, n: u8) -> u32 {
        self.slot_where(n, |leaf| leaf.active().is_some())
    }

    /// One to three slots, ascending.
    fn named(&self, op: Op, wanted: impl Fn(&ratchet_tree::Leaf) -> bool + Copy) -> Vec<u32> {
        let mut slots: Vec<u32> = (0..=op.more % 3)
            .map(|i| self.slot_where(op.whom.wrapping_mul(i + 1).wrapping_add(i), wanted))
            .collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    fn ticket(&mut self, n: u8) -> VerifyingKey {
        let open: Vec<VerifyingKey> = self.group.state.tickets().map(|ticket| ticket.key).collect();
        if n < 220 && !open.is_empty() {
            of(&open, n).unwrap()
        } else {
            of(&self.tickets, n).unwrap_or_else(|| self.group.fresh_key())
        }
    }

    fn point(&mut self) -> Point {
        self.group.fresh_secret().public()
    }

    fn change(&mut self, at: u32) -> Change {
        let keys = (0..2 + at % 4).map(|_| self.point()).collect();
        Change { slot: slot(at), keys }
    }

    pub fn attempt(&mut self, op: Op) -> Option<Attempt> {
        let mut signed_in = None;
        // Left alone, most histories would stay dirty.
        let what = if !self.group.state.is_clean() && !op.what.is_multiple_of(3) { 20 } else { op.what % 32 };
        let draft = match what {
            0..3 => self.add(op),
            3..6 => {
                let at = self.doer(op.who);
                self.update(at, op)
            }
            6..9 => {
                let at = self.slot_where(op.who, |leaf| leaf.live().is_some() && leaf.active().is_none());
                self.update(at, op)
            }
            9 | 10 => self.issue(op),
            11 => {
                let (doer, ticket) = (self.doer(op.who), self.ticket(op.whom));
                self.group.revoke_any(doer, ticket)
            }
            12 | 13 => self.join(op),
            14 => self.rejoin(op),
            15 => {
                let at = self.slot_where(op.who, |leaf| leaf.live().is_some());
                self.group
                    .attempt(|author, _| author.leave(slot(at)))
                    .unwrap_or_else(|_| self.group.raw(Body::Leave(slot(at))))
            }
            16 => {
                let slots: Vec<Slot> =
                    self.named(op, |leaf| leaf.live().is_some()).into_iter().map(slot).collect();
                let admin_root = (op.more > 200).then(|| AdminRoot::new([op.more & 0x1f; 32]));
                let marks = Marks { slots, admin_root };
                self.group
                    .attempt(|author, _| author.mark_removed(marks.clone()))
                    .unwrap_or_else(|_| self.group.raw(Body::MarkRemoved(marks)))
            }
            17 | 18 => {
                let doer = self.doer(op.who);
                let slots = self.named(op, |leaf| leaf.live().is_some() && leaf.active().is_none());
                let slots: Vec<Slot> = slots.into_iter().map(slot).collect();
                self.group
                    .attempt(|author, _| author.expire(slot(doer), slots.clone()))
                    .unwrap_or_else(|_| self.group.raw(Body::Expire(DoerMarks { doer: slot(doer), slots })))
            }
            19 => {
                let doer = self.doer(op.who);
                let id = self.group.leaf(doer).live().map(|live| live.leaf_id);
                let slots = self.named(op, |leaf| leaf.keyed_by().is_some() && leaf.keyed_by() == id);
                let slots: Vec<Slot> = slots.into_iter().map(slot).collect();
                self.group
                    .attempt(|author, _| author.mark_own(slot(doer), slots.clone()))
                    .unwrap_or_else(|_| self.group.raw(Body::MarkOwn(DoerMarks { doer: slot(doer), slots })))
            }
            20..23 => self.heal(op, None),
            23 | 24 => {
                let slots = self.named(op, |leaf| leaf.live().is_some()).into_iter().map(slot).collect();
                self.heal(op, Some(Marks { slots, admin_root: None }))
            }
            25 => {
                let mut policy = *self.group.state.policy();
                match op.more % 4 {
                    0 => policy.max_members = u32::from(op.whom % 20),
                    1 => policy.invite_ttl = u64::from(op.whom) * DAY / 8,
                    2 => policy.message_retention = u64::from(op.whom),
                    _ => policy.max_members = 12,
                }
                self.group.plain_or_raw(Body::SetPolicy(policy))
            }
            26 => self.group.plain_or_raw(Body::SetAdmins(AdminRoot::new([op.whom & 0x1f; 32]))),
            27 => {
                let key = self.group.fresh_key();
                self.group.plain_or_raw(Body::TransferOwner(key))
            }
            28..30 => {
                let secret = self.group.known_sign_secret()?;
                let now = (self.group.state.epoch(), self.group.state.ctx(), secret);
                self.past.push(now);
                let last = self.past.len() - 1;
                let (epoch, ctx, secret) = self.past[last - last.min(usize::from(op.more % 5))].clone();
                signed_in = Some((ctx, secret.public()));
                self.group.message_of(epoch, ctx, secret)
            }
            30 => {
                self.group.now += u64::from(op.more) * 1_200;
                return None;
            }
            _ if op.more < 8 => self.group.plain_or_raw(Body::Close),
            _ => return None,
        };
        Some(self.perhaps_wrong(op, draft, signed_in))
    }

    fn add(&mut self, op: Op) -> Draft {
        let doer = self.doer(op.who);
        let expires = self.group.expires(u64::from(op.more) * DAY / 32);
        let count = usize::from(op.whom % 3) + 1;
        let added: Vec<(TreeSecret, VerifyingKey)> =
            (0..count).map(|_| (self.group.fresh_secret(), self.group.fresh_key())).collect();
        let invitees = added
            .iter()
            .map(|(secret, sig)| Invitee { secret: secret.clone(), sig: *sig, expires })
            .collect();
        self.group.attempt(|author, _| author.add_members(slot(doer), invitees)).unwrap_or_else(|_| {
            let added =
                added.iter().map(|(_, sig)| Added { change: self.change(5), sig: *sig, expires }).collect();
            self.group.raw(Body::AddMembers(AddMembers { doer: slot(doer), added }))
        })
    }

    fn update(&mut self, at: u32, op: Op) -> Draft {
        let secret = self.group.fresh_secret();
        let new_sig = (op.more.is_multiple_of(3)).then(|| self.group.fresh_key());
        self.group.attempt(|author, _| author.update_key(slot(at), secret, new_sig)).unwrap_or_else(|_| {
            let change = self.change(at);
            self.group.raw(Body::UpdateKey(UpdateKey { change, new_sig }))
        })
    }

    fn issue(&mut self, op: Op) -> Draft {
        let ticket = if op.whom > 230 { self.ticket(op.more) } else { self.group.fresh_key() };
        self.tickets.push(ticket);
        let body = IssueTicket {
            doer: slot(self.doer(op.who)),
            ticket,
            uses: u32::from(op.whom % 4),
            expires: self.group.expires(u64::from(op.more) * DAY / 32),
        };
        self.group.plain_or_raw(Body::IssueTicket(body))
    }

    fn join(&mut self, op: Op) -> Draft {
        let ticket = self.ticket(op.whom);
        let (secret, sig, external) = (self.group.fresh_secret(), self.group.fresh_key(), self.point());
        self.group.attempt(|author, _| author.join(ticket, secret, sig, external)).unwrap_or_else(|_| {
            let change = self.change(3);
            self.group.raw(Body::Join(Join { ticket, change, sig, external }))
        })
    }

    fn rejoin(&mut self, op: Op) -> Draft {
        let at = self.doer(op.who);
        let (secret, external) = (self.group.fresh_secret(), self.point());
        self.group.attempt(|author, _| author.rejoin(slot(at), secret, external)).unwrap_or_else(|_| {
            let change = self.change(at);
            self.group.raw(Body::Rejoin(Rejoin { change, external }))
        })
    }

    fn heal(&mut self, op: Op, marks: Option<Marks>) -> Draft {
        let doer = if op.more > 220 {
            self.slot_where(op.who, |leaf| leaf.live().is_some())
        } else {
            self.doer(op.who)
        };
        let own = match op.more % 4 {
            0 => {
                let rotated = (op.whom.is_multiple_of(2)).then(|| self.group.fresh_key());
                Own::Update(self.group.fresh_secret(), rotated)
            }
            1 => Own::Rejoin(self.group.fresh_secret(), self.point()),
            _ => Own::Keep,
        };
        let made = self
            .group
            .attempt(|author, group| author.heal(slot(doer), marks.clone(), own, || group.fresh_secret()));
        let mut draft = made.unwrap_or_else(|_| {
            let own = OwnChange::None;
            let heal = Heal { doer: slot(doer), marks: marks.clone(), own, changes: vec![self.change(doer)] };
            self.group.raw(if marks.is_some() { Body::RemoveMembers(heal) } else { Body::Heal(heal) })
        });
        // Some stop early.
        if op.whom.is_multiple_of(3)
            && let Body::Heal(heal) | Body::RemoveMembers(heal) = draft.body()
        {
            heal.changes.truncate(usize::from(op.whom / 64));
            draft.proofs = draft.head.body.change_count();
        }
        draft
    }

    /// Changes one thing in about half of all frames, and claims the hash that then follows.
    fn perhaps_wrong(&mut self, op: Op, mut draft: Draft, mut signed_in: Option<(Ctx, Point)>) -> Attempt {
        let mut hash_tampered = false;
        match op.wrong % 36 {
            0 => {
                let there: Vec<Field> = FIELDS.into_iter().filter(|field| draft.has(*field)).collect();
                if let Some(field) = of(&there, op.whom) {
                    draft = draft.without(field);
                }
            }
            1 => {
                let field = of(&FIELDS[..5], op.whom).unwrap();
                draft = draft.with(field, self.group.owner());
            }
            2 if !draft.signers.is_empty() => {
                let n = usize::from(op.whom) % draft.signers.len();
                draft.signers[n].1 = self.group.fresh_signer();
            }
            3 if !draft.signers.is_empty() => {
                let n = usize::from(op.whom) % draft.signers.len();
                draft.signers[n].2 = of(&FIELDS[..5], op.more).unwrap().role().unwrap();
            }
            4 => {
                draft.ctx = Ctx::new([op.more; 32]);
                signed_in = signed_in.map(|(_, key)| (draft.ctx, key));
            }
            5 if draft.kind().is_operation() => {
                let base = Ctx::new([op.more; 32]);
                *draft.place().0 = base;
                draft.ctx = base;
            }
            6 if draft.kind().is_operation() => {
                let at = draft.place().1;
                *at = UnixSeconds::new(at.get() - u64::from(op.more));
            }
            7 => {
                if draft.sealed.is_empty() {
                    draft.sealed = vec![1; 16];
                } else {
                    draft.sealed.clear();
                }
            }
            8 if draft.kind().is_operation() => {
                hash_tampered = true;
                *draft.place().2 = protocol::TreeHash::new([op.more; 32]);
            }
            9 => draft.proofs += 1,
            10 => draft.proofs = draft.proofs.saturating_sub(1),
            11 => {
                if let Some(change) = draft.changes().into_iter().last() {
                    change.slot = slot(u32::from(op.more) % 12);
                }
            }
            12 => {
                let key = self.point();
                if let Some(change) = draft.changes().into_iter().next() {
                    change.keys.push(key);
                }
            }
            13 => {
                if let Some(change) = draft.changes().into_iter().next() {
                    change.keys.pop();
                }
            }
            14 => {
                let at = self.slot_where(op.more, |leaf| !leaf.is_empty());
                let taken = self.group.leaf(at).dh().copied().unwrap_or_else(Point::generator);
                if let Some(change) = draft.changes().into_iter().last() {
                    change.keys[0] = taken;
                }
            }
            15 => {
                let at = self.slot_where(op.more, |leaf| leaf.live().is_some());
                if let Some(live) = self.group.leaf(at).live().copied() {
                    self.take_signature_key(&mut draft, live.sig);
                }
            }
            16 => {
                // Another doer, signing for itself.
                let doer = self.doer(op.whom);
                set_doer(draft.body(), slot(doer));
                if let Some(live) = self.group.leaf(doer).live()
                    && draft.has(Field::Leaf)
                {
                    let signer = self.group.signer(&live.sig);
                    draft = draft.with(Field::Leaf, signer);
                }
            }
            17 => {
                // A key that follows from nothing: what the proof is there for, so the rules let it pass.
                let key = self.point();
                if let Some(last) =
                    draft.changes().into_iter().last().and_then(|change| change.keys.last_mut())
                {
                    *last = key;
                }
            }
            _ => {}
        }
        let mut hash_holds = !hash_tampered;
        if draft.kind().is_operation() && !hash_tampered {
            let follows = tree_after(&self.group, &draft);
            if op.wrong % 36 > 17 && hash_holds {
                // Untouched: what the author claims is what follows, where anything does.
                if let Some(tree) = &follows
                    && !matches!(&draft.head.body, Body::Heal(_) | Body::RemoveMembers(_))
                    && !draft.witnesses.is_empty()
                {
                    assert_eq!(tree.hash(), *draft.place().2, "author and verifier differ");
                }
            }
            hash_holds = follows.is_some();
            if let Some(tree) = follows {
                *draft.place().2 = tree.hash();
            }
        }
        Attempt { draft, hash_holds, signed_in }
    }

    fn take_signature_key(&self, draft: &mut Draft, key: VerifyingKey) {
        let signer = self.group.signer(&key);
        let resign = match draft.body() {
            Body::AddMembers(b) => {
                if let Some(last) = b.added.last_mut() {
                    last.sig = key;
                }
                false
            }
            Body::Join(b) => {
                b.sig = key;
                true
            }
            Body::UpdateKey(b) => {
                b.new_sig = Some(key);
                true
            }
            Body::Heal(Heal { own: OwnChange::Update(own), .. })
            | Body::RemoveMembers(Heal { own: OwnChange::Update(own), .. }) => {
                own.new_sig = Some(key);
                true
            }
            _ => false,
        };
        if resign {
            *draft = draft.clone().with(Field::NewLeaf, signer);
        }
    }
}

fn set_doer(body: &mut Body, doer: Slot) {
    match body {
        Body::AddMembers(b) => b.doer = doer,
        Body::IssueTicket(b) => b.doer = doer,
        Body::RevokeTicket(b) => b.doer = doer,
        Body::Expire(b) | Body::MarkOwn(b) => b.doer = doer,
        Body::Heal(b) | Body::RemoveMembers(b) => b.doer = doer,
        Body::Leave(slot) => *slot = doer,
        _ => {}
    }
}

/// The tree a frame leads to, whoever sent it: its hash is what a liar claims.
fn tree_after(group: &Group, draft: &Draft) -> Option<Tree> {
    let state = &group.state;
    let since = state.epoch().next()?;
    let mut tree = state.tree().clone();
    let leaf_id = |slot: Slot| state.tree().leaf(slot).live().map(|live| live.leaf_id);
    let change = |tree: &mut Tree, target, change: &Change, leaf| {
        let prepared = tree.prepare(target, max_capacity()).ok()?;
        *tree = prepared.finish(leaf, &BranchKeys::new(change.keys.clone()).ok()?).ok()?;
        Some(())
    };
    let at = {
        let protocol::head::Place::Operation { at, .. } = draft.head.place else { return None };
        at
    };
    match &draft.head.body {
        Body::AddMembers(b) => {
            let keyed_by = leaf_id(b.doer)?;
            for added in &b.added {
                let leaf = NewLeaf::Added { sig: added.sig, expires: added.expires, keyed_by, since };
                change(&mut tree, Target::Place, &added.change, leaf)?;
            }
        }
        Body::UpdateKey(b) => {
            let leaf = NewLeaf::Updated { sig: b.new_sig, since };
            change(&mut tree, Target::Existing(b.change.slot), &b.change, leaf)?;
        }
        Body::Join(b) => change(&mut tree, Target::Place, &b.change, NewLeaf::Joined { sig: b.sig, since })?,
        Body::Rejoin(b) => {
            change(&mut tree, Target::Existing(b.change.slot), &b.change, NewLeaf::Rejoined { since })?;
        }
        Body::Leave(slot) => tree = tree.mark(&[*slot]).ok()?.0,
        Body::MarkRemoved(b) => tree = tree.mark(&b.slots).ok()?.0,
        Body::Expire(b) => tree = tree.expire(&b.slots, at).ok()?.0,
        Body::MarkOwn(b) => tree = tree.mark_own(b.doer, &b.slots).ok()?.0,
        Body::Heal(b) | Body::RemoveMembers(b) => {
            if let Some(marks) = &b.marks {
                tree = tree.mark(&marks.slots).ok()?.0;
            }
            match &b.own {
                OwnChange::None => {}
                OwnChange::Update(own) => {
                    let leaf = NewLeaf::Updated { sig: own.new_sig, since };
                    change(&mut tree, Target::Existing(own.change.slot), &own.change, leaf)?;
                }
                OwnChange::Rejoin(own) => {
                    let target = Target::Existing(own.change.slot);
                    change(&mut tree, target, &own.change, NewLeaf::Rejoined { since })?;
                }
            }
            let keyed_by = leaf_id(b.doer)?;
            for healed in &b.changes {
                change(&mut tree, Target::LowestDirty, healed, NewLeaf::Healed { keyed_by })?;
            }
        }
        _ => {}
    }
    Some(tree)
}

impl Group {
    /// As `plain`, also in a closed group.
    fn plain_or_raw(&mut self, body: Body) -> Draft {
        let clean = self.state.is_clean();
        let mut draft = self.raw(body);
        *draft.place().1 = UnixSeconds::new(self.now.max(self.state.at().get()));
        if !clean {
            draft.sealed.clear();
        }
        draft
    }

    fn revoke_any(&mut self, doer: u32, ticket: VerifyingKey) -> Draft {
        self.plain_or_raw(Body::RevokeTicket(protocol::body::RevokeTicket { doer: slot(doer), ticket }))
    }
}
