//! What members derive, and what they notice.

use curve::Point;
use ratchet_tree::{BranchKeys, NewLeaf, PathMismatch, PathSecrets, Target, Tree};

use crate::support::{World, roomy, secret, slot};

fn derive(world: &World, n: u32) -> PathSecrets {
    PathSecrets::derive(&world.tree, slot(n), &world.secrets[&slot(n)]).unwrap()
}

/// The tree after an update of `target` with keys spoilt by `spoil`, as a broken proof system would let it pass.
fn spoilt(world: &World, target: u32, spoil: impl FnOnce(&mut Vec<Point>)) -> Tree {
    let prepared = world.tree.prepare(Target::Existing(slot(target)), roomy()).unwrap();
    let mut keys = prepared.author(&secret(8_000)).keys.into_vec();
    spoil(&mut keys);
    prepared
        .finish(NewLeaf::Updated { sig: None, since: world.epoch }, &BranchKeys::new(keys).unwrap())
        .unwrap()
}

#[test]
fn all_members_and_the_author_agree() {
    let mut world = World::of(7);
    world.add(3);
    let authored = world.update(5);
    for n in 0..8 {
        let path = derive(&world, n);
        assert_eq!(*path.root(), authored.root, "slot {n}");
        assert_eq!(*path.sign(), authored.sign, "slot {n}");
        assert_eq!(*path.leaf(), world.secrets[&slot(n)]);
        assert_eq!(path.slot(), slot(n));
    }
    assert_eq!(authored.root.public(), world.tree.root_key());
    assert_eq!(authored.sign.public(), world.tree.sign_key());
}

#[test]
fn secrets_follow_growth_and_shrinking() {
    let mut world = World::new();
    let mut path = derive(&world, 0);
    for _ in 0..8 {
        world.join();
        path = path.rederive(&world.tree, &world.secrets[&slot(0)]).unwrap();
        assert_eq!(*path.root(), *derive(&world, 0).root());
    }
    world.mark(&[2, 3, 4, 5, 6, 7, 8]);
    world.update(1);
    path = path.rederive(&world.tree, &world.secrets[&slot(0)]).unwrap();
    assert_eq!(*path.root(), *derive(&world, 1).root());
}

#[test]
fn an_own_update_needs_the_new_leaf_secret() {
    let mut world = World::of(4);
    let (path, old) = (derive(&world, 1), world.secrets[&slot(1)].clone());
    world.update(1);
    assert_eq!(path.rederive(&world.tree, &old).unwrap_err(), PathMismatch::Leaf);
    let fresh = path.rederive(&world.tree, &world.secrets[&slot(1)]).unwrap();
    assert_eq!(*fresh.root(), *derive(&world, 0).root());
}

#[test]
fn a_leaf_that_is_not_live_derives_nothing() {
    let mut world = World::of(4);
    let path = derive(&world, 2);
    world.mark(&[2]);
    let own = world.secrets[&slot(2)].clone();
    assert_eq!(PathSecrets::derive(&world.tree, slot(2), &own).unwrap_err(), PathMismatch::NotLive);
    assert_eq!(path.rederive(&world.tree, &own).unwrap_err(), PathMismatch::NotLive);
    assert_eq!(PathSecrets::derive(&world.tree, slot(9), &own).unwrap_err(), PathMismatch::NotLive);
}

#[test]
fn a_foreign_secret_is_noticed_at_the_leaf() {
    let world = World::of(4);
    let foreign = &world.secrets[&slot(1)];
    assert_eq!(PathSecrets::derive(&world.tree, slot(2), foreign).unwrap_err(), PathMismatch::Leaf);
}

#[test]
fn a_false_key_is_noticed_at_its_level() {
    let world = World::of(8);
    // The path of slot 0: keys of leaf, level 1, 2, 3, sign.
    for level in 1..=3u8 {
        let tree = spoilt(&world, 0, |keys| keys[usize::from(level)] = secret(8_001).public());
        // Whoever has that node above it sees it; for the lowest ones that is slot 1 alone.
        let seen = PathSecrets::derive(&tree, slot(1), &world.secrets[&slot(1)]).unwrap_err();
        assert_eq!(seen, PathMismatch::Node { level });
    }
    let tree = spoilt(&world, 0, |keys| keys[4] = secret(8_001).public());
    for n in 1..8 {
        let seen = PathSecrets::derive(&tree, slot(n), &world.secrets[&slot(n)]).unwrap_err();
        assert_eq!(seen, PathMismatch::SignKey);
    }
}

#[test]
fn a_key_that_stays_above_a_changed_leaf_is_noticed_although_its_secret_is_known() {
    let world = World::of(4);
    let earlier = derive(&world, 3);
    let own = &world.secrets[&slot(3)];
    let root = world.tree.root_key();
    let tree = spoilt(&world, 0, |keys| keys[2] = root);
    assert_eq!(earlier.rederive(&tree, own).unwrap_err(), PathMismatch::Node { level: 2 });
    let sign = world.tree.sign_key();
    let tree = spoilt(&world, 0, |keys| keys[3] = sign);
    assert_eq!(earlier.rederive(&tree, own).unwrap_err(), PathMismatch::SignKey);
}

#[test]
fn nothing_secret_is_shown() {
    let mut world = World::of(4);
    let path = derive(&world, 0);
    assert_eq!(format!("{path:?}"), "PathSecrets(slot 0, 2 derived levels)");
    let shown = format!("{:?}", world.update(1));
    assert!(shown.contains("root: TreeSecret(..), sign: TreeSecret(..)"), "{shown}");
}
