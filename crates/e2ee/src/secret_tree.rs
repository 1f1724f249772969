//! The secret tree: from one secret to a ratchet for every slot, without keeping what would undo forward secrecy.
//!
//! The shape is that of RFC 9420, section 9, over slots. The two children of a node are expanded from its secret and
//! the parent is deleted in the same step; a leaf becomes a chain that gives one secret per generation and moves on.
//! Only the nodes on the way to slots that were used are ever expanded, so a tree of 32,768 slots costs nothing before
//! its first message.
//!
//! ```text
//! left, right = Expand(node, "tree", "left"), Expand(node, "tree", "right")
//! chain_0     = Expand(leaf, "chain", slot)
//! ratchet_i   = Expand(chain_i, "ratchet", i)          chain_{i+1} = Expand(chain_i, "next", i)
//! key, nonce  = Expand(ratchet_i, "msg", frame id)
//! ```
//!
//! `ratchet_i` is apart from the chain so that a kept secret of a skipped generation gives none of the later ones.
//!
//! Receiving has two steps. [`SecretTree::peek`] derives on the side and changes nothing: every member can compute
//! everybody's keys and name another sender in a forged header, and such a frame must not use up that sender's keys.
//! [`SecretTree::commit`] deletes, once the seal, the identity's signature and the sender's slot have been checked.

use std::collections::BTreeMap;

use protocol::{FrameId, Slot, Suite, limits::MAX_DEPTH};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{OpenError, aead::OneTimeKey, kdf, schedule::MessageRoot};

mod chain;
mod state;

use chain::Chain;

/// Farthest a message may be ahead of the last one known of its sender, in generations.
pub const MAX_SKIP: u32 = 1_000;
/// Secrets of skipped generations kept per sender.
pub const MAX_KEPT: usize = 1_000;

/// Number of a message among those of its sender in its epoch, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Generation(u32);

impl Generation {
    /// Wraps a number.
    #[must_use]
    pub const fn new(n: u32) -> Self {
        Self(n)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Why there is no key for a slot and generation. None of them changes the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RatchetError {
    /// The tree would be deeper than the protocol allows, or its capacity is no power of two (the caller's fault).
    #[error("a tree cannot have {0} slots")]
    Capacity(u32),
    /// The slot is outside the tree (the sender's fault).
    #[error("no slot {0} in this tree")]
    NoSuchSlot(Slot),
    /// The secret of this generation was used and deleted: a repeated message.
    #[error("this generation was used before")]
    Used,
    /// Farther ahead than [`MAX_SKIP`] (the sender's fault, or a great loss).
    #[error("{0} generations ahead")]
    TooFarAhead(u32),
    /// More than [`MAX_KEPT`] skipped secrets would have to be kept (the sender's fault, or a great loss).
    #[error("too many skipped generations")]
    TooManySkipped,
    /// The last generation a sender can have was used.
    #[error("no generation left in this epoch")]
    Exhausted,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct NodeSecret([u8; 32]);

impl NodeSecret {
    fn child(&self, right: bool) -> Self {
        Self(*kdf::expand(&self.0, "tree", if right { b"right" } else { b"left" }))
    }
}

/// The secrets messages of one epoch are sealed under, as far as they are not used.
///
/// Nodes are numbered as in a heap: the root is 1, the children of n are 2n and 2n + 1, the leaf of slot s is
/// capacity + s. Of a path, only the lowest expanded node is held.
pub struct SecretTree {
    capacity: u32,
    nodes: BTreeMap<u32, NodeSecret>,
    chains: BTreeMap<u32, Chain>,
}

/// The secret of one message, derived on the side: it opens, and [`SecretTree::commit`] makes its use final.
#[derive(ZeroizeOnDrop)]
pub struct PendingKey {
    #[zeroize(skip)]
    slot: Slot,
    #[zeroize(skip)]
    generation: Generation,
    ratchet: [u8; 32],
}

/// The own secret of one message to send: taken from the tree for good, used up by sealing.
#[derive(ZeroizeOnDrop)]
pub struct SendKey {
    #[zeroize(skip)]
    slot: Slot,
    #[zeroize(skip)]
    generation: Generation,
    ratchet: [u8; 32],
}

impl SecretTree {
    /// A fresh tree of `capacity` slots, a power of two.
    ///
    /// Consumes the root secret; the caller deletes its stored copy in the same write that stores the tree.
    ///
    /// # Errors
    /// [`RatchetError::Capacity`] for a capacity that is no power of two or above 2^[`MAX_DEPTH`].
    pub fn new(root: MessageRoot, capacity: u32) -> Result<Self, RatchetError> {
        check_capacity(capacity)?;
        let nodes = BTreeMap::from([(1, NodeSecret(*root.expose()))]);
        Ok(Self { capacity, nodes, chains: BTreeMap::new() })
    }

    /// Slots of the tree.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Derives the secret of a sender's generation without changing anything.
    ///
    /// # Errors
    /// [`RatchetError`] for a slot outside the tree, a used generation, one too far ahead, or one that would leave too
    /// many skipped ones.
    pub fn peek(&self, slot: Slot, generation: Generation) -> Result<PendingKey, RatchetError> {
        self.check_slot(slot)?;
        let ratchet = match self.chains.get(&slot.get()) {
            Some(chain) => chain.peek(generation)?,
            None => self.fresh_chain(slot)?.peek(generation)?,
        };
        Ok(PendingKey { slot, generation, ratchet: *ratchet })
    }

    /// Makes the use of a secret final: expands the path, keeps what was skipped, deletes what was used.
    ///
    /// Only after the seal was opened with it, the identity's signature over the payload was verified, and the
    /// sender's slot was found Active in the epoch.
    ///
    /// # Errors
    /// [`RatchetError::Used`] when another frame with the same generation was committed since; the tree is unchanged.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a secret is committed once and must not be used again"
    )]
    pub fn commit(&mut self, key: PendingKey) -> Result<(), RatchetError> {
        self.take(key.slot, key.generation).map(drop)
    }

    /// Takes the next own secret. The caller stores the tree before it sends what is sealed with it.
    ///
    /// # Errors
    /// [`RatchetError::NoSuchSlot`] or [`RatchetError::Exhausted`].
    pub fn reserve(&mut self, own: Slot) -> Result<SendKey, RatchetError> {
        self.check_slot(own)?;
        let generation = self.next_generation(own).ok_or(RatchetError::Exhausted)?;
        let ratchet = self.take(own, generation)?;
        Ok(SendKey { slot: own, generation, ratchet: *ratchet })
    }

    /// The generation after the highest one used by a slot, `None` when there is none left.
    #[must_use]
    pub fn next_generation(&self, slot: Slot) -> Option<Generation> {
        self.chains.get(&slot.get()).map_or(Some(Generation(0)), Chain::next_generation)
    }

    fn take(&mut self, slot: Slot, generation: Generation) -> Result<Zeroizing<[u8; 32]>, RatchetError> {
        self.check_slot(slot)?;
        if !self.chains.contains_key(&slot.get()) {
            // Refuse before expanding, so that an error leaves the tree as it was.
            self.fresh_chain(slot)?.peek(generation)?;
            let chain = self.expand_to(slot)?;
            self.chains.insert(slot.get(), chain);
        }
        self.chains.get_mut(&slot.get()).ok_or(RatchetError::NoSuchSlot(slot))?.take(generation)
    }

    /// The chain of a slot that has none yet, computed on the side.
    fn fresh_chain(&self, slot: Slot) -> Result<Chain, RatchetError> {
        let leaf = self.capacity | slot.get();
        let (top, node) = self.lowest_held(leaf).ok_or(RatchetError::Used)?;
        let mut secret = NodeSecret(node.0);
        for step in (0..depth_between(top, leaf)).rev() {
            secret = secret.child(leaf >> step & 1 == 1);
        }
        Ok(Chain::new(&secret.0, slot))
    }

    /// The same, leaving the siblings of the path behind and nothing above them.
    fn expand_to(&mut self, slot: Slot) -> Result<Chain, RatchetError> {
        let leaf = self.capacity | slot.get();
        let (top, _) = self.lowest_held(leaf).ok_or(RatchetError::Used)?;
        let mut secret = self.nodes.remove(&top).ok_or(RatchetError::Used)?;
        for step in (0..depth_between(top, leaf)).rev() {
            let node = leaf >> step;
            let right = node & 1 == 1;
            self.nodes.insert(node ^ 1, secret.child(!right));
            secret = secret.child(right);
        }
        Ok(Chain::new(&secret.0, slot))
    }

    fn lowest_held(&self, leaf: u32) -> Option<(u32, &NodeSecret)> {
        let mut node = leaf;
        while node > 0 {
            if let Some(secret) = self.nodes.get(&node) {
                return Some((node, secret));
            }
            node >>= 1;
        }
        None
    }

    fn check_slot(&self, slot: Slot) -> Result<(), RatchetError> {
        if slot.get() < self.capacity { Ok(()) } else { Err(RatchetError::NoSuchSlot(slot)) }
    }
}

fn check_capacity(capacity: u32) -> Result<(), RatchetError> {
    if capacity.is_power_of_two() && capacity.ilog2() <= MAX_DEPTH {
        Ok(())
    } else {
        Err(RatchetError::Capacity(capacity))
    }
}

/// Steps from a node down to a leaf below it; both are positive.
const fn depth_between(top: u32, leaf: u32) -> u32 {
    top.leading_zeros() - leaf.leading_zeros()
}

impl PendingKey {
    /// The slot it belongs to.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// The generation it belongs to.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Opens a content with the key of this generation and frame.
    pub(crate) fn open(
        &self,
        suite: Suite,
        frame: &FrameId,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        message_key(&self.ratchet, frame).open(suite, aad, sealed)
    }
}

impl SendKey {
    /// The slot it belongs to.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// The generation it belongs to, which the payload's signature covers.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Seals a padded content; the secret is gone afterwards.
    pub(crate) fn seal(
        self,
        suite: Suite,
        frame: &FrameId,
        aad: &[u8],
        padded: Zeroizing<Vec<u8>>,
    ) -> Vec<u8> {
        message_key(&self.ratchet, frame).seal(suite, aad, padded)
    }
}

/// Depends on the random frame id, so that a generation repeated after a restored backup has another key and nonce.
fn message_key(ratchet: &[u8; 32], frame: &FrameId) -> OneTimeKey {
    OneTimeKey::expand(ratchet, "msg", frame.as_bytes())
}

impl core::fmt::Debug for SecretTree {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SecretTree({} slots, ..)", self.capacity)
    }
}

impl core::fmt::Debug for PendingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PendingKey(..)")
    }
}

impl core::fmt::Debug for SendKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SendKey(..)")
    }
}
