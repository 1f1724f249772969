//! Sizes of the tree and positions in its array form.

use protocol::{Slot, limits::MAX_DEPTH};

/// Number of leaf slots of a tree: a power of two from 1 to 2^24.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Capacity {
    depth: u8,
}

impl Capacity {
    /// A single slot: the root is the leaf.
    pub const ONE: Self = Self { depth: 0 };

    /// The capacity of a tree with `depth` levels above its leaves, `None` above 24.
    ///
    /// A proof tier of `t` levels spends one on the signing key and thus serves depth `t − 1`.
    #[must_use]
    pub const fn from_depth(depth: u8) -> Option<Self> {
        if depth as u32 <= MAX_DEPTH { Some(Self { depth }) } else { None }
    }

    /// Number of slots.
    #[must_use]
    pub const fn get(self) -> u32 {
        1 << self.depth
    }

    /// Levels above the leaves.
    #[must_use]
    pub const fn depth(self) -> u8 {
        self.depth
    }

    /// Whether the slot lies within.
    #[must_use]
    pub const fn contains(self, slot: Slot) -> bool {
        slot.get() < self.get()
    }

    pub(crate) const fn doubled(self) -> Option<Self> {
        Self::from_depth(self.depth + 1)
    }

    pub(crate) const fn halved(self) -> Self {
        Self { depth: self.depth.saturating_sub(1) }
    }
}

/// The subtree of a height that contains a slot.
///
/// Its array index (RFC 9420, appendix C) tells both position and height, and stays the same when the tree grows or
/// shrinks above it: that is why hashes of subtrees survive doubling and halving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    level: u8,
    number: u32,
}

impl Position {
    /// The subtree of height `level` above `slot`.
    pub(crate) const fn above(slot: Slot, level: u8) -> Self {
        Self { level, number: slot.get() >> level }
    }

    /// The array index: even for leaves, a run of `level` ones at the low end above.
    pub(crate) const fn array_index(self) -> u32 {
        (self.number << (self.level + 1)) | ((1 << self.level) - 1)
    }

    /// The leftmost slot below.
    pub(crate) const fn first_slot(self) -> Slot {
        Slot::new(self.number << self.level)
    }

    /// Number of slots below.
    pub(crate) const fn width(self) -> u32 {
        1 << self.level
    }

    /// The subtree with the same parent.
    pub(crate) const fn sibling(self) -> Self {
        Self { level: self.level, number: self.number ^ 1 }
    }

    /// The two children of an inner subtree; a leaf is its own halves, which no caller asks for.
    pub(crate) const fn halves(self) -> (Self, Self) {
        let Some(level) = self.level.checked_sub(1) else { return (self, self) };
        let left = self.number << 1;
        (Self { level, number: left }, Self { level, number: left | 1 })
    }
}

/// Whether the subtree of height `level` above `slot` is a right child.
pub(crate) const fn is_right(slot: Slot, level: u8) -> bool {
    (slot.get() >> level) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_indices_are_those_of_the_standard() {
        // Eight leaves: leaves at even indices, parents between them, the root at 7.
        let at = |slot, level| Position::above(Slot::new(slot), level).array_index();
        assert_eq!((0..8).map(|s| at(s, 0)).collect::<Vec<_>>(), [0, 2, 4, 6, 8, 10, 12, 14]);
        assert_eq!((0..8).step_by(2).map(|s| at(s, 1)).collect::<Vec<_>>(), [1, 5, 9, 13]);
        assert_eq!([at(0, 2), at(4, 2), at(0, 3)], [3, 11, 7]);
    }

    #[test]
    fn the_deepest_tree_fits_its_indices() {
        let capacity = Capacity::from_depth(24).unwrap();
        assert_eq!(Position::above(Slot::new(capacity.get() - 1), 0).array_index(), (1 << 25) - 2);
        assert_eq!(capacity.doubled(), None);
        assert_eq!(Capacity::from_depth(25), None);
        assert_eq!(Capacity::ONE.halved(), Capacity::ONE);
    }

    #[test]
    fn halves_cover_their_parent() {
        let parent = Position::above(Slot::new(5), 2);
        let (left, right) = parent.halves();
        assert_eq!((left.first_slot().get(), left.width()), (4, 2));
        assert_eq!((right.first_slot().get(), right.width()), (6, 2));
        assert!(is_right(Slot::new(6), 1) && !is_right(Slot::new(5), 1));
    }
}
