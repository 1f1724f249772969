//! Who goes with whom.

use protocol::{LeafId, UnixSeconds};
use ratchet_tree::Leaf;

use crate::support::{EXPIRES, World, slot, slots};

#[test]
fn a_mark_takes_rights_and_keeps_keys() {
    let mut world = World::of(4);
    let (before, leaf) = (world.tree.clone(), *world.tree.leaf(slot(2)).live().unwrap());
    let marked = world.mark(&[2]);
    assert_eq!(*world.tree.leaf(slot(2)), Leaf::Dirty { dh: leaf.dh });
    assert_eq!(world.tree.slot_of_sig(&leaf.sig), None);
    assert_eq!(world.tree.slot_of_leaf(leaf.leaf_id), None);
    assert_eq!(world.tree.root_key(), before.root_key());
    assert_eq!(world.tree.sign_key(), before.sign_key());
    assert_ne!(world.tree.hash(), before.hash());
    assert_eq!(world.tree.lowest_dirty(), Some(slot(2)));
    assert_eq!((world.tree.active_count(), world.tree.dirty_count()), (3, 1));
    assert_eq!(marked.dirtied, slots(&[2]));
    assert_eq!(marked.named[0].leaf, leaf);
    assert!(marked.revoked.is_empty());
}

#[test]
fn whatever_the_marked_keyed_becomes_dirty_with_them() {
    let mut world = World::of(6);
    // 1 heals two slots and invites somebody; 0 invites somebody else.
    world.mark(&[3, 5]);
    world.heal(1);
    world.heal(1);
    assert_eq!(world.add(1), slot(3), "the add takes a vacant slot over");
    assert_eq!(world.add(0), slot(5), "and so does the other");
    world.mark(&[4]);
    world.heal(1);
    let (keyer, invite) = (world.id(1), world.id(3));

    let marked = world.mark(&[1]);
    assert_eq!(marked.dirtied, slots(&[1, 3, 4]));
    assert_eq!(marked.leaf_ids().collect::<Vec<_>>(), [keyer, invite]);
    assert_eq!(marked.revoked.iter().map(|m| m.slot).collect::<Vec<_>>(), slots(&[3]));
    assert_eq!(world.tree.keyed_by(keyer).count(), 0);
    assert!(world.tree.leaf(slot(5)).live().is_some(), "the invite of another stays");
}

#[test]
fn a_joined_invitee_does_not_go_with_its_inviter() {
    let mut world = World::of(2);
    world.add(0);
    world.update(2);
    world.mark(&[0]);
    assert!(world.tree.leaf(slot(2)).active().is_some());
}

#[test]
fn an_inviter_and_its_invitee_may_be_named_together() {
    let mut world = World::of(3);
    world.add(1);
    let marked = world.mark(&[3, 1]);
    assert_eq!(marked.named.iter().map(|m| m.slot).collect::<Vec<_>>(), slots(&[1, 3]));
    assert!(marked.revoked.is_empty());
    assert_eq!(marked.dirtied, slots(&[1, 3]));
}

#[test]
fn marks_may_pile_up_before_the_heal() {
    let mut world = World::of(4);
    world.mark(&[1]);
    world.mark(&[2]);
    assert_eq!(world.tree.dirty_count(), 2);
    assert_eq!(world.heal(3), slot(1));
    // The healer goes, too: what it healed has to be healed again.
    world.mark(&[3]);
    assert!([1, 2, 3].iter().all(|n| world.is_dirty(*n)));
    assert_eq!(world.heal(0), slot(1));
    assert!(world.tree.is_clean(), "2 and 3 stood beside the path without a live leaf");
}

#[test]
fn own_marks_reach_vacant_leaves_and_invites() {
    let mut world = World::of(5);
    world.mark(&[3]);
    world.heal(0);
    world.add(0);
    world.mark(&[4]);
    world.heal(0);
    assert_eq!(
        world.tree.keyed_by(LeafId::new(0)).collect::<Vec<_>>(),
        slots(&[4, 3]),
        "vacant, then invited"
    );
    let invite = world.id(3);
    let (tree, marked) = world.tree.mark_own(slot(0), &slots(&[4, 3])).unwrap();
    tree.audit().unwrap();
    assert_eq!(marked.dirtied, slots(&[3, 4]));
    assert_eq!(marked.leaf_ids().collect::<Vec<_>>(), [invite]);
    assert_eq!(tree.keyed_by(LeafId::new(0)).count(), 0);
    assert!(tree.leaf(slot(0)).active().is_some());
}

#[test]
fn overdue_invites_expire() {
    let mut world = World::of(2);
    world.add(0);
    world.add(1);
    let later = UnixSeconds::new(EXPIRES.get() + 1);
    let (tree, marked) = world.tree.expire(&slots(&[3, 2]), later).unwrap();
    tree.audit().unwrap();
    assert_eq!(marked.dirtied, slots(&[2, 3]));
    assert_eq!(marked.named.len(), 2);
    assert_eq!((tree.live_count(), tree.invites_of(LeafId::new(0))), (2, 0));
}
