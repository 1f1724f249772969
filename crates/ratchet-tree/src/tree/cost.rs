//! What a change costs, counted in nodes made and not in time.

use std::{collections::HashSet, sync::Arc};

use curve::{Point, TreeSecret};
use protocol::{Epoch, SigningKey, Slot, VerifyingKey};

use super::Tree;
use crate::{BranchKeys, Capacity, Leaf, NewLeaf, Target, node::Node};

fn point(n: u32) -> Point {
    let mut bytes = [0; TreeSecret::LEN];
    bytes[..4].copy_from_slice(&(n + 1).to_le_bytes());
    TreeSecret::from_bytes(&bytes).unwrap().public()
}

fn sig(n: u32) -> VerifyingKey {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&n.to_be_bytes());
    SigningKey::from_seed(&seed).verifying_key()
}

/// A change with a given leaf key and made-up inner keys, which cost nothing to make.
fn change(tree: &Tree, target: Target, new: NewLeaf, leaf: u32) -> Tree {
    let prepared = tree.prepare(target, Capacity::from_depth(16).unwrap()).unwrap();
    let mut keys = vec![point(1 << 20); prepared.key_count()];
    keys[0] = point(leaf);
    prepared.finish(new, &BranchKeys::new(keys).unwrap()).unwrap()
}

fn of(leaves: u32) -> Tree {
    let mut tree = Tree::create(point(0), sig(0), Epoch::ZERO, point(1 << 20)).unwrap();
    for n in 1..leaves {
        tree = change(&tree, Target::Place, NewLeaf::Joined { sig: sig(n), since: Epoch::ZERO }, n);
    }
    tree
}

fn nodes(tree: &Tree) -> HashSet<*const Node> {
    let mut found = HashSet::new();
    let mut pending = vec![&tree.root];
    while let Some(node) = pending.pop() {
        found.insert(Arc::as_ptr(node));
        if let Some((left, right)) = node.children() {
            pending.extend([left, right].into_iter().flatten());
        }
    }
    found
}

/// Nodes of `new` that `old` does not hold, too.
fn made(old: &Tree, new: &Tree) -> usize {
    nodes(new).difference(&nodes(old)).count()
}

fn costs_its_path(leaves: u32) {
    let tree = of(leaves);
    let path = usize::from(tree.capacity().depth()) + 1;
    let (first, middle, last) = (Slot::ZERO, Slot::new(leaves / 2), Slot::new(leaves - 1));
    let since = Epoch::new(1);

    for (n, slot) in (0u32..).zip([first, middle, last]) {
        let updated =
            change(&tree, Target::Existing(slot), NewLeaf::Updated { sig: None, since }, leaves + n);
        assert_eq!(made(&tree, &updated), path);
        let (marked, _) = tree.mark(&[slot]).unwrap();
        assert_eq!(made(&tree, &marked), path);
    }

    let joined = change(&tree, Target::Place, NewLeaf::Joined { sig: sig(leaves), since }, leaves);
    assert_eq!(made(&tree, &joined), usize::from(joined.capacity().depth()) + 1);

    // Many marks at once make each node above them once.
    let some: Vec<Slot> = (0..64).map(Slot::new).collect();
    let (marked, _) = tree.mark(&some).unwrap();
    assert_eq!(made(&tree, &marked), 64 + 63 + (path - 7));

    let keyed_by = tree.leaf(last).live().unwrap().leaf_id;
    let healed = change(&marked, Target::LowestDirty, NewLeaf::Healed { keyed_by }, leaves);
    assert_eq!(made(&marked, &healed), path);
    assert!(healed.is_clean(), "the run of marked leaves is one carrier now");
    assert_eq!(tree.clone().hash(), tree.hash());
    assert_eq!(made(&tree, &tree.clone()), 0);
}

#[test]
fn a_change_among_a_thousand_leaves_costs_its_path() {
    costs_its_path(1_000);
}

#[test]
fn a_change_among_32_768_leaves_costs_its_path() {
    costs_its_path(32_768);
}

#[test]
fn halving_shares_the_left_half() {
    let mut tree = of(1_024);
    let rest: Vec<Slot> = (512..1_024).map(Slot::new).collect();
    tree = tree.mark(&rest).unwrap().0;
    let halved = change(
        &tree,
        Target::Existing(Slot::new(5)),
        NewLeaf::Updated { sig: None, since: Epoch::new(1) },
        5_000,
    );
    assert_eq!(halved.capacity().get(), 512);
    assert_eq!(made(&tree, &halved), 10);
    assert!(matches!(halved.leaf(Slot::new(600)), Leaf::Empty));
    halved.audit().unwrap();
}
