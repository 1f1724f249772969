//! The bytes of a tree.
//!
//! ```text
//! u8 version (1) ‖ u8 depth ‖ u64 next_leaf_id ‖ K_sign ‖ u32 n ‖ n leaves ‖ n − 1 derived keys
//! leaf = u32 slot ‖ u8 kind ‖ dh ‖ fields of the kind
//!   3 active   sig ‖ u64 leaf_id ‖ u64 since
//!   4 invited  sig ‖ u64 leaf_id ‖ u64 since ‖ u64 expires ‖ u64 keyed_by
//!   5 vacant   u64 keyed_by
//!   6 dirty
//! ```
//!
//! Integers are big-endian, keys 32 bytes. Leaves ascend by slot, derived keys go level by level upwards and from left
//! to right. What is passed through or empty is implied, so a tree has exactly one form: a binary tree over n leaves
//! has n − 1 nodes with two children.

use curve::Point;
use protocol::{Epoch, LeafId, Slot, UnixSeconds, VerifyingKey};

use super::{Tree, audit::Parts};
use crate::{Capacity, Leaf, LiveLeaf, Status, TreeDecodeError, node::kind};

const VERSION: u8 = 1;
/// Shortest leaf: slot, kind and key.
const MIN_LEAF: usize = 4 + 1 + Point::LEN;

impl Tree {
    /// The one encoding of this tree, about 120 bytes for each leaf. O(n).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts = self.parts();
        let mut out = Vec::with_capacity(64 + 128 * parts.leaves.len());
        out.push(VERSION);
        out.push(parts.capacity.depth());
        out.extend(parts.next_leaf_id.get().to_be_bytes());
        out.extend(parts.sign_key.as_bytes());
        // At most 2^24 leaves.
        out.extend(u32::try_from(parts.leaves.len()).unwrap_or(u32::MAX).to_be_bytes());
        for (slot, leaf) in &parts.leaves {
            out.extend(slot.get().to_be_bytes());
            write_leaf(&mut out, leaf);
        }
        for key in &parts.derived {
            out.extend(key.as_bytes());
        }
        out
    }

    /// Decodes a tree and makes every check but those only derivation secrets or proofs could make.
    ///
    /// Iterative, and allocates nothing before the bytes for it are there. Costs about 0.1 ms for each key, nearly all
    /// of it for the square root and the check that a point lies in the prime-order subgroup.
    ///
    /// # Errors
    /// [`TreeDecodeError`] unless the bytes are what [`Self::to_bytes`] gives for a tree that keeps all rules.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeDecodeError> {
        let mut input = Input(bytes);
        if input.u8()? != VERSION {
            return Err(TreeDecodeError::UnknownVersion);
        }
        let capacity = Capacity::from_depth(input.u8()?).ok_or(TreeDecodeError::TooDeep)?;
        let next_leaf_id = LeafId::new(input.u64()?);
        let sign_key = input.point()?;
        let count = input.u32()?;
        if count == 0 || count > capacity.get() {
            return Err(TreeDecodeError::LeafCount);
        }
        let count = usize::try_from(count).map_err(|_| TreeDecodeError::LeafCount)?;
        let mut leaves = input.room_for(count, MIN_LEAF)?;
        for _ in 0..count {
            leaves.push((Slot::new(input.u32()?), read_leaf(&mut input)?));
        }
        let inner = count - 1;
        let mut derived = input.room_for(inner, Point::LEN)?;
        for _ in 0..inner {
            derived.push(input.point()?);
        }
        if !input.0.is_empty() {
            return Err(TreeDecodeError::TrailingBytes);
        }
        Self::from_parts(Parts { capacity, next_leaf_id, sign_key, leaves, derived })
    }
}

fn write_leaf(out: &mut Vec<u8>, leaf: &Leaf) {
    match leaf {
        // Not among the parts of a tree.
        Leaf::Empty => {}
        Leaf::Live(LiveLeaf { dh, sig, leaf_id, since, status }) => {
            out.push(if let Status::Active = status { kind::ACTIVE } else { kind::INVITED });
            out.extend(dh.as_bytes());
            out.extend(sig.as_bytes());
            out.extend(leaf_id.get().to_be_bytes());
            out.extend(since.get().to_be_bytes());
            if let Status::Invited { expires, keyed_by } = status {
                out.extend(expires.get().to_be_bytes());
                out.extend(keyed_by.get().to_be_bytes());
            }
        }
        Leaf::Vacant { dh, keyed_by } => {
            out.push(kind::VACANT);
            out.extend(dh.as_bytes());
            out.extend(keyed_by.get().to_be_bytes());
        }
        Leaf::Dirty { dh } => {
            out.push(kind::DIRTY);
            out.extend(dh.as_bytes());
        }
    }
}

fn read_leaf(input: &mut Input<'_>) -> Result<Leaf, TreeDecodeError> {
    let kind = input.u8()?;
    let dh = input.point()?;
    match kind {
        kind::ACTIVE | kind::INVITED => {
            let sig =
                VerifyingKey::from_bytes(input.array()?).map_err(|_| TreeDecodeError::BadSignatureKey)?;
            let leaf_id = LeafId::new(input.u64()?);
            let since = Epoch::new(input.u64()?);
            let status = if kind == kind::ACTIVE {
                Status::Active
            } else {
                Status::Invited {
                    expires: UnixSeconds::new(input.u64()?),
                    keyed_by: LeafId::new(input.u64()?),
                }
            };
            Ok(Leaf::Live(LiveLeaf { dh, sig, leaf_id, since, status }))
        }
        kind::VACANT => Ok(Leaf::Vacant { dh, keyed_by: LeafId::new(input.u64()?) }),
        kind::DIRTY => Ok(Leaf::Dirty { dh }),
        _ => Err(TreeDecodeError::UnknownLeafKind),
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], TreeDecodeError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(TreeDecodeError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    fn u8(&mut self) -> Result<u8, TreeDecodeError> {
        self.array::<1>().map(|[byte]| *byte)
    }

    fn u32(&mut self) -> Result<u32, TreeDecodeError> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    fn u64(&mut self) -> Result<u64, TreeDecodeError> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    fn point(&mut self) -> Result<Point, TreeDecodeError> {
        Point::from_bytes(self.array()?).map_err(|_| TreeDecodeError::BadTreeKey)
    }

    /// Allocates for `count` items once there are bytes for all of them.
    fn room_for<T>(&self, count: usize, shortest: usize) -> Result<Vec<T>, TreeDecodeError> {
        match count.checked_mul(shortest) {
            Some(needed) if needed <= self.0.len() => Ok(Vec::with_capacity(count)),
            Some(_) | None => Err(TreeDecodeError::Truncated),
        }
    }
}
