//! A group, everybody who was ever in it, and what they know.

use std::collections::BTreeMap;
use std::fmt;

use curve::Point;
use protocol::{Epoch, LeafId, SigningKey, UnixSeconds, VerifyingKey};
use ratchet_tree::{
    BranchKeys, Capacity, Leaf, LiveLeaf, Marked, NewLeaf, PathSecrets, Status, Target, Tree,
};

use crate::{
    group::{Group, Known},
    model::{Model, at},
};

/// What to do, as raw numbers that are read against the state they meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) what: u8,
    pub(crate) who: u8,
    pub(crate) whom: u8,
    pub(crate) more: u8,
}

/// Whom a leaf names as the one who knows its secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// Who it is: what the rules enforce by writing the doer in.
    Honest,
    /// Some other active leaf: what a free choice would allow.
    SomebodyElse,
    /// Always the creator, who never goes: as good as keeping no account.
    TheCreator,
}

/// A removed user, or several of them together, can follow.
#[derive(Debug)]
pub(crate) struct Ghost(#[allow(dead_code, reason = "shown by failing tests")] &'static str);

struct User<S> {
    leaf: S,
    known: Known<S>,
    path: Option<PathSecrets>,
}

pub(crate) struct History<G: Group> {
    group: G,
    claim: Claim,
    tree: Tree,
    model: Model<G::Secret>,
    /// Live leaves by their ids.
    users: BTreeMap<LeafId, User<G::Secret>>,
    /// What all removed users know together.
    coalition: Known<G::Secret>,
    epoch: Epoch,
    now: UnixSeconds,
    sigs: u64,
    pub(crate) removed: usize,
    pub(crate) healed: usize,
    pub(crate) doubled: usize,
    pub(crate) halved: usize,
    pub(crate) most_slots: usize,
}

/// Above this many live leaves the group shrinks rather than grows.
const MANY: usize = 40;

impl<G: Group> History<G> {
    pub(crate) fn new(mut group: G, claim: Claim) -> Self {
        let secret = group.fresh();
        let (dh, sign) = (group.public(&secret), group.derive(&secret, &Point::sign_base()));
        let sig = signature_key(0);
        let tree = Tree::create(dh, sig, Epoch::ZERO, group.public(&sign)).unwrap();
        let leaf_id = LeafId::ZERO;
        let leaf = Leaf::Live(LiveLeaf { dh, sig, leaf_id, since: Epoch::ZERO, status: Status::Active });
        let known = Known::from([(dh, secret.clone())]);
        let user = User { leaf: secret.clone(), known, path: None };
        Self {
            group,
            claim,
            tree,
            model: Model::new(leaf, secret),
            users: BTreeMap::from([(leaf_id, user)]),
            coalition: Known::new(),
            epoch: Epoch::ZERO,
            now: UnixSeconds::ZERO,
            sigs: 0,
            removed: 0,
            healed: 0,
            doubled: 0,
            halved: 0,
            most_slots: 1,
        }
    }

    /// One frame, whatever fits; then everybody looks.
    pub(crate) fn apply(&mut self, op: Op) -> Result<(), Ghost> {
        self.epoch = self.epoch.next().unwrap();
        self.now = self.now.saturating_add(1);
        let Op { what, who, whom, more } = op;
        let doer = pick(&self.active(), who).unwrap();
        let full = self.users.len() >= MANY;
        match what % 100 {
            // While a leaf is dirty there are marks and heals only.
            0..20 if self.dirty() => self.mark_some(whom, more),
            20..30 if self.dirty() => self.update_then_heal(doer, more),
            30..40 if self.dirty() => self.invitee_heals(who, more),
            _ if self.dirty() => self.heal(doer, usize::from(more % 4) + 1),
            0..16 if !full => self.join(),
            16..34 if !full => self.add(doer, more),
            34..52 => self.update(doer, more.is_multiple_of(2)),
            52..66 => self.invitee_joins(whom),
            66..70 => self.rejoin(doer),
            70..74 => self.expire(),
            74..77 => self.mark_own(doer, more),
            77..84 => self.mark_some(whom, more),
            _ => self.remove(doer, whom, more),
        }
        self.look()
    }

    fn dirty(&self) -> bool {
        self.model.lowest_dirty().is_some()
    }

    fn ids(&self, wanted: fn(&LiveLeaf) -> bool) -> Vec<LeafId> {
        let live = self.model.row.iter().filter_map(|(leaf, _)| leaf.live());
        live.filter(|live| wanted(live)).map(|live| live.leaf_id).collect()
    }

    fn active(&self) -> Vec<LeafId> {
        self.ids(LiveLeaf::is_active)
    }

    fn slot(&self, leaf_id: LeafId) -> usize {
        let holds = |leaf: &Leaf| leaf.live().is_some_and(|live| live.leaf_id == leaf_id);
        self.model.row.iter().position(|(leaf, _)| holds(leaf)).unwrap()
    }

    fn next_sig(&mut self) -> VerifyingKey {
        self.sigs += 1;
        signature_key(self.sigs)
    }

    /// The leaf id that goes into the tree for what the doer keyed.
    fn claimed(&self, doer: LeafId) -> LeafId {
        match self.claim {
            Claim::Honest => doer,
            Claim::SomebodyElse => self.active().into_iter().find(|id| *id != doer).unwrap_or(doer),
            Claim::TheCreator => LeafId::ZERO,
        }
    }

    // Frames.

    fn join(&mut self) {
        let (sig, since) = (self.next_sig(), self.epoch);
        self.change(Target::Place, NewLeaf::Joined { sig, since }, None);
    }

    fn add(&mut self, doer: LeafId, more: u8) {
        for _ in 0..=more % 2 {
            let (sig, since, keyed_by) = (self.next_sig(), self.epoch, self.claimed(doer));
            let expires = self.now.saturating_add(u64::from(more / 8));
            self.change(Target::Place, NewLeaf::Added { sig, expires, keyed_by, since }, Some(doer));
        }
    }

    fn update(&mut self, leaf_id: LeafId, rotate: bool) {
        let sig = rotate.then(|| self.next_sig());
        let target = Target::Existing(at(self.slot(leaf_id)));
        self.change(target, NewLeaf::Updated { sig, since: self.epoch }, Some(leaf_id));
    }

    fn rejoin(&mut self, leaf_id: LeafId) {
        let target = Target::Existing(at(self.slot(leaf_id)));
        self.change(target, NewLeaf::Rejoined { since: self.epoch }, Some(leaf_id));
    }

    fn invitee_joins(&mut self, whom: u8) {
        if let Some(invitee) = pick(&self.ids(|live| !live.is_active()), whom) {
            self.update(invitee, whom.is_multiple_of(2));
        }
    }

    /// An invitee's first act may be a heal.
    fn invitee_heals(&mut self, who: u8, more: u8) {
        if let Some(invitee) = pick(&self.ids(|live| !live.is_active()), who) {
            self.update_then_heal(invitee, more);
        }
    }

    fn update_then_heal(&mut self, doer: LeafId, more: u8) {
        if more % 8 < 7 || !self.active().contains(&doer) {
            self.update(doer, false);
        } else {
            self.rejoin(doer);
        }
        self.heal(doer, usize::from(more % 4));
    }

    fn heal(&mut self, doer: LeafId, most: usize) {
        for _ in 0..most {
            if self.dirty() {
                self.change(
                    Target::LowestDirty,
                    NewLeaf::Healed { keyed_by: self.claimed(doer) },
                    Some(doer),
                );
                self.healed += 1;
            }
        }
    }

    fn mark_some(&mut self, whom: u8, more: u8) {
        self.mark_any(usize::from(more % 3) + 1, whom, None);
    }

    /// Marks and heals in one frame; what is not healed stays for the next.
    fn remove(&mut self, doer: LeafId, whom: u8, more: u8) {
        self.mark_any(usize::from(more % 3) + 1, whom, Some(doer));
        if self.dirty() {
            match more % 8 {
                0 => {}
                1..4 => self.heal(doer, 1),
                4 => self.update_then_heal(doer, 3),
                _ => self.heal(doer, usize::MAX >> 48),
            }
        }
    }

    fn mark_any(&mut self, count: usize, whom: u8, but: Option<LeafId>) {
        let mut candidates: Vec<usize> = self.ids(|_| true).into_iter().map(|id| self.slot(id)).collect();
        let spared = |id| but == Some(id) || (self.claim == Claim::TheCreator && id == LeafId::ZERO);
        candidates.retain(|slot| !spared(self.model.row[*slot].0.live().unwrap().leaf_id));
        let start = usize::from(whom) % candidates.len().max(1);
        let slots: Vec<usize> =
            candidates.iter().cycle().skip(start).take(count.min(candidates.len())).copied().collect();
        let active_left = |slots: &[usize]| self.active().iter().any(|id| !slots.contains(&self.slot(*id)));
        if !slots.is_empty() && active_left(&slots) {
            let named: Vec<_> = slots.iter().copied().map(at).collect();
            let (tree, marked) = self.tree.mark(&named).unwrap();
            self.marked(tree, &marked, &slots);
        }
    }

    fn mark_own(&mut self, doer: LeafId, more: u8) {
        let own = |leaf: &Leaf| leaf.keyed_by() == Some(doer);
        let slots: Vec<usize> = (0..self.model.row.len())
            .filter(|slot| own(&self.model.row[*slot].0))
            .take(usize::from(more % 4) + 1)
            .collect();
        if !slots.is_empty() {
            let named: Vec<_> = slots.iter().copied().map(at).collect();
            let (tree, marked) = self.tree.mark_own(at(self.slot(doer)), &named).unwrap();
            self.marked(tree, &marked, &slots);
        }
        self.update_then_heal(doer, more);
    }

    fn expire(&mut self) {
        let overdue = |leaf: &Leaf| matches!(leaf.live().map(|live| live.status), Some(Status::Invited { expires, .. }) if expires < self.now);
        let slots: Vec<usize> =
            (0..self.model.row.len()).filter(|slot| overdue(&self.model.row[*slot].0)).collect();
        if !slots.is_empty() {
            let named: Vec<_> = slots.iter().copied().map(at).collect();
            let (tree, marked) = self.tree.expire(&named, self.now).unwrap();
            self.marked(tree, &marked, &slots);
        }
    }

    // Steps of a frame.

    /// Everybody who lost a leaf joins the coalition with all they ever knew.
    fn marked(&mut self, tree: Tree, marked: &Marked, slots: &[usize]) {
        let before = self.users.len();
        self.tree = tree;
        self.model.mark(slots);
        for leaf_id in marked.leaf_ids() {
            let user = self.users.remove(&leaf_id).expect("a live leaf has a user");
            self.coalition.extend(user.known);
        }
        let live = self.ids(|_| true);
        assert!(self.users.len() == live.len() && live.iter().all(|id| self.users.contains_key(id)));
        self.removed += before - self.users.len();
    }

    /// One branch change by `doer`, or by a newcomer.
    fn change(&mut self, target: Target, new: NewLeaf, doer: Option<LeafId>) {
        let prepared = self.tree.prepare(target, Capacity::from_depth(10).unwrap()).unwrap();
        let slot = match target {
            Target::Existing(slot) => slot.get() as usize,
            Target::Place => self.model.placement(),
            Target::LowestDirty => self.model.lowest_dirty().unwrap(),
        };
        assert_eq!(prepared.slot(), at(slot));

        let secret = self.group.fresh();
        let dh = self.group.public(&secret);
        let mut branch = vec![(dh, secret.clone())];
        for sibling in prepared.siblings().iter().chain([&Point::sign_base()]) {
            let derived = self.group.derive(&branch.last().unwrap().1, sibling);
            branch.push((self.group.public(&derived), derived));
        }
        let keys: Vec<Point> = branch.iter().map(|(key, _)| *key).collect();
        self.group.check_author(&prepared, &secret, &keys);
        self.tree = prepared.finish(new, &BranchKeys::new(keys).unwrap()).unwrap();

        let leaf = self.leaf_of(new, slot, dh);
        let slots_before = self.model.row.len();
        self.model.change(slot, leaf, secret.clone());
        let slots = self.model.row.len();
        self.doubled += usize::from(slots > slots_before);
        self.halved += usize::from(slots < slots_before);
        self.most_slots = self.most_slots.max(slots);

        if let Some(live) = leaf.live() {
            let user = User { leaf: secret.clone(), known: Known::new(), path: None };
            let user = self.users.entry(live.leaf_id).or_insert(user);
            user.leaf = secret.clone();
            user.known.insert(dh, secret);
        }
        let author = doer.or_else(|| leaf.live().map(|live| live.leaf_id)).unwrap();
        self.users.get_mut(&author).unwrap().known.extend(branch);
        self.walk();
        // The removed see the steps of a frame, too, and some of them may know a root in between.
        self.follow();
    }

    /// The leaf a change should make, by the model's own account.
    fn leaf_of(&mut self, new: NewLeaf, slot: usize, dh: Point) -> Leaf {
        let mut next_leaf_id = || {
            self.model.next_leaf_id += 1;
            LeafId::new(self.model.next_leaf_id - 1)
        };
        Leaf::Live(match new {
            NewLeaf::Healed { keyed_by } => return Leaf::Vacant { dh, keyed_by },
            NewLeaf::Added { sig, expires, keyed_by, since } => {
                let status = Status::Invited { expires, keyed_by };
                LiveLeaf { dh, sig, leaf_id: next_leaf_id(), since, status }
            }
            NewLeaf::Joined { sig, since } => {
                LiveLeaf { dh, sig, leaf_id: next_leaf_id(), since, status: Status::Active }
            }
            NewLeaf::Updated { sig, since } => {
                let before = self.model.row[slot].0.live().unwrap();
                let (sig, leaf_id) = (sig.unwrap_or(before.sig), before.leaf_id);
                LiveLeaf { dh, sig, leaf_id, since, status: Status::Active }
            }
            NewLeaf::Rejoined { since } => LiveLeaf { dh, since, ..*self.model.row[slot].0.live().unwrap() },
        })
    }

    /// Every live leaf walks its path, and remembers what it finds.
    fn walk(&mut self) {
        for (leaf_id, user) in &mut self.users {
            let slot = self.tree.slot_of_leaf(*leaf_id).unwrap();
            let mut secret = user.leaf.clone();
            for level in self.tree.path(slot).unwrap() {
                secret = self.group.derive(&secret, &level.sibling);
                assert_eq!(self.group.public(&secret), level.key, "{leaf_id:?} at {level:?}");
                user.known.insert(level.key, secret.clone());
            }
            assert_eq!(self.group.public(&secret), self.tree.root_key());
            let sign = self.group.derive(&secret, &Point::sign_base());
            assert_eq!(self.group.public(&sign), self.tree.sign_key());
            user.known.insert(self.tree.sign_key(), sign);
            self.group.check_walk(&self.tree, slot, &user.leaf, &mut user.path);
        }
    }

    /// Everything the coalition can know of the tree as it stands.
    fn follow(&mut self) {
        let Self { group, model, coalition, .. } = self;
        model.follow(group, coalition, 0, model.row.len());
        group.close(coalition);
    }

    /// After every frame: the tree is the model's, and the coalition is out.
    fn look(&mut self) -> Result<(), Ghost> {
        self.model.compare(&mut self.group, &self.tree);
        self.tree.check(u32::MAX, None).unwrap();
        self.follow();
        for (leaf, _) in &self.model.row {
            let healthy = matches!(leaf, Leaf::Live(_) | Leaf::Vacant { .. });
            if healthy && leaf.dh().is_some_and(|dh| self.coalition.contains_key(dh)) {
                return Err(Ghost("a leaf that is not dirty"));
            }
        }
        if self.tree.is_clean() && self.coalition.contains_key(&self.tree.root_key()) {
            return Err(Ghost("the root of a clean tree"));
        }
        if self.tree.is_clean() && self.coalition.contains_key(&self.tree.sign_key()) {
            return Err(Ghost("the signing key of a clean tree"));
        }
        Ok(())
    }
}

impl<G: Group> fmt::Display for History<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} removed, {} healed, {} doubled, {} halved, at most {} slots: ",
            self.removed, self.healed, self.doubled, self.halved, self.most_slots
        )?;
        for (leaf, _) in &self.model.row {
            f.write_str(match leaf {
                Leaf::Empty => "-",
                Leaf::Live(live) if live.is_active() => "A",
                Leaf::Live(_) => "I",
                Leaf::Vacant { .. } => "V",
                Leaf::Dirty { .. } => "D",
            })?;
        }
        Ok(())
    }
}

impl<G: Group> fmt::Debug for History<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn pick<T: Copy>(among: &[T], number: u8) -> Option<T> {
    (!among.is_empty()).then(|| among[usize::from(number) % among.len()])
}

fn signature_key(number: u64) -> VerifyingKey {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(&seed).verifying_key()
}
