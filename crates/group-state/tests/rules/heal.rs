//! Heals and removals.

use group_state::author::Own;
use protocol::{
    Kind, Refusal,
    body::{Body, Heal, OwnChange, UpdateKey},
    limits::MAX_CHANGES,
};
use ratchet_tree::Leaf;

use crate::{
    scene::{A, B, C, I, V, clean, dirty},
    support::{DAY, Field, Group, keys, marks, slot},
};

#[test]
fn there_is_something_to_heal() {
    let mut scene = dirty();
    let heal = scene.group.heal(A);
    let mut scene = clean();
    let mut draft = scene.group.raw(heal.head.body);
    scene.group.refuse("a clean group", &draft, Refusal::NothingToHeal);
    let own = scene.group.update(A);
    let Body::UpdateKey(update) = own.head.body else { panic!("an update") };
    *draft.body() =
        Body::Heal(Heal { doer: slot(A), marks: None, own: OwnChange::Update(update), changes: Vec::new() });
    draft.proofs = 1;
    scene.group.refuse("an own change alone", &draft, Refusal::NothingToHeal);
}

#[test]
fn the_lowest_dirty_slot_comes_first() {
    let mut scene = clean();
    let mark = scene.group.mark(&[B, C]);
    scene.group.accept(&mark);
    assert_eq!(scene.group.row(), "ADDID---");
    let heal = scene.group.heal(A);
    let order: Vec<u32> = heal.clone().changes().iter().map(|change| change.slot.get()).collect();
    assert_eq!(order, [B, C], "the run 4 to 7 holds nobody and goes with the first");
    for other in [A, C, I, V, 5, 100] {
        let mut wrong = heal.clone();
        wrong.changes()[0].slot = slot(other);
        scene.group.refuse(&format!("slot {other} first"), &wrong, Refusal::WrongSlot);
    }
    let mut swapped = heal.clone();
    let Body::Heal(body) = swapped.body() else { panic!("a heal") };
    body.changes.swap(0, 1);
    scene.group.refuse("in another order", &swapped, Refusal::WrongSlot);
    scene.group.accept(&heal);
    assert_eq!(scene.group.row(), "AVVI");
}

#[test]
fn healed_leaves_are_the_doers() {
    for doer in [A, B] {
        let mut scene = dirty();
        let keyed_by = scene.group.leaf_id(doer);
        let mut heal = scene.group.heal(doer);
        let dh = heal.changes()[0].keys[0];
        scene.group.accept(&heal);
        assert_eq!(scene.group.leaf(C), &Leaf::Vacant { dh, keyed_by });
    }
}

#[test]
fn more_changes_than_dirty_leaves_are_too_many() {
    let mut scene = dirty();
    let mut heal = scene.group.heal(A);
    let again = heal.changes()[0].clone();
    let Body::Heal(body) = heal.body() else { panic!("a heal") };
    body.changes.push(again);
    heal.proofs = 2;
    scene.group.refuse("one more", &heal, Refusal::NothingToHeal);
}

/// A, and members in slots 1 to 7; those in 2, 4 and 6 are dirty.
fn three_apart() -> Group {
    let mut group = Group::found(7);
    let (issue, ticket) = group.issue(0);
    group.accept(&issue);
    for _ in 0..2 {
        let join = group.join(ticket);
        group.accept(&join);
    }
    while group.state.tree().active_count() < 8 {
        group.added(0);
    }
    let mark = group.mark(&[2, 4, 6]);
    group.accept(&mark);
    assert_eq!(group.row(), "AADADADA");
    group
}

#[test]
fn it_may_stop_early_and_others_go_on() {
    let mut group = three_apart();
    let first = group.heal_some(0, None, Own::Keep, 1);
    group.accept(&first);
    assert_eq!(group.row(), "AAVADADA");
    let second = group.heal_some(1, None, Own::Keep, 1);
    group.accept(&second);
    assert_eq!(group.row(), "AAVAVADA");
    let own = group.own_update();
    let third = group.heal_with(7, None, own);
    group.accept(&third);
    assert!(group.state.is_clean());
    // The neighbour's own path took its sibling out: no vacant leaf is left there.
    assert_eq!(group.row(), "AAVAVA-A");
    let [first, second] = [2, 4].map(|at| group.leaf(at).keyed_by().unwrap());
    assert_eq!((first, second), (group.leaf_id(0), group.leaf_id(1)), "each doer answers for its own");
}

#[test]
fn an_own_change_may_empty_the_dirty_neighbour_and_be_all() {
    let mut scene = clean();
    let mark = scene.group.mark(&[B]);
    scene.group.accept(&mark);
    assert_eq!(scene.group.row(), "ADAID---");
    let own = scene.group.own_update();
    let heal = scene.group.heal_with(A, None, own);
    let Body::Heal(body) = &heal.head.body else { panic!("a heal") };
    assert!(body.changes.is_empty());
    let effects = scene.group.accept(&heal);
    assert_eq!(scene.group.row(), "A-AI");
    assert_eq!(effects.updated, Some((slot(A), scene.group.leaf_id(A))));
}

#[test]
fn an_own_change_may_heal_nothing_and_others_go_on() {
    let mut group = three_apart();
    let own = group.own_update();
    let only_own = group.heal_some(0, None, own, 1);
    group.accept(&only_own);
    assert_eq!(group.row(), "AADADADA");
    let heal = group.heal(1);
    group.accept(&heal);
    assert!(group.state.is_clean());
}

#[test]
fn an_invitee_joins_by_a_heal() {
    // Everybody else is gone for good: the one who was invited completes the removal.
    let mut scene = clean();
    let leave = scene.group.leave(B);
    scene.group.accept(&leave);
    let own = scene.group.own_update();
    let heal = scene.group.heal_with(I, None, own);
    let effects = scene.group.accept(&heal);
    assert_eq!(effects.joined, Some((slot(I), scene.group.leaf_id(I))));
    assert!(scene.group.live(I).is_active());
    assert!(scene.group.state.is_clean());
    assert_eq!(scene.group.leaf(B).keyed_by(), Some(scene.group.leaf_id(I)));
}

#[test]
fn an_invitee_heals_by_its_own_first_update_only() {
    let mut scene = clean();
    let mark = scene.group.mark(&[B]);
    scene.group.accept(&mark);
    let by_a = scene.group.heal(A);
    let Body::Heal(body) = &by_a.head.body else { panic!("a heal") };
    let body = Body::Heal(Heal { doer: slot(I), ..body.clone() });
    let draft = scene.group.raw(body);
    scene.group.refuse("without joining", &draft, Refusal::NotActive);
    let own = scene.group.own_rejoin();
    let Own::Rejoin(secret, external) = own else { panic!("a return") };
    let own = scene.group.heal_with(I, None, Own::Update(secret, None));
    let Body::Heal(Heal { own: OwnChange::Update(update), changes, .. }) = own.head.body else {
        panic!("a heal")
    };
    let rejoin = OwnChange::Rejoin(protocol::body::Rejoin { change: update.change, external });
    let draft = scene.group.raw(Body::Heal(Heal { doer: slot(I), marks: None, own: rejoin, changes }));
    scene.group.refuse("by coming back", &draft, Refusal::NotActive);
}

#[test]
fn a_lapsed_invite_does_not_join_by_a_heal() {
    let mut scene = clean();
    let mark = scene.group.mark(&[B]);
    scene.group.accept(&mark);
    scene.group.now += 2 * DAY;
    let own = scene.group.own_update();
    let heal = scene.group.heal_with(I, None, own);
    scene.group.refuse("overdue", &heal, Refusal::InviteExpired);
}

#[test]
fn an_invitee_whose_inviter_goes_goes_too() {
    let mut scene = clean();
    let signer = scene.group.leaf_signer(I);
    let mark = scene.group.mark(&[A]);
    scene.group.accept(&mark);
    let own = scene.group.own_update();
    let by_b = scene.group.heal_with(B, None, own);
    let Body::Heal(body) = by_b.head.body else { panic!("a heal") };
    let OwnChange::Update(UpdateKey { mut change, .. }) = body.own else { panic!("an own change") };
    change.slot = slot(I);
    let own = OwnChange::Update(UpdateKey { change, new_sig: None });
    let body = Body::Heal(Heal { doer: slot(I), marks: None, own, changes: body.changes });
    let draft = scene.group.raw(body).with(Field::Leaf, signer);
    scene.group.refuse("void", &draft, Refusal::NotActive);
}

#[test]
fn a_heal_may_bring_its_doer_back() {
    let mut scene = dirty();
    let own = scene.group.own_rejoin();
    let heal = scene.group.heal_with(B, None, own);
    assert!(heal.head.body.external().is_some());
    let (leaf_id, sig) = (scene.group.leaf_id(B), scene.group.live(B).sig);
    scene.group.accept(&heal);
    let leaf = scene.group.live(B);
    assert_eq!((leaf.leaf_id, leaf.sig, leaf.since), (leaf_id, sig, scene.group.state.epoch()));
}

#[test]
fn who_comes_back_keeps_what_it_keyed() {
    let mut scene = clean();
    let rejoin = scene.group.rejoin(A);
    scene.group.accept(&rejoin);
    assert_eq!(scene.group.leaf(I).keyed_by(), Some(scene.group.leaf_id(A)), "the invite stands");
    let removal = scene.group.remove(C, &[A]);
    scene.group.accept(&removal);
    assert_ne!(scene.group.row().chars().nth(3), Some('I'), "and still goes with A");
}

#[test]
fn a_removal_is_marked_and_healed_in_one_frame() {
    let mut scene = clean();
    let removal = scene.group.remove(C, &[B]);
    assert!(!removal.sealed.is_empty(), "clean afterwards, so it may say something");
    let effects = scene.group.accept(&removal);
    assert_eq!(effects.removed.len(), 1);
    assert!(scene.group.state.is_clean());
    assert_eq!(scene.group.leaf(B).keyed_by(), Some(scene.group.leaf_id(C)));
}

#[test]
fn a_removal_names_slots_as_a_mark_does() {
    let mut scene = clean();
    for named in [V, 5, 100] {
        let mut removal = scene.group.remove(C, &[B]);
        let Body::RemoveMembers(body) = removal.body() else { panic!("a removal") };
        body.marks = Some(marks(&[named]));
        scene.group.refuse(&format!("slot {named}"), &removal, Refusal::NoSuchLeaf);
    }
}

#[test]
fn an_invitee_removes_nobody() {
    let mut scene = clean();
    let own = scene.group.own_update();
    let removal = scene.group.heal_with(I, Some(marks(&[B])), own);
    scene.group.refuse("not even in joining", &removal, Refusal::NotActive);
}

#[test]
fn a_removal_may_be_completed_by_others() {
    let mut group = Group::found(9);
    while group.state.tree().active_count() < 8 {
        group.added(0);
    }
    let removal = group.heal_some(0, Some(marks(&[2, 4, 6])), Own::Keep, 1);
    let before = group.state.first_clean_epoch();
    group.accept(&removal);
    assert_eq!(group.row(), "AAVADADA");
    assert_eq!(group.state.first_clean_epoch(), before);
    let heal = group.heal(5);
    group.accept(&heal);
    assert_eq!(group.state.first_clean_epoch(), group.state.epoch());
}

#[test]
fn sixty_four_changes_and_then_the_rest() {
    let mut group = Group::found(10);
    for count in [64, 63] {
        let add = group.add(0, count);
        group.state = group.state.apply(&add.frame().unwrap(), keys()).unwrap().without_proofs().state;
    }
    for at in 1..=127 {
        let update = group.update(at);
        group.state = group.state.apply(&update.frame().unwrap(), keys()).unwrap().without_proofs().state;
    }
    assert_eq!(group.state.tree().active_count(), 128);
    // Every second one, so that no run of removed leaves folds into one.
    let odd: Vec<u32> = (0..64).map(|n| 2 * n + 1).collect();
    let even: Vec<u32> = (1..64).map(|n| 2 * n).collect();
    let mark = group.mark(&even);
    group.accept(&mark);
    let mark = group.mark(&odd[..1]);
    group.accept(&mark);
    assert_eq!(group.state.tree().dirty_count(), 64);
    let all = group.heal(3);
    assert!(all.proofs <= MAX_CHANGES);
    group.accept(&all);
    assert!(group.state.is_clean());
    assert_eq!(group.leaf(0).active().map(|leaf| leaf.leaf_id), Some(group.leaf_id(0)));
}

#[test]
fn a_heal_needs_no_capability_and_a_removal_does() {
    let mut scene = dirty();
    let heal = scene.group.heal(B);
    assert!(!heal.has(Field::Owner));
    scene.group.accept(&heal);
    let removal = scene.group.remove(B, &[A]);
    assert!(removal.has(Field::Owner));
    scene.group.refuse("B alone", &removal.clone().without(Field::Owner), Refusal::WrongStructure);
    let by_b = scene.group.leaf_signer(B);
    scene.group.refuse("B as owner", &removal.clone().with(Field::Owner, by_b), Refusal::BadSignature);
    assert_eq!(removal.kind(), Kind::RemoveMembers);
    scene.group.accept(&removal);
    assert_eq!(scene.group.row().chars().filter(|leaf| *leaf == 'I').count(), 0, "A's invite went with A");
}
