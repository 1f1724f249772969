//! The tree as a plain row of leaves, recomputed from their secrets whenever anything is asked.

use curve::Point;
use protocol::{LeafId, Slot, TreeHash};
use ratchet_tree::{Leaf, Status, Tree};
use sha2::{Digest, Sha256};

use crate::group::{Group, Known};

pub(crate) struct Model<S> {
    /// As many as the capacity; a leaf that is not empty has its secret beside it.
    pub(crate) row: Vec<(Leaf, Option<S>)>,
    pub(crate) next_leaf_id: u64,
}

impl<S: Clone> Model<S> {
    pub(crate) fn new(leaf: Leaf, secret: S) -> Self {
        Self { row: vec![(leaf, Some(secret))], next_leaf_id: 1 }
    }

    pub(crate) fn placement(&self) -> usize {
        let lowest = |wanted: fn(&Leaf) -> bool| self.row.iter().position(|(leaf, _)| wanted(leaf));
        lowest(|leaf| matches!(leaf, Leaf::Vacant { .. }))
            .or_else(|| lowest(Leaf::is_empty))
            .unwrap_or(self.row.len())
    }

    pub(crate) fn lowest_dirty(&self) -> Option<usize> {
        self.row.iter().position(|(leaf, _)| matches!(leaf, Leaf::Dirty { .. }))
    }

    /// Doubles if needed, empties what has no live leaf beside the path, sets the leaf, halves while possible.
    pub(crate) fn change(&mut self, slot: usize, leaf: Leaf, secret: S) {
        if slot == self.row.len() {
            self.row.resize(2 * slot, (Leaf::Empty, None));
        }
        let mut width = 1;
        while width < self.row.len() {
            let sibling = (slot / width) ^ 1;
            let beside = &mut self.row[sibling * width..(sibling + 1) * width];
            if beside.iter().all(|(leaf, _)| leaf.live().is_none()) {
                beside.fill((Leaf::Empty, None));
            }
            width *= 2;
        }
        self.row[slot] = (leaf, Some(secret));
        while self.row.len() > 1 && self.row[self.row.len() / 2..].iter().all(|(leaf, _)| leaf.is_empty()) {
            self.row.truncate(self.row.len() / 2);
        }
    }

    /// Makes leaves dirty, and whatever is keyed by them.
    pub(crate) fn mark(&mut self, slots: &[usize]) {
        let named: Vec<LeafId> =
            slots.iter().filter_map(|slot| self.row[*slot].0.live().map(|live| live.leaf_id)).collect();
        for slot in slots {
            self.row[*slot].0 = Leaf::Dirty { dh: *self.row[*slot].0.dh().unwrap() };
        }
        for (leaf, _) in &mut self.row {
            if leaf.keyed_by().is_some_and(|by| named.contains(&by)) {
                *leaf = Leaf::Dirty { dh: *leaf.dh().unwrap() };
            }
        }
    }

    /// The secret of the node over some slots, computed from the leaves.
    pub(crate) fn secret<G: Group<Secret = S>>(
        &self,
        group: &mut G,
        first: usize,
        width: usize,
    ) -> Option<S> {
        if width == 1 {
            return self.row[first].1.clone();
        }
        let half = width / 2;
        match (self.secret(group, first, half), self.secret(group, first + half, half)) {
            (Some(left), Some(right)) => {
                let (left_key, right_key) = (group.public(&left), group.public(&right));
                let secret = group.derive(&left, &right_key);
                let other = group.derive(&right, &left_key);
                assert_eq!(group.public(&secret), group.public(&other), "both children agree");
                Some(secret)
            }
            (only, None) | (None, only) => only,
        }
    }

    pub(crate) fn root<G: Group<Secret = S>>(&self, group: &mut G) -> S {
        self.secret(group, 0, self.row.len()).unwrap()
    }

    /// The secret of the root as a coalition finds it that knows some secrets: from a child it knows and the sibling's
    /// key, level by level. Whatever it finds on the way, it knows from then on.
    pub(crate) fn follow<G: Group<Secret = S>>(
        &self,
        group: &mut G,
        known: &mut Known<S>,
        first: usize,
        width: usize,
    ) -> Option<S> {
        let node = self.secret(group, first, width)?;
        let key = group.public(&node);
        let half = width / 2;
        let found = if width == 1 {
            None
        } else {
            let left = self.follow(group, known, first, half);
            let right = self.follow(group, known, first + half, half);
            let keys = [first, first + half].map(|at| {
                let secret = self.secret(group, at, half)?;
                Some(group.public(&secret))
            });
            match (left, right, keys) {
                (Some(secret), _, [_, Some(sibling)]) | (_, Some(secret), [Some(sibling), _]) => {
                    Some(group.derive(&secret, &sibling))
                }
                (only, None, _) | (None, only, _) => only,
                (Some(_), Some(_), _) => panic!("two known children have two keys"),
            }
        };
        if let Some(secret) = found {
            assert_eq!(group.public(&secret), key, "what is followed is the node");
            known.insert(key, secret);
        }
        known.get(&key).cloned()
    }

    /// Compares the tree with this model in everything that can be asked of it.
    pub(crate) fn compare<G: Group<Secret = S>>(&self, group: &mut G, tree: &Tree) {
        assert_eq!(tree.capacity().get() as usize, self.row.len());
        assert_eq!(tree.next_leaf_id().get(), self.next_leaf_id);
        assert_eq!(tree.placement(), at(self.placement()));
        assert_eq!(tree.lowest_dirty(), self.lowest_dirty().map(at));
        let count = |wanted: fn(&Leaf) -> bool| self.row.iter().filter(|(leaf, _)| wanted(leaf)).count();
        assert_eq!(tree.active_count() as usize, count(|leaf| leaf.active().is_some()));
        assert_eq!(tree.live_count() as usize, count(|leaf| leaf.live().is_some()));
        assert_eq!(tree.dirty_count() as usize, count(|leaf| matches!(leaf, Leaf::Dirty { .. })));
        assert_eq!(tree.is_clean(), self.lowest_dirty().is_none());
        assert_eq!(tree.leaves().count(), count(|leaf| !leaf.is_empty()));
        for (slot, (leaf, secret)) in self.row.iter().enumerate() {
            assert_eq!(tree.leaf(at(slot)), leaf);
            assert_eq!(secret.as_ref().map(|secret| group.public(secret)), leaf.dh().copied());
            if let Some(live) = leaf.live() {
                assert_eq!(tree.slot_of_leaf(live.leaf_id), Some(at(slot)));
                assert_eq!(tree.slot_of_sig(&live.sig), Some(at(slot)));
                let keyed: Vec<Slot> = (0..self.row.len())
                    .filter(|other| self.row[*other].0.keyed_by() == Some(live.leaf_id))
                    .map(at)
                    .collect();
                let mut found: Vec<Slot> = tree.keyed_by(live.leaf_id).collect();
                found.sort_unstable();
                assert_eq!(found, keyed);
                let invites = keyed.iter().filter(|slot| tree.leaf(**slot).live().is_some()).count();
                assert_eq!(tree.invites_of(live.leaf_id), invites);
            }
        }
        let root = self.root(group);
        let root_key = group.public(&root);
        let sign = group.derive(&root, &Point::sign_base());
        assert_eq!(tree.root_key(), root_key);
        assert_eq!(tree.sign_key(), group.public(&sign));
        assert_eq!(tree.hash(), self.hash(group, &tree.sign_key()));
        tree.audit().unwrap();
    }

    /// The tree hash by its definition.
    fn hash<G: Group<Secret = S>>(&self, group: &mut G, sign_key: &Point) -> TreeHash {
        let mut input = b"kith/v1/tree".to_vec();
        input.extend(u32::try_from(self.row.len()).unwrap().to_be_bytes());
        input.extend(self.next_leaf_id.to_be_bytes());
        input.extend(sign_key.as_bytes());
        input.extend(self.node_hash(group, 0, self.row.len()));
        TreeHash::new(Sha256::digest(input).into())
    }

    fn node_hash<G: Group<Secret = S>>(&self, group: &mut G, first: usize, width: usize) -> [u8; 32] {
        let mut input = b"kith/v1/node".to_vec();
        input.extend(u32::try_from(2 * first + width - 1).unwrap().to_be_bytes());
        let half = width / 2;
        let occupied =
            |first: usize, width: usize| self.row[first..first + width].iter().any(|(l, _)| !l.is_empty());
        if !occupied(first, width) {
            input.push(2);
        } else if width == 1 {
            leaf_record(&mut input, &self.row[first].0);
        } else {
            input.push(u8::from(!(occupied(first, half) && occupied(first + half, half))));
            let secret = self.secret(group, first, width).unwrap();
            input.extend(group.public(&secret).as_bytes());
            input.extend(self.node_hash(group, first, half));
            input.extend(self.node_hash(group, first + half, half));
        }
        Sha256::digest(input).into()
    }
}

fn leaf_record(input: &mut Vec<u8>, leaf: &Leaf) {
    let live = |input: &mut Vec<u8>, kind, live: &ratchet_tree::LiveLeaf| {
        input.push(kind);
        input.extend(live.dh.as_bytes());
        input.extend(live.sig.as_bytes());
        input.extend(live.leaf_id.get().to_be_bytes());
        input.extend(live.since.get().to_be_bytes());
    };
    match leaf {
        Leaf::Empty => input.push(2),
        Leaf::Live(leaf) => match leaf.status {
            Status::Active => live(input, 3, leaf),
            Status::Invited { expires, keyed_by } => {
                live(input, 4, leaf);
                input.extend(expires.get().to_be_bytes());
                input.extend(keyed_by.get().to_be_bytes());
            }
        },
        Leaf::Vacant { dh, keyed_by } => {
            input.push(5);
            input.extend(dh.as_bytes());
            input.extend(keyed_by.get().to_be_bytes());
        }
        Leaf::Dirty { dh } => {
            input.push(6);
            input.extend(dh.as_bytes());
        }
    }
}

pub(crate) fn at(slot: usize) -> Slot {
    Slot::new(u32::try_from(slot).unwrap())
}
