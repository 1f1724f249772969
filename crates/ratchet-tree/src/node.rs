//! Persistent nodes: shared subtrees, their counts and hashes.

use std::sync::Arc;

use curve::Point;
use protocol::{Slot, digest::Hasher};

use crate::{Leaf, LiveLeaf, Status, capacity::Position};

/// A subtree of any height; `None` is one in which every slot is empty.
pub(crate) type Subtree = Option<Arc<Node>>;

/// A non-empty subtree. Never changed once made: a change makes new nodes on its path and shares the rest.
#[derive(Debug)]
pub(crate) struct Node {
    /// The leaf's key, the derived one, or the one passed through.
    key: Point,
    tally: Tally,
    hash: [u8; 32],
    content: Content,
}

#[derive(Debug)]
enum Content {
    Leaf(Leaf),
    Inner { left: Subtree, right: Subtree },
}

/// How many leaves of each kind a subtree has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) active: u32,
    pub(crate) invited: u32,
    pub(crate) vacant: u32,
    pub(crate) dirty: u32,
}

impl Tally {
    fn of(leaf: &Leaf) -> Self {
        let mut tally = Self::default();
        match leaf {
            Leaf::Empty => {}
            Leaf::Live(live) if live.is_active() => tally.active = 1,
            Leaf::Live(_) => tally.invited = 1,
            Leaf::Vacant { .. } => tally.vacant = 1,
            Leaf::Dirty { .. } => tally.dirty = 1,
        }
        tally
    }

    // No sum exceeds the 2^24 slots of the deepest tree.
    fn plus(self, other: Self) -> Self {
        Self {
            active: self.active + other.active,
            invited: self.invited + other.invited,
            vacant: self.vacant + other.vacant,
            dirty: self.dirty + other.dirty,
        }
    }

    pub(crate) const fn live(&self) -> u32 {
        self.active + self.invited
    }

    pub(crate) const fn keyed(&self) -> u32 {
        self.vacant + self.invited
    }

    pub(crate) const fn occupied(&self) -> u32 {
        self.live() + self.vacant + self.dirty
    }
}

const LABEL: &str = "kith/v1/node";

/// Kind byte of a node record in the hash; leaf kinds are those of the codec, too.
pub(crate) mod kind {
    pub(crate) const DERIVED: u8 = 0;
    pub(crate) const PASS_THROUGH: u8 = 1;
    pub(crate) const EMPTY: u8 = 2;
    pub(crate) const ACTIVE: u8 = 3;
    pub(crate) const INVITED: u8 = 4;
    pub(crate) const VACANT: u8 = 5;
    pub(crate) const DIRTY: u8 = 6;
}

fn record(at: Position, kind: u8) -> Hasher {
    Hasher::new(LABEL).u32(at.array_index()).fixed(&[kind])
}

/// Hash of an empty subtree: needs no descent, its position says its height.
pub(crate) fn empty_hash(at: Position) -> [u8; 32] {
    record(at, kind::EMPTY).finish()
}

fn leaf_hash(at: Position, leaf: &Leaf) -> [u8; 32] {
    match leaf {
        Leaf::Empty => empty_hash(at),
        Leaf::Live(LiveLeaf { dh, sig, leaf_id, since, status }) => {
            let of_kind = |kind| {
                record(at, kind)
                    .fixed(dh.as_bytes())
                    .fixed(sig.as_bytes())
                    .u64(leaf_id.get())
                    .u64(since.get())
            };
            match status {
                Status::Active => of_kind(kind::ACTIVE),
                Status::Invited { expires, keyed_by } => {
                    of_kind(kind::INVITED).u64(expires.get()).u64(keyed_by.get())
                }
            }
            .finish()
        }
        Leaf::Vacant { dh, keyed_by } => {
            record(at, kind::VACANT).fixed(dh.as_bytes()).u64(keyed_by.get()).finish()
        }
        Leaf::Dirty { dh } => record(at, kind::DIRTY).fixed(dh.as_bytes()).finish(),
    }
}

fn hash_of(subtree: &Subtree, at: Position) -> [u8; 32] {
    subtree.as_ref().map_or_else(|| empty_hash(at), |node| node.hash)
}

impl Node {
    /// A leaf at its slot; nothing for an empty one.
    pub(crate) fn leaf(slot: Slot, leaf: Leaf) -> Subtree {
        let key = *leaf.dh()?;
        let hash = leaf_hash(Position::above(slot, 0), &leaf);
        Some(Arc::new(Self { key, tally: Tally::of(&leaf), hash, content: Content::Leaf(leaf) }))
    }

    /// The parent of two subtrees.
    ///
    /// `derived` is asked for the key iff both are non-empty; the key of an only child is passed through.
    ///
    /// # Errors
    /// That of `derived`.
    pub(crate) fn parent<E>(
        at: Position,
        left: Subtree,
        right: Subtree,
        derived: impl FnOnce() -> Result<Point, E>,
    ) -> Result<Subtree, E> {
        let (kind, key) = match (&left, &right) {
            (None, None) => return Ok(None),
            (Some(only), None) | (None, Some(only)) => (kind::PASS_THROUGH, only.key),
            (Some(_), Some(_)) => (kind::DERIVED, derived()?),
        };
        Ok(Some(Self::inner(at, kind, key, left, right)))
    }

    fn inner(at: Position, kind: u8, key: Point, left: Subtree, right: Subtree) -> Arc<Self> {
        let (left_at, right_at) = at.halves();
        let hash = record(at, kind)
            .fixed(key.as_bytes())
            .fixed(&hash_of(&left, left_at))
            .fixed(&hash_of(&right, right_at))
            .finish();
        let tally = |child: &Subtree| child.as_ref().map(|node| node.tally).unwrap_or_default();
        let tally = tally(&left).plus(tally(&right));
        Arc::new(Self { key, tally, hash, content: Content::Inner { left, right } })
    }

    /// This subtree with the leaves at `slots` dirty and every key as it was.
    ///
    /// `slots` are ascending and lie below `at`; empty ones are passed over. Nodes above several of them are made
    /// once. Recursion ends after the 24 levels of the deepest tree.
    pub(crate) fn with_dirty(self: &Arc<Self>, at: Position, slots: &[Slot]) -> Arc<Self> {
        let Some(&slot) = slots.first() else { return Arc::clone(self) };
        match &self.content {
            Content::Leaf(_) => {
                Self::leaf(slot, Leaf::Dirty { dh: self.key }).unwrap_or_else(|| Arc::clone(self))
            }
            Content::Inner { left, right } => {
                let (left_at, right_at) = at.halves();
                let (left_slots, right_slots) =
                    slots.split_at(slots.partition_point(|slot| *slot < right_at.first_slot()));
                let kind = if left.is_some() && right.is_some() { kind::DERIVED } else { kind::PASS_THROUGH };
                let left = left.as_ref().map(|node| node.with_dirty(left_at, left_slots));
                let right = right.as_ref().map(|node| node.with_dirty(right_at, right_slots));
                Self::inner(at, kind, self.key, left, right)
            }
        }
    }

    pub(crate) const fn key(&self) -> &Point {
        &self.key
    }

    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The children of an inner node.
    pub(crate) const fn children(&self) -> Option<(&Subtree, &Subtree)> {
        match &self.content {
            Content::Leaf(_) => None,
            Content::Inner { left, right } => Some((left, right)),
        }
    }

    /// The leaf, if the node is one.
    pub(crate) const fn as_leaf(&self) -> Option<&Leaf> {
        match &self.content {
            Content::Leaf(leaf) => Some(leaf),
            Content::Inner { .. } => None,
        }
    }
}

/// The lowest slot below `at` that has what `holds` finds in the counts of a subtree.
pub(crate) fn lowest(
    root: &Arc<Node>,
    at: Position,
    holds: impl Fn(&Tally, Position) -> bool,
) -> Option<Slot> {
    if !holds(&root.tally, at) {
        return None;
    }
    let holds = |subtree: &Subtree, at| match subtree {
        Some(node) => holds(&node.tally, at),
        None => holds(&Tally::default(), at),
    };
    let (mut subtree, mut at) = (Some(root), at);
    // Below an empty subtree all slots are alike, so its first one is the answer.
    while let Some((left, right)) = subtree.and_then(|node| node.children()) {
        let (left_at, right_at) = at.halves();
        (subtree, at) =
            if holds(left, left_at) { (left.as_ref(), left_at) } else { (right.as_ref(), right_at) };
    }
    Some(at.first_slot())
}

/// The non-empty leaves of a subtree in ascending order of their slots.
#[derive(Debug)]
pub(crate) struct Leaves<'a> {
    // At most one pending right sibling for each of the 24 levels, and the next node.
    pending: Vec<(&'a Arc<Node>, Position)>,
}

impl<'a> Leaves<'a> {
    pub(crate) fn of(subtree: &'a Subtree, at: Position) -> Self {
        Self { pending: subtree.iter().map(|node| (node, at)).collect() }
    }

    pub(crate) fn of_node(node: &'a Arc<Node>, at: Position) -> Self {
        Self { pending: vec![(node, at)] }
    }
}

impl<'a> Iterator for Leaves<'a> {
    type Item = (Slot, &'a Leaf);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (node, at) = self.pending.pop()?;
            match &node.content {
                Content::Leaf(leaf) => return Some((at.first_slot(), leaf)),
                Content::Inner { left, right } => {
                    let (left_at, right_at) = at.halves();
                    self.pending.extend(right.iter().map(|node| (node, right_at)));
                    self.pending.extend(left.iter().map(|node| (node, left_at)));
                }
            }
        }
    }
}
