//! What one member knows: the secrets on the path from its leaf to the root, and the signing secret.

use core::fmt;

use curve::{Point, TreeSecret};
use protocol::Slot;

use crate::{PathMismatch, Tree};

/// The secrets of one live leaf's path in one tree, each checked against the public key it belongs to.
///
/// A correct proof makes every check succeed, so a failing one means that the proof system is broken; a member who
/// stops there is denied service, but not led into a tree of which it does not know the root. All secrets are wiped on
/// drop.
#[derive(Clone)]
pub struct PathSecrets {
    slot: Slot,
    leaf: Known,
    /// Derived levels from the leaf upwards.
    derived: Vec<Known>,
    sign: Known,
}

/// A secret, its public key, and the two keys it follows from.
#[derive(Clone)]
struct Known {
    key: Point,
    secret: TreeSecret,
    from: Option<(Point, Point)>,
}

impl PathSecrets {
    /// Walks from a live leaf to the root and one level further, to the signing key.
    ///
    /// Two scalar multiplications for each level at which keys are derived.
    ///
    /// # Errors
    /// [`PathMismatch`] where the leaf or a derived secret does not belong to the tree's key.
    pub fn derive(tree: &Tree, slot: Slot, leaf: &TreeSecret) -> Result<Self, PathMismatch> {
        Self::walk(tree, slot, leaf, None)
    }

    /// As [`Self::derive`] for the same slot in a later tree, with the same result, taking over every secret whose key
    /// and whose two children's keys are unchanged: after somebody else's change, those below the first node that
    /// changed.
    ///
    /// # Errors
    /// As [`Self::derive`].
    pub fn rederive(&self, tree: &Tree, leaf: &TreeSecret) -> Result<Self, PathMismatch> {
        Self::walk(tree, self.slot, leaf, Some(self))
    }

    fn walk(
        tree: &Tree,
        slot: Slot,
        leaf: &TreeSecret,
        earlier: Option<&Self>,
    ) -> Result<Self, PathMismatch> {
        let dh = tree.leaf(slot).live().ok_or(PathMismatch::NotLive)?.dh;
        if leaf.public() != dh {
            return Err(PathMismatch::Leaf);
        }
        let leaf = Known { key: dh, secret: leaf.clone(), from: None };
        let levels = tree.path(slot).unwrap_or_default();
        // Allocated once: growing would leave copies of secrets behind in freed memory.
        let mut derived: Vec<Known> = Vec::with_capacity(levels.len());
        for level in &levels {
            let below = derived.last().unwrap_or(&leaf);
            let known = below
                .step(&level.sibling, level.key, earlier)
                .ok_or(PathMismatch::Node { level: level.level })?;
            derived.push(known);
        }
        let root = derived.last().unwrap_or(&leaf);
        let sign = root.step(&Point::sign_base(), tree.sign_key(), earlier).ok_or(PathMismatch::SignKey)?;
        Ok(Self { slot, leaf, derived, sign })
    }

    /// The slot whose path this is.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// The leaf secret.
    #[must_use]
    pub const fn leaf(&self) -> &TreeSecret {
        &self.leaf.secret
    }

    /// The root secret; input of the key schedule, and of nothing else.
    #[must_use]
    pub fn root(&self) -> &TreeSecret {
        &self.derived.last().unwrap_or(&self.leaf).secret
    }

    /// The signing secret, which belongs to the tree's signing key.
    #[must_use]
    pub const fn sign(&self) -> &TreeSecret {
        &self.sign.secret
    }
}

impl Known {
    /// The secret of the next level, if it is the one of `key`.
    ///
    /// An earlier secret is taken over only if it followed from the same two keys. That the key is the same would not
    /// be enough: a tree accepted on a false proof might keep a key that removed members know above a leaf that
    /// changed.
    fn step(&self, sibling: &Point, key: Point, earlier: Option<&PathSecrets>) -> Option<Self> {
        let from = Some((self.key, *sibling));
        let same = |known: &&Self| known.key == key && known.from == from;
        let earlier = earlier.into_iter().flat_map(|path| path.derived.iter().chain([&path.sign]));
        if let Some(known) = earlier.into_iter().find(same) {
            return Some(known.clone());
        }
        let secret = self.secret.dh(sibling).derive();
        (secret.public() == key).then_some(Self { key, secret, from })
    }
}

impl fmt::Debug for PathSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathSecrets(slot {}, {} derived levels)", self.slot, self.derived.len())
    }
}
