//! The public tree.

pub(crate) mod branch;
pub(crate) mod mark;

mod audit;
mod codec;
#[cfg(test)]
mod cost;

use std::sync::Arc;

use curve::Point;
use protocol::{Epoch, LeafId, Slot, TreeHash, VerifyingKey, digest::Hasher};

use crate::{
    Capacity, Leaf, LiveLeaf, Status, TreeError,
    capacity::{Position, is_right},
    index::Index,
    node::{Leaves, Node, Tally, lowest},
};

/// The public key tree of a group.
///
/// A value of this type keeps the structural rules by construction: leaf keys, signature keys and leaf ids are unique,
/// every `keyed_by` names an active leaf, at least one leaf is active, and a tree of more than one slot has something
/// in its right half. Changing it makes a new tree that shares all untouched nodes with the old one: cloning is O(1),
/// a change O(depth), so "apply to a copy, check, then swap" costs no more than applying in place.
///
/// Equality is that of the hashes, which cover everything.
#[derive(Clone, Debug)]
pub struct Tree {
    capacity: Capacity,
    next_leaf_id: LeafId,
    sign_key: Point,
    root: Arc<Node>,
    index: Index,
}

/// One level of a leaf's path at which keys are derived, as it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathLevel {
    /// Height above the leaves, from 1.
    pub level: u8,
    /// Key of the node at this height.
    pub key: Point,
    /// Key of the sibling with which it was derived.
    pub sibling: Point,
}

static EMPTY: Leaf = Leaf::Empty;

/// Refuses ±G and ±H.
fn refuse_reserved(key: &Point) -> Result<(), TreeError> {
    if key.is_reserved() { Err(TreeError::BadTreeKey) } else { Ok(()) }
}

impl Tree {
    /// The tree of a new group: one slot with its creator, active, leaf id 0.
    ///
    /// # Errors
    /// [`TreeError::BadTreeKey`] for a reserved `dh` or `sign_key`.
    pub fn create(dh: Point, sig: VerifyingKey, since: Epoch, sign_key: Point) -> Result<Self, TreeError> {
        refuse_reserved(&dh)?;
        refuse_reserved(&sign_key)?;
        let leaf = Leaf::Live(LiveLeaf { dh, sig, leaf_id: LeafId::ZERO, since, status: Status::Active });
        let mut index = Index::default();
        index.insert(Slot::ZERO, &leaf)?;
        // A live leaf always makes a node.
        let root = Node::leaf(Slot::ZERO, leaf).ok_or(TreeError::NoSuchLeaf)?;
        Ok(Self { capacity: Capacity::ONE, next_leaf_id: LeafId::new(1), sign_key, root, index })
    }

    /// Number of slots.
    #[must_use]
    pub const fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// The id the next new leaf gets.
    #[must_use]
    pub const fn next_leaf_id(&self) -> LeafId {
        self.next_leaf_id
    }

    /// `K_sign`: messages and root challenges are signed with its secret.
    #[must_use]
    pub const fn sign_key(&self) -> Point {
        self.sign_key
    }

    /// `K_root`. There always is one, since a tree is never without leaves.
    #[must_use]
    pub fn root_key(&self) -> Point {
        *self.root.key()
    }

    /// `SHA256("kith/v1/tree" ‖ u32 capacity ‖ u64 next_leaf_id ‖ K_sign ‖ root node hash)`; covers everything.
    #[must_use]
    pub fn hash(&self) -> TreeHash {
        TreeHash::new(
            Hasher::new("kith/v1/tree")
                .u32(self.capacity.get())
                .u64(self.next_leaf_id.get())
                .fixed(self.sign_key.as_bytes())
                .fixed(self.root.hash())
                .finish(),
        )
    }

    /// What a slot holds; beyond the capacity every slot is empty.
    #[must_use]
    pub fn leaf(&self, slot: Slot) -> &Leaf {
        if !self.capacity.contains(slot) {
            return &EMPTY;
        }
        let mut node = &self.root;
        for level in (0..self.capacity.depth()).rev() {
            let Some((left, right)) = node.children() else { break };
            let Some(child) = (if is_right(slot, level) { right } else { left }) else { return &EMPTY };
            node = child;
        }
        node.as_leaf().unwrap_or(&EMPTY)
    }

    /// All leaves that are not empty, in ascending order of their slots.
    pub fn leaves(&self) -> impl Iterator<Item = (Slot, &Leaf)> {
        Leaves::of_node(&self.root, self.top())
    }

    /// Number of active leaves, at least 1.
    #[must_use]
    pub fn active_count(&self) -> u32 {
        self.tally().active
    }

    /// Number of live leaves: active and invited.
    #[must_use]
    pub fn live_count(&self) -> u32 {
        self.tally().live()
    }

    /// Number of dirty leaves.
    #[must_use]
    pub fn dirty_count(&self) -> u32 {
        self.tally().dirty
    }

    /// The slot of a live leaf.
    #[must_use]
    pub fn slot_of_leaf(&self, leaf_id: LeafId) -> Option<Slot> {
        self.index.slot_of_leaf(leaf_id)
    }

    /// The slot of the live leaf with a signature key.
    #[must_use]
    pub fn slot_of_sig(&self, sig: &VerifyingKey) -> Option<Slot> {
        self.index.slot_of_sig(sig)
    }

    /// The slot of the leaf, of whatever kind, with a tree key.
    #[must_use]
    pub fn slot_of_dh(&self, dh: &Point) -> Option<Slot> {
        self.index.slot_of_dh(dh)
    }

    /// The active leaf with an id and its slot.
    #[must_use]
    pub fn active_leaf(&self, leaf_id: LeafId) -> Option<(Slot, &LiveLeaf)> {
        let slot = self.slot_of_leaf(leaf_id)?;
        Some((slot, self.leaf(slot).active()?))
    }

    /// The lowest dirty slot: the target of the next heal.
    #[must_use]
    pub fn lowest_dirty(&self) -> Option<Slot> {
        self.lowest(|tally, _| tally.dirty > 0)
    }

    /// Whether no leaf is dirty.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.tally().dirty == 0
    }

    /// Slots of the vacant leaves whose secret a leaf chose, then those of its invites, each in ascending order.
    pub fn keyed_by(&self, leaf_id: LeafId) -> impl Iterator<Item = Slot> {
        self.index.keyed_by(leaf_id)
    }

    /// Number of open invites of a leaf. Costs as many steps as there are.
    #[must_use]
    pub fn invites_of(&self, leaf_id: LeafId) -> usize {
        self.index.invites_of(leaf_id).count()
    }

    /// Where the next new leaf goes: the lowest vacant slot, else the lowest empty one, else the first slot of the
    /// doubled tree, which equals the capacity.
    #[must_use]
    pub fn placement(&self) -> Slot {
        self.lowest(|tally, _| tally.vacant > 0)
            .or_else(|| self.lowest(|tally, at| tally.occupied() < at.width()))
            .unwrap_or_else(|| Slot::new(self.capacity.get()))
    }

    /// The levels of a leaf's path at which keys are derived, from the leaf upwards; `None` for an empty slot.
    ///
    /// The tree as it stands: a branch change normalises first, see [`Prepared::siblings`](crate::Prepared::siblings).
    #[must_use]
    pub fn path(&self, slot: Slot) -> Option<Vec<PathLevel>> {
        let mut levels = Vec::with_capacity(usize::from(self.capacity.depth()));
        if !self.capacity.contains(slot) {
            return None;
        }
        let mut node = &self.root;
        for level in (0..self.capacity.depth()).rev() {
            let (left, right) = node.children()?;
            let (child, sibling) = if is_right(slot, level) { (right, left) } else { (left, right) };
            if let Some(sibling) = sibling {
                levels.push(PathLevel { level: level + 1, key: *node.key(), sibling: *sibling.key() });
            }
            node = child.as_ref()?;
        }
        levels.reverse();
        Some(levels)
    }

    /// The conditions on the tree after a whole frame: at most `max_members` live leaves, and the doer, where the
    /// frame has one, active.
    ///
    /// That every `keyed_by` names an active leaf and that no two leaves share a key holds for every tree; here the
    /// look-up maps are counted against the leaves once more, which costs nothing.
    ///
    /// # Errors
    /// [`TreeError::GroupFull`], [`TreeError::NotActive`]; [`TreeError::Ghost`] if the counts disagree.
    pub fn check(&self, max_members: u32, doer: Option<Slot>) -> Result<(), TreeError> {
        let tally = self.tally();
        if !self.index.agrees_with(tally.occupied(), tally.live(), tally.keyed()) {
            return Err(TreeError::Ghost);
        }
        if tally.live() > max_members {
            return Err(TreeError::GroupFull);
        }
        match doer {
            Some(doer) if self.leaf(doer).active().is_none() => Err(TreeError::NotActive),
            Some(_) | None => Ok(()),
        }
    }

    fn top(&self) -> Position {
        Position::above(Slot::ZERO, self.capacity.depth())
    }

    fn tally(&self) -> &Tally {
        self.root.tally()
    }

    fn lowest(&self, holds: impl Fn(&Tally, Position) -> bool) -> Option<Slot> {
        lowest(&self.root, self.top(), holds)
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Eq for Tree {}
