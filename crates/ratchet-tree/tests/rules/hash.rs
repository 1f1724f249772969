//! The structural hash: written out independently, compared, and fixed.

use curve::Point;
use protocol::{LeafId, Slot};
use ratchet_tree::{Leaf, LiveLeaf, Status, Tree};
use sha2::{Digest, Sha256};

use crate::support::World;

/// The hash of the whole tree as the book lays it out, from leaves and path keys, with nothing cached.
fn from_scratch(tree: &Tree) -> [u8; 32] {
    let mut input = b"kith/v1/tree".to_vec();
    input.extend(tree.capacity().get().to_be_bytes());
    input.extend(tree.next_leaf_id().get().to_be_bytes());
    input.extend(tree.sign_key().as_bytes());
    input.extend(subtree(tree, 0, tree.capacity().get()).1);
    Sha256::digest(input).into()
}

/// Key and hash of the slots from `first` on.
fn subtree(tree: &Tree, first: u32, width: u32) -> (Option<Point>, [u8; 32]) {
    let mut input = b"kith/v1/node".to_vec();
    // In the array form a node lies in the middle between its outermost leaves, which are at even indices.
    input.extend((2 * first + width - 1).to_be_bytes());
    let key = if width == 1 {
        leaf(&mut input, tree.leaf(Slot::new(first)))
    } else {
        let (left, left_hash) = subtree(tree, first, width / 2);
        let (right, right_hash) = subtree(tree, first + width / 2, width / 2);
        let (kind, key) = match (left, right) {
            (None, None) => (2, None),
            (Some(_), Some(_)) => {
                let some_leaf =
                    tree.leaves().find(|(slot, _)| (first..first + width).contains(&slot.get())).unwrap();
                let levels = tree.path(some_leaf.0).unwrap();
                let level = levels.into_iter().find(|level| 1 << level.level == width).unwrap();
                (0, Some(level.key))
            }
            (only, None) | (None, only) => (1, only),
        };
        input.push(kind);
        if let Some(key) = key {
            input.extend(key.as_bytes());
            input.extend(left_hash);
            input.extend(right_hash);
        }
        key
    };
    (key, Sha256::digest(input).into())
}

fn leaf(input: &mut Vec<u8>, leaf: &Leaf) -> Option<Point> {
    input.push(match leaf {
        Leaf::Empty => 2,
        Leaf::Live(LiveLeaf { status: Status::Active, .. }) => 3,
        Leaf::Live(_) => 4,
        Leaf::Vacant { .. } => 5,
        Leaf::Dirty { .. } => 6,
    });
    input.extend(leaf.dh().iter().flat_map(|dh| dh.as_bytes()));
    if let Some(LiveLeaf { sig, leaf_id, since, status, .. }) = leaf.live() {
        input.extend(sig.as_bytes());
        input.extend(leaf_id.get().to_be_bytes());
        input.extend(since.get().to_be_bytes());
        if let Status::Invited { expires, .. } = status {
            input.extend(expires.get().to_be_bytes());
        }
    }
    input.extend(leaf.keyed_by().iter().flat_map(|id| id.get().to_be_bytes()));
    leaf.dh().copied()
}

/// A tree with a leaf of every kind, a passed-through node and an empty subtree.
pub(crate) fn motley() -> World {
    let mut world = World::of(6);
    world.mark(&[1]);
    world.heal(2);
    world.mark(&[3]);
    world.heal(0);
    world.add(4);
    world.mark(&[5]);
    world
}

#[test]
fn a_motley_tree_has_every_kind_of_leaf() {
    let world = motley();
    let kinds = world.tree.leaves().map(|(_, leaf)| match leaf {
        Leaf::Empty => 'E',
        Leaf::Live(live) if live.is_active() => 'A',
        Leaf::Live(_) => 'I',
        Leaf::Vacant { .. } => 'V',
        Leaf::Dirty { .. } => 'D',
    });
    assert_eq!(kinds.collect::<String>(), "AIAVAD");
}

#[test]
fn the_hash_is_the_one_laid_out() {
    let mut world = World::new();
    assert_eq!(*world.tree.hash().as_bytes(), from_scratch(&world.tree));
    for _ in 0..5 {
        world.join();
        assert_eq!(*world.tree.hash().as_bytes(), from_scratch(&world.tree));
    }
    let world = motley();
    assert_eq!(*world.tree.hash().as_bytes(), from_scratch(&world.tree));
}

#[test]
fn the_hash_covers_every_field() {
    let bytes = motley().tree.to_bytes();
    let base = Tree::from_bytes(&bytes).unwrap().hash();
    let mut tried = 0;
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        // What still decodes differs in one field only, and so must its hash.
        if let Ok(tree) = Tree::from_bytes(&other) {
            assert_ne!(tree.hash(), base, "byte {at}");
            tried += 1;
        }
    }
    assert!(tried > 100, "too few fields were free to change: {tried}");
}

#[test]
fn golden_hashes() {
    let one = World::new();
    assert_eq!(one.tree.next_leaf_id(), LeafId::new(1));
    assert_eq!(
        one.tree.hash().to_string(),
        "ea36596f9ecb0ea5914cbc28aa55506e522d6ba24c4eaae46e9929c585add9c9"
    );
    assert_eq!(
        motley().tree.hash().to_string(),
        "58d1bff5c55521668c424bcab4da7da1a41b8a779ca04df0dedfe80d014067ff"
    );
}
