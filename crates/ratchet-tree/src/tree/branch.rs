//! Branch changes: a leaf gets a new key, and so does every node above it.

use std::sync::Arc;

use curve::{Point, TreeSecret};
use protocol::{Epoch, LeafId, Slot, UnixSeconds, VerifyingKey};

use super::{Tree, refuse_reserved};
use crate::{
    Capacity, Leaf, LiveLeaf, Status, TreeError,
    capacity::{Position, is_right},
    node::{Leaves, Node, Subtree},
};

/// Which slot a branch change is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A slot that holds something: updates and rejoins.
    Existing(Slot),
    /// Where the placement rule puts a new leaf: adds and joins.
    Place,
    /// The lowest dirty slot: heals.
    LowestDirty,
}

/// What a branch change makes of its leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewLeaf {
    /// Invited by name, with a new leaf id; at the placement.
    Added {
        /// From the invitee's key package.
        sig: VerifyingKey,
        /// When the invite is overdue.
        expires: UnixSeconds,
        /// The inviter, an active leaf.
        keyed_by: LeafId,
        /// Epoch of the change.
        since: Epoch,
    },
    /// Active by its own doing, with a new leaf id; at the placement.
    Joined {
        /// Chosen by the joiner.
        sig: VerifyingKey,
        /// Epoch of the change.
        since: Epoch,
    },
    /// A live leaf with a fresh secret of its own; active from now on, under the same leaf id.
    Updated {
        /// A new signature key, if it is rotated.
        sig: Option<VerifyingKey>,
        /// Epoch of the change.
        since: Epoch,
    },
    /// An active leaf that lost its state, with a fresh secret; keeps leaf id, signature key and what it keyed.
    Rejoined {
        /// Epoch of the change.
        since: Epoch,
    },
    /// Vacant instead of dirty; at the lowest dirty slot.
    Healed {
        /// The healer, an active leaf.
        keyed_by: LeafId,
    },
}

/// The public keys of a branch: leaf, one for each derived level, signing key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BranchKeys {
    keys: Vec<Point>,
    leaf: Point,
    sign: Point,
}

/// A branch as its author has it.
#[derive(Clone, Debug)]
pub struct Authored {
    /// What is published.
    pub keys: BranchKeys,
    /// The root secret of the tree after the change.
    pub root: TreeSecret,
    /// Its signing secret.
    pub sign: TreeSecret,
}

/// A branch change between the choice of its slot and the arrival of its keys.
///
/// Growth and normalisation are done, so the siblings are those the keys have to be derived with; author, prover and
/// verifier all take them from here. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The tree before, but for the look-ups of the leaves that were emptied.
    tree: Tree,
    capacity: Capacity,
    slot: Slot,
    before: Leaf,
    is_placement: bool,
    is_lowest_dirty: bool,
    /// Sibling subtrees from the leaf upwards, one for each level.
    copath: Vec<Subtree>,
    siblings: Vec<Point>,
}

impl BranchKeys {
    /// Takes the keys in their order on the wire: leaf, derived levels upwards, signing key.
    ///
    /// # Errors
    /// [`TreeError::WrongKeyCount`] for fewer than two.
    pub fn new(keys: Vec<Point>) -> Result<Self, TreeError> {
        let [leaf, .., sign] = *keys.as_slice() else { return Err(TreeError::WrongKeyCount) };
        Ok(Self { keys, leaf, sign })
    }

    /// The key of the leaf.
    #[must_use]
    pub const fn leaf(&self) -> &Point {
        &self.leaf
    }

    /// The keys of the derived levels, from the leaf upwards.
    #[must_use]
    pub fn derived(&self) -> &[Point] {
        self.keys.get(1..self.keys.len() - 1).unwrap_or_default()
    }

    /// `K_sign` after the change.
    #[must_use]
    pub const fn sign(&self) -> &Point {
        &self.sign
    }

    /// All keys in their order on the wire.
    #[must_use]
    pub fn as_slice(&self) -> &[Point] {
        &self.keys
    }

    /// As [`Self::as_slice`], owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<Point> {
        self.keys
    }
}

impl Tree {
    /// Begins a branch change: finds the slot, doubles the tree if the slot lies beyond it, and empties every subtree
    /// beside the slot's path that has no live leaf.
    ///
    /// Emptying is part of the change, not a choice: it takes vacant and dirty leaves out of the keys wherever the
    /// change re-derives everything that depends on them anyway.
    ///
    /// # Errors
    /// [`TreeError::NoSuchLeaf`] for an existing target that is empty, [`TreeError::NothingToHeal`] without dirty
    /// leaf, [`TreeError::GroupFull`] if the tree would grow beyond `max_capacity`.
    pub fn prepare(&self, target: Target, max_capacity: Capacity) -> Result<Prepared, TreeError> {
        let lowest_dirty = self.lowest_dirty();
        let placement = self.placement();
        let slot = match target {
            Target::Existing(slot) if self.leaf(slot).is_empty() => return Err(TreeError::NoSuchLeaf),
            Target::Existing(slot) => slot,
            Target::Place => placement,
            Target::LowestDirty => lowest_dirty.ok_or(TreeError::NothingToHeal)?,
        };
        let mut tree = self.clone();
        let mut capacity = self.capacity;
        let mut copath = Vec::with_capacity(usize::from(self.capacity.depth()) + 1);
        if self.capacity.contains(slot) {
            self.push_copath(slot, &mut copath);
        } else {
            capacity = capacity.doubled().filter(|c| *c <= max_capacity).ok_or(TreeError::GroupFull)?;
            copath.resize(usize::from(self.capacity.depth()), None);
            copath.push(Some(self.root.clone()));
        }

        let mut siblings = Vec::with_capacity(copath.len());
        for (level, subtree) in (0u8..).zip(&mut copath) {
            match subtree {
                Some(node) if node.tally().live() > 0 => siblings.push(*node.key()),
                Some(_) | None => {
                    for (slot, leaf) in Leaves::of(subtree, Position::above(slot, level).sibling()) {
                        tree.index.remove(slot, leaf);
                    }
                    *subtree = None;
                }
            }
        }
        Ok(Prepared {
            slot,
            before: *self.leaf(slot),
            is_placement: slot == placement,
            is_lowest_dirty: Some(slot) == lowest_dirty,
            tree,
            capacity,
            copath,
            siblings,
        })
    }

    /// Sibling subtrees of the path to a slot within the capacity, from the leaf upwards.
    fn push_copath(&self, slot: Slot, copath: &mut Vec<Subtree>) {
        let mut node = Some(&self.root);
        for level in (0..self.capacity.depth()).rev() {
            // Below an empty subtree the siblings are empty, too.
            let children = node.and_then(|node| node.children());
            let (child, sibling) = match children {
                Some((left, right)) if is_right(slot, level) => (right.as_ref(), left.clone()),
                Some((left, right)) => (left.as_ref(), right.clone()),
                None => (None, None),
            };
            copath.push(sibling);
            node = child;
        }
        copath.reverse();
    }
}

impl Prepared {
    /// The slot that changes.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// Keys of the non-empty siblings, from the leaf upwards: what each derived level is derived with.
    #[must_use]
    pub fn siblings(&self) -> &[Point] {
        &self.siblings
    }

    /// Number of keys the branch has: one for the leaf, one for each derived level, one for signing.
    #[must_use]
    pub const fn key_count(&self) -> usize {
        self.siblings.len() + 2
    }

    /// Capacity during the change: doubled where it has to be, not yet halved.
    #[must_use]
    pub const fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Derives the branch from a fresh leaf secret.
    #[must_use]
    pub fn author(&self, leaf: &TreeSecret) -> Authored {
        let leaf_key = leaf.public();
        let mut keys = Vec::with_capacity(self.key_count());
        keys.push(leaf_key);
        let mut root = leaf.clone();
        for sibling in &self.siblings {
            root = root.dh(sibling).derive();
            keys.push(root.public());
        }
        let sign = root.dh(&Point::sign_base()).derive();
        let sign_key = sign.public();
        keys.push(sign_key);
        Authored { keys: BranchKeys { keys, leaf: leaf_key, sign: sign_key }, root, sign }
    }

    /// Ends a branch change: sets the leaf and the keys, then halves the tree while its right half is empty.
    ///
    /// Whether the keys were derived as they should is for the proof to say, not for this function.
    ///
    /// # Errors
    /// In this order: [`TreeError::WrongSlot`], [`TreeError::NoSuchLeaf`] or [`TreeError::NotActive`] when the slot
    /// is not one for such a leaf; [`TreeError::Ghost`] when `keyed_by` is not active; [`TreeError::GroupFull`] when
    /// no leaf id is left; [`TreeError::WrongKeyCount`]; [`TreeError::BadTreeKey`] for a reserved key;
    /// [`TreeError::DuplicateTreeKey`] when any leaf has the leaf key, the changed one before the change included;
    /// [`TreeError::DuplicateSignatureKey`] likewise.
    pub fn finish(self, new: NewLeaf, keys: &BranchKeys) -> Result<Tree, TreeError> {
        let Self { mut tree, capacity, slot, before, copath, siblings, .. } = self.allow(new)?;
        if keys.derived().len() != siblings.len() {
            return Err(TreeError::WrongKeyCount);
        }
        keys.as_slice().iter().try_for_each(refuse_reserved)?;
        // Before the old leaf goes: a key that stays the same heals nothing.
        if tree.index.slot_of_dh(keys.leaf()).is_some() {
            return Err(TreeError::DuplicateTreeKey);
        }
        let leaf = tree.new_leaf(new, &before, *keys.leaf())?;
        tree.index.remove(slot, &before);
        tree.index.insert(slot, &leaf)?;

        let mut derived = keys.derived().iter();
        let mut node = Node::leaf(slot, leaf);
        for (level, sibling) in (0u8..).zip(copath) {
            let (left, right) = if is_right(slot, level) { (sibling, node) } else { (node, sibling) };
            node = Node::parent(Position::above(slot, level + 1), left, right, || {
                derived.next().copied().ok_or(TreeError::WrongKeyCount)
            })?;
        }
        // The new leaf is below, so there is a root.
        tree.root = node.ok_or(TreeError::NoSuchLeaf)?;
        tree.capacity = capacity;
        tree.sign_key = *keys.sign();
        tree.halve();
        Ok(tree)
    }

    /// Checks that the slot is one for such a leaf, and who keyed it.
    fn allow(self, new: NewLeaf) -> Result<Self, TreeError> {
        let keyed_by = match new {
            NewLeaf::Added { .. } | NewLeaf::Joined { .. } if !self.is_placement => {
                return Err(TreeError::WrongSlot);
            }
            NewLeaf::Healed { .. } if !self.is_lowest_dirty => return Err(TreeError::WrongSlot),
            NewLeaf::Added { keyed_by, .. } | NewLeaf::Healed { keyed_by } => Some(keyed_by),
            NewLeaf::Joined { .. } => None,
            NewLeaf::Updated { .. } | NewLeaf::Rejoined { .. } if self.before.live().is_none() => {
                return Err(TreeError::NoSuchLeaf);
            }
            NewLeaf::Rejoined { .. } if self.before.active().is_none() => return Err(TreeError::NotActive),
            NewLeaf::Updated { .. } | NewLeaf::Rejoined { .. } => None,
        };
        match keyed_by {
            Some(leaf_id) if self.tree.active_leaf(leaf_id).is_none() => Err(TreeError::Ghost),
            Some(_) | None => Ok(self),
        }
    }
}

impl Tree {
    /// The leaf a change makes, with the next leaf id where it is a new one.
    fn new_leaf(&mut self, new: NewLeaf, before: &Leaf, dh: Point) -> Result<Leaf, TreeError> {
        let (sig, since, status) = match new {
            NewLeaf::Healed { keyed_by } => return Ok(Leaf::Vacant { dh, keyed_by }),
            NewLeaf::Updated { sig: None, since } | NewLeaf::Rejoined { since } => {
                let kept = before.live().ok_or(TreeError::NoSuchLeaf)?;
                return Ok(Leaf::Live(LiveLeaf { dh, since, status: Status::Active, ..*kept }));
            }
            NewLeaf::Added { sig, expires, keyed_by, since } => {
                (sig, since, Status::Invited { expires, keyed_by })
            }
            NewLeaf::Joined { sig, since } | NewLeaf::Updated { sig: Some(sig), since } => {
                (sig, since, Status::Active)
            }
        };
        // Rotating to the key it has is no rotation, so the leaf's own counts.
        if self.index.slot_of_sig(&sig).is_some() {
            return Err(TreeError::DuplicateSignatureKey);
        }
        let leaf_id = match new {
            NewLeaf::Updated { .. } => before.live().ok_or(TreeError::NoSuchLeaf)?.leaf_id,
            NewLeaf::Added { .. }
            | NewLeaf::Joined { .. }
            | NewLeaf::Rejoined { .. }
            | NewLeaf::Healed { .. } => {
                let leaf_id = self.next_leaf_id;
                self.next_leaf_id = leaf_id.next().ok_or(TreeError::GroupFull)?;
                leaf_id
            }
        };
        Ok(Leaf::Live(LiveLeaf { dh, sig, leaf_id, since, status }))
    }

    fn halve(&mut self) {
        while let Some((Some(left), None)) = self.root.children() {
            self.root = Arc::clone(left);
            self.capacity = self.capacity.halved();
        }
    }
}
