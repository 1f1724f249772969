//! Making oneself irremovable, or the group useless.

use group_state::author::Own;
use protocol::{
    Refusal, Slot,
    body::{Body, Change, Marks},
    limits::MAX_CHANGES,
};

use crate::support::{Field, Group, keys, marks, slot};

fn fold(group: &mut Group, draft: &crate::support::Draft) {
    group.state = group.state.apply(&draft.frame().unwrap(), keys()).unwrap().without_proofs().state;
}

#[test]
fn nobody_is_irremovable() {
    // X invites more than one frame can heal, with members between them so that nothing folds together.
    let mut group = Group::found(1);
    let x = group.added(0);
    for _ in 0..2 {
        let add = group.add(x, MAX_CHANGES);
        fold(&mut group, &add);
    }
    let invited: Vec<u32> = group.state.tree().keyed_by(group.leaf_id(x)).map(Slot::get).collect();
    assert_eq!(invited.len(), 2 * MAX_CHANGES);
    for at in invited.iter().step_by(2) {
        let join = group.update(*at);
        fold(&mut group, &join);
    }
    let others: Vec<u32> = invited.iter().copied().step_by(2).collect();
    assert_eq!(group.state.tree().keyed_by(group.leaf_id(x)).count(), MAX_CHANGES);

    // One mark is enough to take all of its rights, and whoever is there heals, together.
    let signer = group.leaf_signer(x);
    let removal = group.heal_some(0, Some(marks(&[x])), Own::Keep, 10);
    group.accept(&removal);
    assert_eq!(group.state.apply(&removal.frame().unwrap(), keys()).map(|_| ()), Err(Refusal::StaleEpoch));
    let mut frames = 1;
    while !group.state.is_clean() {
        let doer = others[frames % others.len()];
        let heal = group.heal_some(doer, None, Own::Keep, 20.min(group.state.tree().dirty_count() as usize));
        group.accept(&heal);
        frames += 1;
    }
    assert!(frames <= 5, "{frames} frames");
    let leave = group.raw(Body::Leave(slot(x))).with(Field::Leaf, signer);
    group.refuse("X has no say since its mark", &leave, Refusal::NotActive);
}

#[test]
fn a_change_above_or_beside_the_leaves_does_not_exist() {
    let mut group = Group::found(2);
    for _ in 0..3 {
        group.added(0);
    }
    let update = group.update(1);
    for at in [4, 7, 1 << 20, u32::MAX] {
        let mut body = update.head.body.clone();
        let Body::UpdateKey(change) = &mut body else { panic!("an update") };
        change.change.slot = slot(at);
        let draft = group.raw(body).with(Field::Leaf, group.leaf_signer(1));
        group.refuse(&format!("slot {at}"), &draft, Refusal::NotActive);
    }
    let mark = group.raw(Body::MarkRemoved(Marks { slots: vec![slot(u32::MAX)], admin_root: None }));
    group.refuse("a mark out of the tree", &mark, Refusal::NoSuchLeaf);
}

#[test]
fn a_leaf_without_a_member_does_not_become_active_again() {
    let mut group = Group::found(3);
    for _ in 0..3 {
        group.added(0);
    }
    let (vacated, marked) = (group.leaf_signer(2), group.leaf_signer(3));
    let update = group.update(2);
    let removal = group.remove(0, &[2]);
    group.accept(&removal);
    let draft = group.raw(update.head.body).with(Field::Leaf, vacated);
    group.refuse("a vacant one", &draft, Refusal::NotActive);
    let update = group.update(3);
    let mark = group.mark(&[3]);
    group.accept(&mark);
    let draft = group.raw(update.head.body).with(Field::Leaf, marked);
    group.refuse("a marked one", &draft, Refusal::HealFirst);
}

#[test]
fn garbage_instead_of_a_branch_is_refused_and_nothing_breaks() {
    let mut group = Group::found(4);
    for _ in 0..3 {
        group.added(0);
    }
    let key = group.fresh_secret().public();
    for count in 2..=26 {
        let change = Change { slot: slot(1), keys: vec![key; count] };
        let body = Body::UpdateKey(protocol::body::UpdateKey { change, new_sig: None });
        let mut draft = group.raw(body);
        draft.proofs = 1;
        let expected = if count == 4 { Refusal::TreeHashMismatch } else { Refusal::WrongKeyCount };
        group.refuse(&format!("{count} keys"), &draft, expected);
    }
    let update = group.update(1);
    group.accept(&update);
}

#[test]
fn invites_that_nobody_takes_do_not_fill_the_group_for_ever() {
    let policy = protocol::body::Policy { max_members: 5, ..crate::support::policy() };
    let mut group = Group::found_with(5, policy);
    let member = group.added(0);
    let add = group.add(0, 3);
    group.accept(&add);
    let one_more = group.add(0, 1);
    group.refuse("full of invites", &one_more, Refusal::GroupFull);
    group.now += 2 * crate::support::DAY;
    let expire = group.expire(member, &[2, 3, 4]);
    group.accept(&expire);
    let heal = group.heal(member);
    group.accept(&heal);
    let add = group.add(0, 3);
    group.accept(&add);
}

#[test]
fn the_last_one_who_was_invited_can_still_finish_a_removal() {
    let mut group = Group::found(6);
    let member = group.added(0);
    let add = group.add(0, 1);
    let (invitee, _) = group.accept(&add).added[0];
    let leave = group.leave(member);
    group.accept(&leave);
    // The founder is gone for good without leaving; the invitee joins by healing.
    let own = group.own_update();
    let heal = group.heal_with(invitee.get(), None, own);
    group.accept(&heal);
    assert!(group.state.is_clean());
}

#[test]
fn a_group_always_keeps_someone_who_can_act() {
    let mut group = Group::found(7);
    let member = group.added(0);
    let leave = group.leave(0);
    group.accept(&leave);
    for last in [
        group.raw(Body::Leave(slot(member))),
        group.raw(Body::MarkRemoved(Marks { slots: vec![slot(member)], admin_root: None })),
    ] {
        group.refuse("the last one", &last, Refusal::LastMember);
    }
    let heal = group.heal(member);
    group.accept(&heal);
}

#[test]
fn the_tree_stays_balanced_whoever_comes_and_goes() {
    let mut group = Group::found(8);
    for round in 0..6 {
        let add = group.add(0, 9);
        let added = group.accept(&add).added;
        let last = added.last().unwrap().0.get();
        let join = group.update(last);
        group.accept(&join);
        let gone: Vec<u32> =
            (1..=last).filter(|at| group.leaf(*at).live().is_some() && *at % 3 == round % 3).collect();
        if !gone.is_empty() {
            let removal = group.remove(0, &gone);
            group.accept(&removal);
        }
        let live = group.state.tree().live_count();
        let capacity = group.state.tree().capacity().get();
        assert!(capacity <= 64 && live <= capacity, "{live} live leaves in {capacity} slots");
    }
}
