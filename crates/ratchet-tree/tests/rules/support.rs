//! A group whose members' leaf secrets are all at hand.

use std::collections::BTreeMap;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use curve::TreeSecret;
use protocol::{Epoch, LeafId, SigningKey, Slot, UnixSeconds, VerifyingKey};
use ratchet_tree::{Authored, Capacity, Leaf, Marked, NewLeaf, Prepared, Target, Tree, TreeError};

/// The `n`-th secret, the same in every run.
pub(crate) fn secret(n: u64) -> TreeSecret {
    TreeSecret::generate(&mut ChaCha20Rng::seed_from_u64(n))
}

/// The `n`-th signature key.
pub(crate) fn sig(n: u64) -> VerifyingKey {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    SigningKey::from_seed(&seed).verifying_key()
}

pub(crate) fn slot(n: u32) -> Slot {
    Slot::new(n)
}

pub(crate) fn slots(numbers: &[u32]) -> Vec<Slot> {
    numbers.iter().copied().map(Slot::new).collect()
}

/// Room for 32,768 leaves.
pub(crate) fn roomy() -> Capacity {
    Capacity::from_depth(15).unwrap()
}

pub(crate) const EXPIRES: UnixSeconds = UnixSeconds::new(1_000);

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) tree: Tree,
    pub(crate) secrets: BTreeMap<Slot, TreeSecret>,
    pub(crate) epoch: Epoch,
    drawn: u64,
}

impl World {
    /// A group of its creator alone, secret 0 and signature key 0.
    pub(crate) fn new() -> Self {
        let leaf = secret(0);
        let sign = leaf.dh(&curve::Point::sign_base()).derive();
        let tree = Tree::create(leaf.public(), sig(0), Epoch::ZERO, sign.public()).unwrap();
        Self { tree, secrets: BTreeMap::from([(slot(0), leaf)]), epoch: Epoch::ZERO, drawn: 0 }
    }

    /// A group of `n` active members in slots 0 to n − 1, with leaf ids alike.
    pub(crate) fn of(n: u32) -> Self {
        let mut world = Self::new();
        for expected in 1..n {
            assert_eq!(world.join(), slot(expected));
        }
        world
    }

    /// A number no secret or signature key was made of yet.
    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    pub(crate) fn since(&mut self) -> Epoch {
        self.epoch = self.epoch.next().unwrap();
        self.epoch
    }

    pub(crate) fn prepare(&self, target: Target) -> Prepared {
        self.tree.prepare(target, roomy()).unwrap()
    }

    /// One branch change by whoever; the world keeps the secret, if it was accepted.
    pub(crate) fn change(&mut self, target: Target, new: NewLeaf) -> Result<(Slot, Authored), TreeError> {
        let prepared = self.tree.prepare(target, roomy())?;
        let at = prepared.slot();
        let fresh = secret(self.draw());
        let authored = prepared.author(&fresh);
        assert_eq!(authored.keys.as_slice().len(), prepared.key_count());
        self.tree = prepared.finish(new, &authored.keys)?;
        self.secrets.insert(at, fresh);
        self.tree.audit().unwrap();
        Ok((at, authored))
    }

    pub(crate) fn join(&mut self) -> Slot {
        let (sig, since) = (sig(self.draw()), self.since());
        self.change(Target::Place, NewLeaf::Joined { sig, since }).unwrap().0
    }

    pub(crate) fn add(&mut self, doer: u32) -> Slot {
        let keyed_by = self.id(doer);
        let (sig, since) = (sig(self.draw()), self.since());
        self.change(Target::Place, NewLeaf::Added { sig, expires: EXPIRES, keyed_by, since }).unwrap().0
    }

    pub(crate) fn update(&mut self, at: u32) -> Authored {
        let since = self.since();
        self.change(Target::Existing(slot(at)), NewLeaf::Updated { sig: None, since }).unwrap().1
    }

    pub(crate) fn heal(&mut self, doer: u32) -> Slot {
        let keyed_by = self.id(doer);
        self.change(Target::LowestDirty, NewLeaf::Healed { keyed_by }).unwrap().0
    }

    pub(crate) fn mark(&mut self, numbers: &[u32]) -> Marked {
        let (tree, marked) = self.tree.mark(&slots(numbers)).unwrap();
        tree.audit().unwrap();
        self.tree = tree;
        marked
    }

    pub(crate) fn id(&self, at: u32) -> LeafId {
        self.tree.leaf(slot(at)).live().unwrap().leaf_id
    }

    pub(crate) fn is_dirty(&self, at: u32) -> bool {
        matches!(self.tree.leaf(slot(at)), Leaf::Dirty { .. })
    }

    pub(crate) fn keyer(&self, at: u32) -> Option<LeafId> {
        self.tree.leaf(slot(at)).keyed_by()
    }
}
