//! Look-ups from a leaf's names to its slot.

use curve::Point;
use imbl::{OrdMap, OrdSet};
use protocol::{LeafId, Slot, VerifyingKey};

use crate::{Leaf, TreeDecodeError, TreeError};

/// Persistent maps beside the nodes: O(1) to clone, O(log n) to look up and change.
///
/// Ordered maps, because keys are chosen by members and a hash map's worst case would be theirs to choose, too.
/// Inserting is the second wall behind the checks of a change: no map ever holds two leaves of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    leaf_ids: OrdMap<LeafId, Slot>,
    sigs: OrdMap<VerifyingKey, Slot>,
    dhs: OrdMap<[u8; Point::LEN], Slot>,
    keyed: OrdSet<Keyed>,
}

/// One leaf whose secret was chosen by another; ordered so that those of one doer, and its invites, are one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Keyed {
    by: LeafId,
    invited: bool,
    slot: Slot,
}

/// A name is taken already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    TreeKey,
    SignatureKey,
    LeafId,
}

impl From<Clash> for TreeError {
    fn from(clash: Clash) -> Self {
        match clash {
            Clash::TreeKey => Self::DuplicateTreeKey,
            Clash::SignatureKey => Self::DuplicateSignatureKey,
            // The counter gives out each id once, so this is what a counter without ids would be.
            Clash::LeafId => Self::GroupFull,
        }
    }
}

impl From<Clash> for TreeDecodeError {
    fn from(clash: Clash) -> Self {
        match clash {
            Clash::TreeKey => Self::DuplicateTreeKey,
            Clash::SignatureKey => Self::DuplicateSignatureKey,
            Clash::LeafId => Self::BadLeafId,
        }
    }
}

const FIRST: Slot = Slot::ZERO;
const LAST: Slot = Slot::new(u32::MAX);

impl Index {
    /// Enters a leaf.
    ///
    /// # Errors
    /// The name that is taken. What was entered before the clash stays, so callers insert into a copy.
    pub(crate) fn insert(&mut self, slot: Slot, leaf: &Leaf) -> Result<(), Clash> {
        if let Some(dh) = leaf.dh()
            && self.dhs.insert(*dh.as_bytes(), slot).is_some()
        {
            return Err(Clash::TreeKey);
        }
        if let Some(live) = leaf.live() {
            if self.sigs.insert(live.sig, slot).is_some() {
                return Err(Clash::SignatureKey);
            }
            if self.leaf_ids.insert(live.leaf_id, slot).is_some() {
                return Err(Clash::LeafId);
            }
        }
        if let Some(by) = leaf.keyed_by() {
            self.keyed.insert(Keyed { by, invited: leaf.live().is_some(), slot });
        }
        Ok(())
    }

    /// Removes a leaf that was entered.
    pub(crate) fn remove(&mut self, slot: Slot, leaf: &Leaf) {
        if let Some(dh) = leaf.dh() {
            self.dhs.remove(dh.as_bytes());
        }
        if let Some(live) = leaf.live() {
            self.sigs.remove(&live.sig);
            self.leaf_ids.remove(&live.leaf_id);
        }
        if let Some(by) = leaf.keyed_by() {
            self.keyed.remove(&Keyed { by, invited: leaf.live().is_some(), slot });
        }
    }

    pub(crate) fn slot_of_leaf(&self, leaf_id: LeafId) -> Option<Slot> {
        self.leaf_ids.get(&leaf_id).copied()
    }

    pub(crate) fn slot_of_sig(&self, sig: &VerifyingKey) -> Option<Slot> {
        self.sigs.get(sig).copied()
    }

    pub(crate) fn slot_of_dh(&self, dh: &Point) -> Option<Slot> {
        self.dhs.get(dh.as_bytes()).copied()
    }

    /// Slots of the vacant leaves keyed by a leaf, then those of its invites, each in ascending order.
    pub(crate) fn keyed_by(&self, by: LeafId) -> impl Iterator<Item = Slot> + '_ {
        let first = Keyed { by, invited: false, slot: FIRST };
        let last = Keyed { by, invited: true, slot: LAST };
        self.keyed.range(first..=last).map(|keyed| keyed.slot)
    }

    /// Slots of the invites of a leaf, ascending.
    pub(crate) fn invites_of(&self, by: LeafId) -> impl Iterator<Item = Slot> + '_ {
        let first = Keyed { by, invited: true, slot: FIRST };
        let last = Keyed { by, invited: true, slot: LAST };
        self.keyed.range(first..=last).map(|keyed| keyed.slot)
    }

    /// Every leaf that keyed another, each once.
    pub(crate) fn keyers(&self) -> impl Iterator<Item = LeafId> + '_ {
        let mut previous = None;
        self.keyed
            .iter()
            .filter_map(move |keyed| (previous.replace(keyed.by) != Some(keyed.by)).then_some(keyed.by))
    }

    /// Whether the maps have as many entries as there are leaves of each sort.
    pub(crate) fn agrees_with(&self, occupied: u32, live: u32, keyed: u32) -> bool {
        let is = |len: usize, count: u32| u32::try_from(len) == Ok(count);
        is(self.dhs.len(), occupied)
            && is(self.sigs.len(), live)
            && is(self.leaf_ids.len(), live)
            && is(self.keyed.len(), keyed)
    }
}
