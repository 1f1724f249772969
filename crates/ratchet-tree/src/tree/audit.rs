//! Building a tree from all its parts, and comparing one with what its parts say.

use std::sync::Arc;

use curve::Point;
use protocol::{LeafId, Slot};

use super::Tree;
use crate::{
    AuditError, Capacity, Leaf, TreeDecodeError,
    capacity::{Position, is_right},
    index::Index,
    node::{Node, Subtree},
};

/// What a tree is made of; everything else follows.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) capacity: Capacity,
    pub(super) next_leaf_id: LeafId,
    pub(super) sign_key: Point,
    /// The leaves that are not empty, in ascending order of their slots.
    pub(super) leaves: Vec<(Slot, Leaf)>,
    /// The keys of the nodes with two non-empty children, level by level upwards, each from left to right.
    pub(super) derived: Vec<Point>,
}

impl Tree {
    /// Takes the tree apart. O(n).
    pub(super) fn parts(&self) -> Parts {
        let leaves: Vec<_> = self.leaves().map(|(slot, leaf)| (slot, *leaf)).collect();
        let mut levels: Vec<Vec<Point>> = vec![Vec::new(); usize::from(self.capacity.depth()) + 1];
        let mut pending = vec![(&self.root, self.capacity.depth())];
        while let Some((node, level)) = pending.pop() {
            let Some((left, right)) = node.children() else { continue };
            if let (Some(_), Some(_), Some(keys)) = (left, right, levels.get_mut(usize::from(level))) {
                keys.push(*node.key());
            }
            // The left child goes on top, so that each level is met from left to right.
            pending.extend([right, left].into_iter().flatten().map(|child| (child, level.saturating_sub(1))));
        }
        Parts {
            capacity: self.capacity,
            next_leaf_id: self.next_leaf_id,
            sign_key: self.sign_key,
            leaves,
            derived: levels.concat(),
        }
    }

    /// Puts a tree together and checks every structural rule. O(n log n).
    pub(super) fn from_parts(parts: Parts) -> Result<Self, TreeDecodeError> {
        let Parts { capacity, next_leaf_id, sign_key, leaves, derived } = parts;
        if sign_key.is_reserved() {
            return Err(TreeDecodeError::BadTreeKey);
        }
        let index = index_of(capacity, next_leaf_id, &leaves)?;
        let root = root_of(capacity, leaves, derived)?;
        if let Some((_, None)) = root.children() {
            return Err(TreeDecodeError::NotHalved);
        }
        if root.tally().active == 0 {
            return Err(TreeDecodeError::NoActiveLeaf);
        }
        let tree = Self { capacity, next_leaf_id, sign_key, root, index };
        if tree.index.keyers().any(|keyer| tree.active_leaf(keyer).is_none()) {
            return Err(TreeDecodeError::Ghost);
        }
        Ok(tree)
    }

    /// Recomputes the whole tree from its leaves and derived keys, and compares every hash, count and look-up with
    /// what incremental changes have left. O(n log n); for tests and for suspicion.
    ///
    /// # Errors
    /// [`AuditError`], which no sequence of changes should be able to cause.
    pub fn audit(&self) -> Result<(), AuditError> {
        let rebuilt = Self::from_parts(self.parts()).map_err(AuditError::Structure)?;
        if rebuilt.index != self.index {
            return Err(AuditError::LookUps);
        }
        let mut pending = vec![(&rebuilt.root, &self.root)];
        while let Some((one, other)) = pending.pop() {
            if one.hash() != other.hash() || one.tally() != other.tally() || one.key() != other.key() {
                return Err(AuditError::Nodes);
            }
            let (Some((one_left, one_right)), Some((left, right))) = (one.children(), other.children())
            else {
                continue;
            };
            for pair in [(one_left, left), (one_right, right)] {
                match pair {
                    (Some(one), Some(other)) => pending.push((one, other)),
                    (None, None) => {}
                    (Some(_), None) | (None, Some(_)) => return Err(AuditError::Nodes),
                }
            }
        }
        Ok(())
    }
}

fn index_of(
    capacity: Capacity,
    next_leaf_id: LeafId,
    leaves: &[(Slot, Leaf)],
) -> Result<Index, TreeDecodeError> {
    let mut index = Index::default();
    let mut free = Slot::ZERO;
    for (slot, leaf) in leaves {
        if *slot < free || !capacity.contains(*slot) {
            return Err(TreeDecodeError::LeafOrder);
        }
        free = slot.next().ok_or(TreeDecodeError::LeafOrder)?;
        if leaf.dh().is_some_and(Point::is_reserved) {
            return Err(TreeDecodeError::BadTreeKey);
        }
        if leaf.live().is_some_and(|live| live.leaf_id >= next_leaf_id) {
            return Err(TreeDecodeError::BadLeafId);
        }
        index.insert(*slot, leaf)?;
    }
    Ok(index)
}

fn root_of(
    capacity: Capacity,
    leaves: Vec<(Slot, Leaf)>,
    derived: Vec<Point>,
) -> Result<Arc<Node>, TreeDecodeError> {
    let mut derived = derived.into_iter();
    let mut row: Vec<(Slot, Arc<Node>)> = leaves
        .into_iter()
        .filter_map(|(slot, leaf)| Node::leaf(slot, leaf).map(|node| (slot, node)))
        .collect();
    for level in 1..=capacity.depth() {
        let mut above = Vec::with_capacity(row.len());
        let mut nodes = row.into_iter().peekable();
        while let Some((slot, node)) = nodes.next() {
            let at = Position::above(slot, level);
            let (left, right): (Subtree, Subtree) = if is_right(slot, level - 1) {
                (None, Some(node))
            } else {
                let partner = nodes.next_if(|(slot, _)| Position::above(*slot, level) == at);
                (Some(node), partner.map(|(_, node)| node))
            };
            let parent = Node::parent(at, left, right, || match derived.next() {
                Some(key) if key.is_reserved() => Err(TreeDecodeError::BadTreeKey),
                Some(key) => Ok(key),
                None => Err(TreeDecodeError::Truncated),
            })?;
            above.extend(parent.map(|node| (slot, node)));
        }
        row = above;
    }
    if derived.next().is_some() {
        return Err(TreeDecodeError::TrailingBytes);
    }
    row.pop().map(|(_, root)| root).ok_or(TreeDecodeError::LeafCount)
}
