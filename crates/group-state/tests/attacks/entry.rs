//! Coming in uninvited, or staying unseen.

use protocol::{Refusal, body::Body};

use crate::support::{DAY, Draft, Field, Group, slot};

#[test]
fn a_link_is_no_silent_key() {
    // What a ticket gives is the right to join; nobody but the joiner ever knows its leaf's secret.
    let mut group = Group::found(1);
    let (issue, ticket) = group.issue(0);
    let before = (group.state.tree().hash(), group.state.tree().root_key());
    group.accept(&issue);
    assert_eq!((group.state.tree().hash(), group.state.tree().root_key()), before, "no leaf comes with it");
    let join = group.join(ticket);
    let effects = group.accept(&join);
    let (at, _) = effects.joined.expect("everybody sees who came");
    assert_eq!(group.leaf(at.get()).keyed_by(), None);
}

#[test]
fn a_stolen_link_lets_in_no_more_than_it_says() {
    let mut group = Group::found(2);
    let (issue, ticket) = group.issue(0);
    group.accept(&issue);
    let joins: Vec<Draft> = (0..2).map(|_| group.join(ticket)).collect();
    group.accept(&joins[0]);
    group.refuse("two on one base", &joins[1], Refusal::StaleEpoch);
    let second = group.join(ticket);
    group.accept(&second);
    let third = group.join(ticket);
    group.refuse("a third", &third, Refusal::NoSuchTicket);
}

#[test]
fn a_ticket_does_not_outlive_its_issuer_or_any_removal() {
    let mut group = Group::found(3);
    group.added(0);
    group.added(0);
    let (issue, ticket) = group.issue(1);
    group.accept(&issue);
    let join = group.join(ticket);
    let removal = group.remove(0, &[2]);
    group.accept(&removal);
    group.refuse("built before", &join, Refusal::StaleEpoch);
    let join = group.join(ticket);
    group.refuse("the one removed may have known it", &join, Refusal::NoSuchTicket);
}

#[test]
fn a_removed_invitee_does_not_come_back_by_a_ticket() {
    let mut group = Group::found(4);
    group.added(0);
    let add = group.add(0, 1);
    let (at, _) = group.accept(&add).added[0];
    let (issue, ticket) = group.issue(0);
    group.accept(&issue);
    let removal = group.remove(1, &[at.get()]);
    group.accept(&removal);
    let join = group.join(ticket);
    group.refuse("it has read what was posted", &join, Refusal::NoSuchTicket);
}

#[test]
fn a_joiner_takes_no_slot_of_its_choice() {
    // Chosen positions would let one side of the tree grow for ever, or put a stranger beside its victim.
    let mut group = Group::found(5);
    for _ in 0..4 {
        group.added(0);
    }
    let (issue, ticket) = group.issue(0);
    group.accept(&issue);
    let mut join = group.join(ticket);
    let right = join.changes()[0].slot;
    for at in (0..20).filter(|at| slot(*at) != right) {
        join.changes()[0].slot = slot(at);
        group.refuse(&format!("slot {at}"), &join, Refusal::WrongSlot);
    }
}

#[test]
fn an_invite_to_a_removed_leaf_is_void() {
    let mut group = Group::found(6);
    group.added(0);
    let add = group.add(0, 1);
    let (at, _) = group.accept(&add).added[0];
    let first = group.update(at.get());
    let signer = group.leaf_signer(at.get());
    let removal = group.remove(1, &[at.get()]);
    group.accept(&removal);
    group.refuse("its first update", &first, Refusal::StaleEpoch);
    let late = group.raw(first.head.body).with(Field::Leaf, signer);
    group.refuse("rebuilt", &late, Refusal::NotActive);
}

#[test]
fn an_invite_does_not_last_for_ever() {
    let mut group = Group::found(7);
    group.added(0);
    let add = group.add(0, 1);
    let (at, _) = group.accept(&add).added[0];
    group.now += 2 * DAY;
    let first = group.update(at.get());
    group.refuse("lapsed", &first, Refusal::InviteExpired);
    let expire = group.expire(1, &[at.get()]);
    group.accept(&expire);
    let heal = group.heal(1);
    group.accept(&heal);
    assert!(group.state.is_clean());
}

#[test]
fn nobody_squats_on_a_group() {
    // Its id follows from its first frame, so that no other first frame can have it.
    let (draft, ..) = crate::support::init(8, crate::support::policy());
    let (mut other, ..) = crate::support::init(9, crate::support::policy());
    other.head.group = draft.head.group;
    assert_eq!(crate::support::create(&other).map(|_| ()), Err(Refusal::Malformed));
    let mut stolen = draft;
    let Body::Init(body) = stolen.body() else { panic!("an init") };
    body.owner = other.signers[1].1.verifying_key();
    assert_eq!(crate::support::create(&stolen).map(|_| ()), Err(Refusal::Malformed));
}
