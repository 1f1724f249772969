//! The tree of commitments.

use core::fmt;

use ark_bn254::Fr;
use curve::field;
use merkle_cbt::{CBMT, MerkleTree, merkle_tree::Merge};
use protocol::{AdminCommitment, AdminRoot};

use super::{ADMIN_LEVELS, ADMIN_SLOTS, AdminSecret, Labels, node};

/// Why commitments make no tree. The fault of whoever listed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminTreeError {
    /// More commitments than leaves.
    #[error("{0} admins do not fit a tree of 1024")]
    TooMany(usize),
    /// The commitment at this position is no field element.
    #[error("admin commitment {0} is not canonical")]
    NotCanonical(usize),
}

/// Merges nodes by the tree's hash.
struct NodeHash;

impl Merge for NodeHash {
    type Item = Fr;

    fn merge(left: &Fr, right: &Fr) -> Fr {
        node(*left, *right)
    }
}

/// The complete binary Merkle tree of [`ADMIN_SLOTS`] leaves over a list of commitments.
///
/// Positions of the list are positions of leaves; the rest is padding. About 64 kB.
pub struct AdminTree {
    nodes: MerkleTree<Fr, NodeHash>,
    len: usize,
}

impl AdminTree {
    /// Builds the tree: some 1,023 hashes, about 20 milliseconds.
    ///
    /// # Errors
    ///
    /// [`AdminTreeError`] for more than [`ADMIN_SLOTS`] commitments or one that is no field element.
    pub fn new(commitments: &[AdminCommitment]) -> Result<Self, AdminTreeError> {
        if commitments.len() > ADMIN_SLOTS {
            return Err(AdminTreeError::TooMany(commitments.len()));
        }
        let mut leaves = Vec::with_capacity(ADMIN_SLOTS);
        for (position, commitment) in commitments.iter().enumerate() {
            let leaf = field::from_bytes(commitment.as_bytes());
            leaves.push(leaf.ok_or(AdminTreeError::NotCanonical(position))?);
        }
        leaves.resize(ADMIN_SLOTS, Labels::get().padding);
        Ok(Self { nodes: CBMT::build_merkle_tree(&leaves), len: commitments.len() })
    }

    /// The root; all zero, which no tree hashes to, for a tree without admins.
    #[must_use]
    pub fn root(&self) -> AdminRoot {
        if self.len == 0 {
            AdminRoot::new([0; 32])
        } else {
            AdminRoot::new(field::to_bytes(self.nodes.root()))
        }
    }

    /// The way from the admin at a position up to the root, `None` beyond the last admin.
    #[must_use]
    pub fn path(&self, position: usize) -> Option<AdminPath> {
        let index = u16::try_from(position).ok().filter(|_| position < self.len)?;
        let proof = self.nodes.build_proof(&[u32::from(index)])?;
        let siblings = proof.lemmas().try_into().ok()?;
        Some(AdminPath { index, siblings })
    }
}

impl fmt::Debug for AdminTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminTree({} admins)", self.len)
    }
}

/// Where a leaf stands, and the nodes beside its way to the root.
///
/// Says which admin it is of, so it is not shown to anybody; its content is wiped with the witness.
#[derive(Clone)]
pub struct AdminPath {
    index: u16,
    siblings: [Fr; ADMIN_LEVELS],
}

impl AdminPath {
    /// The root this path leads to from the commitment of a secret.
    #[must_use]
    pub fn root(&self, secret: &AdminSecret) -> AdminRoot {
        let root = self.levels().fold(secret.leaf(), |current, (right, sibling)| {
            if right { node(*sibling, current) } else { node(current, *sibling) }
        });
        AdminRoot::new(field::to_bytes(root))
    }

    /// From the leaf upwards: whether the node on the way is the right child, and its sibling.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (bool, &Fr)> {
        self.siblings.iter().enumerate().map(|(level, sibling)| (self.index >> level & 1 == 1, sibling))
    }
}

impl fmt::Debug for AdminPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminPath(..)")
    }
}
