//! Every refusal, each reached by a change that breaks one rule.

use curve::Point;
use protocol::{LeafId, Refusal, UnixSeconds};
use ratchet_tree::{BranchKeys, Capacity, NewLeaf, Target, Tree, TreeError};

use crate::support::{EXPIRES, World, roomy, secret, sig, slot, slots};

/// Finishes a change with honest keys, and gives the refusal.
fn refused(world: &World, target: Target, new: NewLeaf) -> TreeError {
    let prepared = world.prepare(target);
    let keys = prepared.author(&secret(5_000)).keys;
    prepared.finish(new, &keys).unwrap_err()
}

/// Finishes an update of slot 0 with keys spoilt by `spoil`.
fn refused_keys(world: &World, spoil: impl FnOnce(&mut Vec<Point>)) -> TreeError {
    let prepared = world.prepare(Target::Existing(slot(0)));
    let mut keys = prepared.author(&secret(5_000)).keys.into_vec();
    spoil(&mut keys);
    let since = world.epoch;
    BranchKeys::new(keys)
        .and_then(|keys| prepared.finish(NewLeaf::Updated { sig: None, since }, &keys))
        .unwrap_err()
}

#[test]
fn group_full_beyond_the_largest_capacity() {
    let world = World::of(4);
    let largest = Capacity::from_depth(2).unwrap();
    assert_eq!(world.tree.prepare(Target::Place, largest).unwrap_err(), TreeError::GroupFull);
    assert!(world.tree.prepare(Target::Existing(slot(1)), largest).is_ok());
    assert!(world.tree.prepare(Target::Place, roomy()).is_ok());
}

#[test]
fn group_full_beyond_the_largest_membership() {
    let mut world = World::of(3);
    world.add(0);
    assert_eq!(world.tree.check(4, None), Ok(()));
    assert_eq!(world.tree.check(3, None), Err(TreeError::GroupFull), "invites count");
}

#[test]
fn group_full_without_leaf_ids() {
    let mut bytes = World::new().tree.to_bytes();
    bytes[2..10].copy_from_slice(&u64::MAX.to_be_bytes());
    let tree = Tree::from_bytes(&bytes).unwrap();
    let prepared = tree.prepare(Target::Place, roomy()).unwrap();
    let keys = prepared.author(&secret(9)).keys;
    let new = NewLeaf::Joined { sig: sig(9), since: World::new().epoch };
    assert_eq!(prepared.finish(new, &keys).unwrap_err(), TreeError::GroupFull);
}

#[test]
fn wrong_slot_for_an_add_or_join_elsewhere() {
    let world = World::of(3);
    let (sig, since, keyed_by) = (sig(99), world.epoch, LeafId::new(0));
    let elsewhere = Target::Existing(slot(1));
    let added = NewLeaf::Added { sig, expires: EXPIRES, keyed_by, since };
    assert_eq!(refused(&world, elsewhere, added), TreeError::WrongSlot);
    assert_eq!(refused(&world, elsewhere, NewLeaf::Joined { sig, since }), TreeError::WrongSlot);
}

#[test]
fn wrong_slot_for_a_heal_elsewhere() {
    let mut world = World::of(5);
    world.mark(&[1, 3]);
    let healed = NewLeaf::Healed { keyed_by: LeafId::new(0) };
    assert_eq!(refused(&world, Target::Existing(slot(3)), healed), TreeError::WrongSlot);
    assert_eq!(refused(&world, Target::Existing(slot(2)), healed), TreeError::WrongSlot);
}

#[test]
fn wrong_key_count() {
    let world = World::of(4);
    assert_eq!(refused_keys(&world, |keys| keys.truncate(3)), TreeError::WrongKeyCount);
    assert_eq!(refused_keys(&world, |keys| keys.push(secret(1).public())), TreeError::WrongKeyCount);
    assert_eq!(refused_keys(&world, |keys| keys.truncate(1)), TreeError::WrongKeyCount);
    assert_eq!(refused_keys(&world, Vec::clear), TreeError::WrongKeyCount);
}

#[test]
fn bad_tree_key_at_every_place() {
    let world = World::of(4);
    for reserved in [Point::generator(), Point::sign_base()] {
        for place in 0..4 {
            assert_eq!(refused_keys(&world, |keys| keys[place] = reserved), TreeError::BadTreeKey);
        }
        let (good, since) = (secret(1).public(), world.epoch);
        assert_eq!(Tree::create(reserved, sig(1), since, good).unwrap_err(), TreeError::BadTreeKey);
        assert_eq!(Tree::create(good, sig(1), since, reserved).unwrap_err(), TreeError::BadTreeKey);
    }
}

#[test]
fn duplicate_tree_key_of_any_leaf() {
    let mut world = World::of(5);
    world.mark(&[3]);
    for n in [0, 1, 2, 3] {
        let taken = *world.tree.leaf(slot(n)).dh().unwrap();
        assert_eq!(refused_keys(&world, |keys| keys[0] = taken), TreeError::DuplicateTreeKey, "slot {n}");
    }
}

#[test]
fn a_tree_key_is_free_again_once_its_leaf_is_emptied() {
    let mut world = World::of(4);
    world.mark(&[1]);
    let emptied = world.secrets[&slot(1)].clone();
    let prepared = world.prepare(Target::Existing(slot(0)));
    let keys = prepared.author(&emptied).keys;
    let tree = prepared.finish(NewLeaf::Updated { sig: None, since: world.epoch }, &keys).unwrap();
    assert_eq!(tree.slot_of_dh(&emptied.public()), Some(slot(0)));
    tree.audit().unwrap();
}

#[test]
fn duplicate_signature_key_of_any_live_leaf() {
    let mut world = World::of(3);
    world.add(0);
    let since = world.epoch;
    for n in 0..4 {
        let taken = world.tree.leaf(slot(n)).live().unwrap().sig;
        let joined = NewLeaf::Joined { sig: taken, since };
        assert_eq!(refused(&world, Target::Place, joined), TreeError::DuplicateSignatureKey);
        let updated = NewLeaf::Updated { sig: Some(taken), since };
        assert_eq!(refused(&world, Target::Existing(slot(0)), updated), TreeError::DuplicateSignatureKey);
    }
    // A marked leaf has no signature key any more.
    let sig = world.tree.leaf(slot(2)).live().unwrap().sig;
    world.mark(&[2]);
    world.heal(0);
    world.change(Target::Place, NewLeaf::Joined { sig, since }).unwrap();
}

#[test]
fn no_such_leaf() {
    let mut world = World::of(3);
    let since = world.epoch;
    for nothing in [3, 4, u32::MAX] {
        let target = Target::Existing(slot(nothing));
        assert_eq!(world.tree.prepare(target, roomy()).unwrap_err(), TreeError::NoSuchLeaf);
        assert_eq!(world.tree.mark(&slots(&[nothing])).unwrap_err(), TreeError::NoSuchLeaf);
        assert_eq!(world.tree.expire(&slots(&[nothing]), EXPIRES).unwrap_err(), TreeError::NoSuchLeaf);
    }
    world.mark(&[1]);
    for new in [NewLeaf::Updated { sig: None, since }, NewLeaf::Rejoined { since }] {
        assert_eq!(refused(&world, Target::Existing(slot(1)), new), TreeError::NoSuchLeaf);
    }
    assert_eq!(world.tree.mark(&slots(&[1])).unwrap_err(), TreeError::NoSuchLeaf, "marked already");
    assert_eq!(world.tree.expire(&slots(&[0]), EXPIRES).unwrap_err(), TreeError::NoSuchLeaf, "no invite");
    world.heal(0);
    assert_eq!(world.tree.mark(&slots(&[1])).unwrap_err(), TreeError::NoSuchLeaf, "vacant");
    assert_eq!(world.tree.mark_own(slot(2), &slots(&[1])).unwrap_err(), TreeError::NoSuchLeaf, "not its own");
}

#[test]
fn not_active_to_rejoin_mark_own_or_end_a_frame() {
    let mut world = World::of(3);
    world.add(0);
    let since = world.epoch;
    assert_eq!(refused(&world, Target::Existing(slot(3)), NewLeaf::Rejoined { since }), TreeError::NotActive);
    assert_eq!(world.tree.mark_own(slot(3), &slots(&[3])).unwrap_err(), TreeError::NotActive);
    assert_eq!(world.tree.check(10, Some(slot(0))), Ok(()));
    assert_eq!(world.tree.check(10, Some(slot(3))), Err(TreeError::NotActive));
    assert_eq!(world.tree.check(10, Some(slot(7))), Err(TreeError::NotActive));
    world.mark(&[2]);
    assert_eq!(world.tree.check(10, Some(slot(2))), Err(TreeError::NotActive));
}

#[test]
fn last_member() {
    let mut world = World::of(2);
    world.add(0);
    assert_eq!(
        world.tree.mark(&slots(&[0, 1])).unwrap_err(),
        TreeError::LastMember,
        "an invite is no member"
    );
    world.mark(&[1]);
    assert_eq!(world.tree.mark(&slots(&[0])).unwrap_err(), TreeError::LastMember);
}

#[test]
fn ghost_keyed_by_a_leaf_that_is_not_active() {
    let mut world = World::of(4);
    world.add(0);
    let (invited, marked) = (world.id(4), world.id(2));
    world.mark(&[2]);
    for keyed_by in [invited, marked, LeafId::new(77)] {
        let healed = NewLeaf::Healed { keyed_by };
        assert_eq!(refused(&world, Target::LowestDirty, healed), TreeError::Ghost);
        let added = NewLeaf::Added { sig: sig(99), expires: EXPIRES, keyed_by, since: world.epoch };
        assert_eq!(refused(&world, Target::Place, added), TreeError::Ghost);
    }
}

#[test]
fn nothing_to_heal() {
    let world = World::of(3);
    assert_eq!(world.tree.prepare(Target::LowestDirty, roomy()).unwrap_err(), TreeError::NothingToHeal);
}

#[test]
fn not_overdue() {
    let mut world = World::of(2);
    world.add(0);
    assert_eq!(world.tree.expire(&slots(&[2]), EXPIRES).unwrap_err(), TreeError::NotOverdue);
    let later = UnixSeconds::new(EXPIRES.get() + 1);
    assert!(world.tree.expire(&slots(&[2]), later).is_ok());
}

#[test]
fn wrong_structure_of_a_mark() {
    let mut world = World::of(3);
    world.add(0);
    let later = UnixSeconds::new(EXPIRES.get() + 1);
    for named in [slots(&[]), slots(&[3, 3]), slots(&[3, 1, 3])] {
        assert_eq!(world.tree.mark(&named).unwrap_err(), TreeError::WrongStructure);
        assert_eq!(world.tree.mark_own(slot(0), &named).unwrap_err(), TreeError::WrongStructure);
        assert_eq!(world.tree.expire(&named, later).unwrap_err(), TreeError::WrongStructure);
    }
}

#[test]
fn each_refusal_has_the_code_of_its_name() {
    let codes = [
        (TreeError::GroupFull, Refusal::GroupFull),
        (TreeError::WrongSlot, Refusal::WrongSlot),
        (TreeError::WrongKeyCount, Refusal::WrongKeyCount),
        (TreeError::BadTreeKey, Refusal::BadTreeKey),
        (TreeError::DuplicateTreeKey, Refusal::DuplicateTreeKey),
        (TreeError::DuplicateSignatureKey, Refusal::DuplicateSignatureKey),
        (TreeError::NoSuchLeaf, Refusal::NoSuchLeaf),
        (TreeError::NotActive, Refusal::NotActive),
        (TreeError::LastMember, Refusal::LastMember),
        (TreeError::Ghost, Refusal::Ghost),
        (TreeError::NothingToHeal, Refusal::NothingToHeal),
        (TreeError::NotOverdue, Refusal::NotOverdue),
        (TreeError::WrongStructure, Refusal::WrongStructure),
    ];
    for (error, refusal) in codes {
        assert_eq!(Refusal::from(error), refusal);
    }
}
