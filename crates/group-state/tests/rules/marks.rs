//! Marks: Leave, `MarkRemoved`, Expire, `MarkOwn`.

use protocol::{
    AdminRoot, Refusal,
    body::{Body, Marks},
};
use ratchet_tree::Leaf;

use crate::{
    scene::{A, B, C, I, V, clean},
    support::{Group, slot},
};

#[test]
fn the_named_and_what_they_keyed_lose_their_rights_at_once() {
    for (named, row) in [
        (vec![A], "DAADV---"),
        (vec![B], "ADAID---"),
        (vec![C], "AADIV---"),
        (vec![I], "AAADV---"),
        (vec![A, B], "DDADD---"),
        (vec![A, I], "DAADV---"),
    ] {
        let mut scene = clean();
        let before: Vec<_> = named.iter().map(|at| *scene.group.leaf(*at).dh().unwrap()).collect();
        let mark = scene.group.mark(&named);
        scene.group.accept(&mark);
        assert_eq!(scene.group.row(), row, "{named:?}");
        for (at, dh) in named.iter().zip(before) {
            assert_eq!(scene.group.leaf(*at), &Leaf::Dirty { dh }, "keys stay until they are healed");
        }
    }
}

#[test]
fn effects_name_everybody_who_lost_rights() {
    let mut scene = clean();
    let expected: Vec<_> =
        [A, B, I].map(|at| (slot(at), scene.group.leaf_id(at), scene.group.live(at).sig)).into();
    let mark = scene.group.mark(&[A, B]);
    let effects = scene.group.accept(&mark);
    let removed: Vec<_> = effects.removed.iter().map(|r| (r.slot, r.leaf_id, r.sig)).collect();
    assert_eq!(removed, expected, "the named ones, then the revoked invite; a vacant leaf is nobody");
    assert_eq!(effects.removed.iter().map(|r| r.was_active).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn one_active_leaf_remains() {
    let mut scene = clean();
    let all =
        scene.group.raw(Body::MarkRemoved(Marks { slots: [A, B, C].map(slot).to_vec(), admin_root: None }));
    scene.group.refuse("everybody but an invitee", &all, Refusal::LastMember);
    let mark = scene.group.mark(&[A, B]);
    scene.group.accept(&mark);
    let last = scene.group.raw(Body::Leave(slot(C)));
    scene.group.refuse("the last one leaves", &last, Refusal::LastMember);
    let last = scene.group.raw(Body::MarkRemoved(Marks { slots: vec![slot(C)], admin_root: None }));
    scene.group.refuse("the last one is removed", &last, Refusal::LastMember);
    let mut group = Group::found(2);
    let alone = group.raw(Body::Leave(slot(0)));
    group.refuse("a group of one", &alone, Refusal::LastMember);
    let close = group.plain(Body::Close);
    group.accept(&close);
}

#[test]
fn an_invitee_may_decline() {
    let mut scene = clean();
    let leave = scene.group.leave(I);
    let effects = scene.group.accept(&leave);
    assert_eq!(effects.removed.len(), 1);
    assert!(!effects.removed[0].was_active);
    assert_eq!(scene.group.row(), "AAADV---");
}

#[test]
fn who_left_does_nothing_more() {
    let mut scene = clean();
    let signer = scene.group.leaf_signer(B);
    let leave = scene.group.leave(B);
    scene.group.accept(&leave);
    let mut again = scene.group.raw(Body::Leave(slot(B)));
    again = again.with(crate::support::Field::Leaf, signer);
    scene.group.refuse("leaving twice", &again, Refusal::NotActive);
}

#[test]
fn marks_add_up() {
    let mut scene = clean();
    for named in [B, C] {
        let mark = scene.group.mark(&[named]);
        scene.group.accept(&mark);
    }
    let leave = scene.group.leave(I);
    scene.group.accept(&leave);
    assert_eq!(scene.group.row(), "ADDDD---");
    let heal = scene.group.heal(A);
    scene.group.accept(&heal);
    assert!(scene.group.state.is_clean());
}

#[test]
fn the_owners_mark_may_carry_new_admins() {
    let root = AdminRoot::new([0x1d; 32]);
    let slots = vec![slot(C)];
    let mut scene = clean();
    let mark = scene.group.raw(Body::MarkRemoved(Marks { slots: slots.clone(), admin_root: Some(root) }));
    let mut mark = mark;
    *mark.place().2 = scene.group.state.tree().mark(&slots).unwrap().0.hash();
    scene.group.accept(&mark);
    assert_eq!(scene.group.state.admin_root(), root);

    let mut scene = clean();
    let marks = Marks { slots, admin_root: Some(root) };
    let removal = scene.group.heal_with(A, Some(marks), group_state::author::Own::Keep);
    scene.group.accept(&removal);
    assert_eq!(scene.group.state.admin_root(), root);

    let mut scene = clean();
    let before = scene.group.state.admin_root();
    let mark = scene.group.mark(&[C]);
    scene.group.accept(&mark);
    assert_eq!(scene.group.state.admin_root(), before, "none given, none changed");
}

#[test]
fn a_mark_changes_no_key() {
    let mut scene = clean();
    let (root, sign) = (scene.group.state.tree().root_key(), scene.group.state.tree().sign_key());
    let mark = scene.group.mark(&[A, B]);
    scene.group.accept(&mark);
    assert_eq!((scene.group.state.tree().root_key(), scene.group.state.tree().sign_key()), (root, sign));
    assert_eq!(scene.group.state.tree().capacity().get(), 8);
}

#[test]
fn sixty_four_at_once() {
    let mut group = Group::found(6);
    for _ in 0..2 {
        let add = group.add(0, 40);
        group.accept(&add);
    }
    let named: Vec<u32> = (1..=64).collect();
    let mark = group.mark(&named);
    assert_eq!(group.accept(&mark).removed.len(), 64);
    let too_many: Vec<_> = (1..=65).map(slot).collect();
    let draft = group.raw(Body::MarkRemoved(Marks { slots: too_many, admin_root: None }));
    group.refuse("sixty-five", &draft, Refusal::WrongStructure);
}

#[test]
fn marking_oneself_is_leaving() {
    // The owner signs for it, so no leaf has to.
    let mut scene = clean();
    let mark = scene.group.mark(&[A]);
    scene.group.accept(&mark);
    assert_eq!(scene.group.row(), "DAADV---");
    assert!(matches!(scene.group.leaf(V), Leaf::Vacant { .. }));
    let heal = scene.group.heal(B);
    scene.group.accept(&heal);
}
