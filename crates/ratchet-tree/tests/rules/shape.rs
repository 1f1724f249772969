//! Growth, shrinking, placement, normalisation, number of keys.

use curve::Point;
use protocol::LeafId;
use ratchet_tree::{BranchKeys, Capacity, Leaf, NewLeaf, PathSecrets, Status, Target, TreeError};

use crate::support::{World, roomy, sig, slot, slots};

#[test]
fn one_leaf_is_its_own_root() {
    let mut world = World::new();
    assert_eq!(world.tree.capacity(), Capacity::ONE);
    assert_eq!(Some(&world.tree.root_key()), world.tree.leaf(slot(0)).dh());
    assert_eq!(world.tree.path(slot(0)), Some(vec![]));
    assert_eq!(world.prepare(Target::Existing(slot(0))).key_count(), 2);
    let before = world.tree.clone();
    world.update(0);
    assert_ne!(world.tree.root_key(), before.root_key());
    assert_ne!(world.tree.sign_key(), before.sign_key());
    assert_eq!(world.tree.next_leaf_id(), LeafId::new(1));
}

#[test]
fn two_leaves_share_a_derived_root() {
    let world = World::of(2);
    assert_eq!(world.tree.capacity().get(), 2);
    let shared = world.secrets[&slot(0)].dh(world.tree.leaf(slot(1)).dh().unwrap()).derive();
    assert_eq!(shared.public(), world.tree.root_key());
    let path = world.tree.path(slot(1)).unwrap();
    assert_eq!(path.len(), 1);
    assert_eq!((path[0].level, path[0].key), (1, world.tree.root_key()));
    assert_eq!(Some(&path[0].sibling), world.tree.leaf(slot(0)).dh());
}

#[test]
fn the_tree_doubles_when_it_is_full() {
    let mut world = World::new();
    let mut capacities = vec![];
    for n in 1..=9 {
        capacities.push(world.tree.capacity().get());
        assert_eq!(world.tree.active_count(), n);
        world.join();
    }
    assert_eq!(capacities, [1, 2, 4, 4, 8, 8, 8, 8, 16]);
}

#[test]
fn an_invite_may_double_the_tree() {
    let mut world = World::of(4);
    assert_eq!(world.add(3), slot(4));
    assert_eq!(world.tree.capacity().get(), 8);
    assert_eq!(world.keyer(4), Some(LeafId::new(3)));
}

#[test]
fn a_lone_child_passes_its_key_through() {
    let mut world = World::of(3);
    // Slot 3 is empty, so the parent of 2 and 3 has the key of 2, and 2 derives one level only.
    let path = world.tree.path(slot(2)).unwrap();
    assert_eq!(path.iter().map(|level| level.level).collect::<Vec<_>>(), [2]);
    assert_eq!(world.tree.path(slot(0)).unwrap()[1].sibling, *world.tree.leaf(slot(2)).dh().unwrap());
    assert_eq!(world.prepare(Target::Existing(slot(2))).key_count(), 3);
    // The joiner at 3 makes the missing level appear, and 2 derives it with the secret it has.
    world.join();
    assert_eq!(world.tree.path(slot(2)).unwrap().len(), 2);
    PathSecrets::derive(&world.tree, slot(2), &world.secrets[&slot(2)]).unwrap();
}

#[test]
fn an_empty_right_half_is_cut_off() {
    let mut world = World::of(5);
    assert_eq!(world.tree.capacity().get(), 8);
    world.mark(&[4]);
    assert_eq!(world.tree.capacity().get(), 8, "a mark changes no key and no capacity");
    // Slot 4 is alone beside the path of 0: its neighbour's update empties it, no heal needed.
    world.update(0);
    assert_eq!(world.tree.capacity().get(), 4);
    assert!(world.tree.is_clean());
    assert!(world.tree.leaf(slot(4)).is_empty());
}

#[test]
fn several_halvings_follow_one_change() {
    let mut world = World::of(9);
    world.mark(&[1, 2, 3, 4, 5, 6, 7, 8]);
    world.update(0);
    assert_eq!(world.tree.capacity(), Capacity::ONE);
    assert_eq!(world.tree.root_key(), world.secrets[&slot(0)].public());
    assert!(world.tree.is_clean());
}

#[test]
fn a_vacant_right_half_stays_until_a_change_beside_it() {
    let mut world = World::of(3);
    world.mark(&[2]);
    assert_eq!(world.heal(0), slot(2));
    assert_eq!(world.tree.capacity().get(), 4);
    world.update(1);
    assert_eq!(world.tree.capacity().get(), 2);
}

#[test]
fn new_leaves_go_to_the_lowest_vacant_then_the_lowest_empty_slot_then_double() {
    let mut world = World::of(8);
    world.mark(&[2, 5]);
    world.heal(0);
    world.heal(0);
    // Updating 4 empties 5, its sibling; 2 is vacant. The vacant one goes first although a lower empty one may exist.
    world.update(4);
    assert!(world.tree.leaf(slot(5)).is_empty());
    world.mark(&[1]);
    world.update(0);
    assert!(world.tree.leaf(slot(1)).is_empty());
    assert!(matches!(world.tree.leaf(slot(2)), Leaf::Vacant { .. }));
    assert_eq!([world.join(), world.join(), world.join(), world.join()].map(|s| s.get()), [2, 1, 5, 8]);
    assert_eq!(world.tree.capacity().get(), 16);
}

#[test]
fn placement_passes_dirty_leaves_over() {
    let mut world = World::of(4);
    world.mark(&[1]);
    assert_eq!(world.tree.placement(), slot(4));
}

#[test]
fn normalisation_takes_dirty_and_vacant_leaves_out_of_the_keys() {
    let mut world = World::of(8);
    world.mark(&[4, 5, 6]);
    // 4 and 5 have no live leaf above them; 6 has its live neighbour 7.
    let prepared = world.prepare(Target::Existing(slot(7)));
    assert_eq!(prepared.siblings().len(), 1, "only the left half is live");
    assert_eq!(prepared.key_count(), 3);
    world.update(7);
    assert!(world.tree.is_clean());
    assert_eq!(world.tree.path(slot(7)).unwrap().len(), 1);
    for empty in 4..7 {
        assert!(world.tree.leaf(slot(empty)).is_empty());
    }
}

#[test]
fn normalisation_is_not_the_authors_choice() {
    let mut world = World::of(4);
    world.mark(&[1]);
    // The branch of 0 with its dirty sibling still in it: one key more than the rules allow.
    let own = world.secrets[&slot(3)].clone();
    let honest = world.prepare(Target::Existing(slot(0))).author(&own);
    assert_eq!(honest.keys.as_slice().len(), 3);
    let mut keys = honest.keys.into_vec();
    keys.insert(1, crate::support::secret(900).public());
    let lazy = BranchKeys::new(keys).unwrap();
    let refused = world
        .prepare(Target::Existing(slot(0)))
        .finish(NewLeaf::Updated { sig: None, since: world.epoch }, &lazy)
        .unwrap_err();
    assert_eq!(refused, TreeError::WrongKeyCount);
}

#[test]
fn several_heals_follow_each_other() {
    let mut world = World::of(8);
    world.mark(&[1, 3, 6]);
    let healed = [world.heal(0), world.heal(0), world.heal(7)];
    assert_eq!(healed.map(|s| s.get()), [1, 3, 6]);
    assert!(world.tree.is_clean());
    assert_eq!(
        [1, 3, 6].map(|n| world.keyer(n)),
        [Some(LeafId::new(0)), Some(LeafId::new(0)), Some(LeafId::new(7))]
    );
    for live in [0, 2, 4, 5, 7] {
        PathSecrets::derive(&world.tree, slot(live), &world.secrets[&slot(live)]).unwrap();
    }
}

#[test]
fn a_heal_empties_dirty_leaves_beside_its_path() {
    let mut world = World::of(8);
    world.mark(&[4, 5, 6, 7]);
    assert_eq!(world.heal(0), slot(4));
    assert!(world.tree.is_clean(), "one carrier for the whole run of removed leaves");
    assert!(matches!(world.tree.leaf(slot(4)), Leaf::Vacant { .. }));
    assert_eq!(world.tree.leaves().map(|(s, _)| s.get()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn leaf_ids_are_kept_by_updates_and_never_reused() {
    let mut world = World::of(3);
    assert_eq!(world.add(1), slot(3));
    let invited = world.id(3);
    assert_eq!(invited, LeafId::new(3));
    assert_eq!(world.tree.invites_of(LeafId::new(1)), 1);
    assert_eq!(world.tree.leaf(slot(3)).keyed_by(), Some(LeafId::new(1)));

    // The invitee's first update makes it active under the same id; nobody else knows its secret any more.
    world.update(3);
    assert_eq!(world.id(3), invited);
    assert_eq!(world.tree.leaf(slot(3)).active().unwrap().since, world.epoch);
    assert_eq!(world.tree.leaf(slot(3)).keyed_by(), None);
    assert_eq!(world.tree.invites_of(LeafId::new(1)), 0);

    world.mark(&[3]);
    world.heal(0);
    assert_eq!(world.tree.slot_of_leaf(invited), None);
    assert_eq!(world.join(), slot(3));
    assert_eq!(world.id(3), LeafId::new(4));
}

#[test]
fn an_update_may_rotate_the_signature_key() {
    let mut world = World::of(2);
    let (old, new, since) = (sig(0), sig(700), world.since());
    world.change(Target::Existing(slot(0)), NewLeaf::Updated { sig: Some(new), since }).unwrap();
    assert_eq!(world.tree.slot_of_sig(&old), None);
    assert_eq!(world.tree.slot_of_sig(&new), Some(slot(0)));
    assert_eq!(world.id(0), LeafId::new(0));
}

#[test]
fn a_rejoin_keeps_names_and_what_it_keyed() {
    let mut world = World::of(3);
    world.add(2);
    let (before, since) = (*world.tree.leaf(slot(2)).live().unwrap(), world.since());
    world.change(Target::Existing(slot(2)), NewLeaf::Rejoined { since }).unwrap();
    let after = *world.tree.leaf(slot(2)).live().unwrap();
    assert_eq!((after.leaf_id, after.sig, after.status), (before.leaf_id, before.sig, Status::Active));
    assert_ne!(after.dh, before.dh);
    assert_eq!(after.since, since);
    assert_eq!(world.tree.keyed_by(before.leaf_id).collect::<Vec<_>>(), slots(&[3]));
}

#[test]
fn preparing_changes_nothing() {
    let mut world = World::of(4);
    world.mark(&[2, 3]);
    let before = world.tree.clone();
    drop(world.prepare(Target::Existing(slot(0))));
    assert_eq!(world.tree, before);
    assert_eq!(world.tree.slot_of_dh(before.leaf(slot(2)).dh().unwrap()), Some(slot(2)));
    world.tree.audit().unwrap();
}

#[test]
fn siblings_are_what_the_path_has_when_nothing_is_to_normalise() {
    let world = World::of(13);
    for n in 0..13 {
        let path = world.tree.path(slot(n)).unwrap();
        let prepared = world.tree.prepare(Target::Existing(slot(n)), roomy()).unwrap();
        assert_eq!(path.iter().map(|level| level.sibling).collect::<Vec<Point>>(), prepared.siblings());
        assert_eq!(prepared.capacity(), world.tree.capacity());
    }
    assert_eq!(world.tree.path(slot(13)), None);
    assert_eq!(world.tree.path(slot(99)), None);
    assert!(world.tree.leaf(slot(99)).is_empty());
}
