//! Marks: leaves lose their rights at once, and their keys wait to be healed.

use protocol::{LeafId, Slot, UnixSeconds};

use super::Tree;
use crate::{Leaf, LiveLeaf, Status, TreeError};

/// A leaf that lost its rights, as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkedLeaf {
    /// Where it was.
    pub slot: Slot,
    /// What it was.
    pub leaf: LiveLeaf,
}

/// What a mark did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marked {
    /// The live leaves it named, in ascending order of their slots.
    pub named: Vec<MarkedLeaf>,
    /// Invites that went with their inviter, in ascending order of their slots.
    pub revoked: Vec<MarkedLeaf>,
    /// Every slot that became dirty, ascending.
    pub dirtied: Vec<Slot>,
}

impl Marked {
    /// Ids of all leaves that lost their rights: the named ones, then the revoked invites.
    pub fn leaf_ids(&self) -> impl Iterator<Item = LeafId> {
        self.named.iter().chain(&self.revoked).map(|marked| marked.leaf.leaf_id)
    }
}

impl Tree {
    /// Marks live leaves: they, and all vacant or invited leaves keyed by them, become dirty.
    ///
    /// No key changes, so the marked still know the root until the tree is healed.
    ///
    /// # Errors
    /// [`TreeError::WrongStructure`] for no slot or one named twice, [`TreeError::NoSuchLeaf`] for a slot without
    /// live leaf, [`TreeError::LastMember`] if no active leaf would remain.
    pub fn mark(&self, slots: &[Slot]) -> Result<(Self, Marked), TreeError> {
        let slots = distinct(slots)?;
        let mut marked = Marked::default();
        for &slot in &slots {
            let leaf = *self.leaf(slot).live().ok_or(TreeError::NoSuchLeaf)?;
            marked.named.push(MarkedLeaf { slot, leaf });
            marked.dirtied.push(slot);
            marked.dirtied.extend(self.keyed_by(leaf.leaf_id));
        }
        // A leaf may be named and keyed by another named one.
        marked.dirtied.sort_unstable();
        marked.dirtied.dedup();
        for &slot in &marked.dirtied {
            if let Some(leaf) = self.leaf(slot).live()
                && slots.binary_search(&slot).is_err()
            {
                marked.revoked.push(MarkedLeaf { slot, leaf: *leaf });
            }
        }
        let tree = self.with_dirty(&marked.dirtied)?;
        if tree.tally().active == 0 {
            return Err(TreeError::LastMember);
        }
        for leaf_id in marked.leaf_ids() {
            if tree.keyed_by(leaf_id).next().is_some() {
                return Err(TreeError::Ghost);
            }
        }
        Ok((tree, marked))
    }

    /// Marks leaves the doer chose the secret of: vacant ones, and invites, which are revoked by it.
    ///
    /// # Errors
    /// [`TreeError::WrongStructure`] for no slot or one named twice, [`TreeError::NotActive`] if the doer is not
    /// active, [`TreeError::NoSuchLeaf`] for a slot the doer did not key.
    pub fn mark_own(&self, doer: Slot, slots: &[Slot]) -> Result<(Self, Marked), TreeError> {
        let slots = distinct(slots)?;
        let doer = self.leaf(doer).active().ok_or(TreeError::NotActive)?.leaf_id;
        self.mark_keyed(slots, |leaf| {
            if leaf.keyed_by() == Some(doer) { Ok(()) } else { Err(TreeError::NoSuchLeaf) }
        })
    }

    /// Marks overdue invites: those that expired before `at`.
    ///
    /// # Errors
    /// [`TreeError::WrongStructure`] for no slot or one named twice, [`TreeError::NoSuchLeaf`] for a slot that holds
    /// no invite, [`TreeError::NotOverdue`] for one that expires at `at` or later.
    pub fn expire(&self, slots: &[Slot], at: UnixSeconds) -> Result<(Self, Marked), TreeError> {
        self.mark_keyed(distinct(slots)?, |leaf| match leaf.live().map(|live| live.status) {
            Some(Status::Invited { expires, .. }) if expires < at => Ok(()),
            Some(Status::Invited { .. }) => Err(TreeError::NotOverdue),
            Some(Status::Active) | None => Err(TreeError::NoSuchLeaf),
        })
    }

    /// Marks leaves that `allowed` has found keyed by another: those key nothing themselves, so nothing follows them.
    fn mark_keyed(
        &self,
        slots: Vec<Slot>,
        allowed: impl Fn(&Leaf) -> Result<(), TreeError>,
    ) -> Result<(Self, Marked), TreeError> {
        let mut named = Vec::with_capacity(slots.len());
        for &slot in &slots {
            let leaf = self.leaf(slot);
            allowed(leaf)?;
            named.extend(leaf.live().map(|leaf| MarkedLeaf { slot, leaf: *leaf }));
        }
        let tree = self.with_dirty(&slots)?;
        Ok((tree, Marked { named, revoked: Vec::new(), dirtied: slots }))
    }

    /// The tree with the given occupied slots dirty, under the keys they had.
    fn with_dirty(&self, slots: &[Slot]) -> Result<Self, TreeError> {
        let mut tree = self.clone();
        for &slot in slots {
            let leaf = self.leaf(slot);
            let dh = *leaf.dh().ok_or(TreeError::NoSuchLeaf)?;
            tree.index.remove(slot, leaf);
            tree.index.insert(slot, &Leaf::Dirty { dh })?;
        }
        tree.root = self.root.with_dirty(self.top(), slots);
        Ok(tree)
    }
}

/// The slots in ascending order.
fn distinct(slots: &[Slot]) -> Result<Vec<Slot>, TreeError> {
    let mut sorted = slots.to_vec();
    sorted.sort_unstable();
    if sorted.is_empty() || sorted.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(TreeError::WrongStructure);
    }
    Ok(sorted)
}
