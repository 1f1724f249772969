//! Named invitations.

use protocol::{
    Refusal, UnixSeconds,
    body::{Body, DoerMarks},
    limits::{MAX_CHANGES, MAX_INVITES_PER_DOER},
};
use ratchet_tree::Status;

use crate::{
    scene::{A, B, C, I, clean},
    support::{DAY, Field, Group, keys, slot},
};

#[test]
fn it_expires_in_the_future_and_within_the_policy() {
    let mut scene = clean();
    for (after, ok) in [(0, false), (1, true), (7 * DAY, true), (7 * DAY + 1, false)] {
        let mut add = scene.group.add(A, 2);
        let expires = scene.group.expires(after);
        let Body::AddMembers(body) = add.body() else { panic!("an add") };
        body.added[1].expires = expires;
        // The hash of the tree covers the expiry, so that a fitting frame fails there and no earlier.
        let expected = if ok { Refusal::TreeHashMismatch } else { Refusal::BadExpiry };
        scene.group.refuse(&format!("after {after} s"), &add, expected);
    }
}

#[test]
fn it_joins_until_it_lapses() {
    let mut scene = clean();
    let Status::Invited { expires, .. } = scene.group.live(I).status else { panic!("an invitee") };
    scene.group.now = expires.get();
    let in_time = scene.group.update(I);
    assert!(scene.group.offer(&in_time).is_ok(), "at the very second");
    scene.group.now += 1;
    let late = scene.group.update(I);
    scene.group.refuse("a second later", &late, Refusal::InviteExpired);
    let leave = scene.group.leave(I);
    assert!(scene.group.offer(&leave).is_ok(), "leaving is possible even then");
}

#[test]
fn any_active_leaf_expires_an_overdue_one() {
    for doer in [A, B, C] {
        let mut scene = clean();
        let Status::Invited { expires, .. } = scene.group.live(I).status else { panic!("an invitee") };
        scene.group.now = expires.get();
        let body = Body::Expire(DoerMarks { doer: slot(doer), slots: vec![slot(I)] });
        let early = scene.group.raw(body);
        scene.group.refuse("at the very second", &early, Refusal::NotOverdue);
        scene.group.now += 1;
        let expire = scene.group.expire(doer, &[I]);
        let (sig, leaf_id) = (scene.group.live(I).sig, scene.group.leaf_id(I));
        let effects = scene.group.accept(&expire);
        assert_eq!(effects.removed.len(), 1);
        assert_eq!((effects.removed[0].sig, effects.removed[0].leaf_id), (sig, leaf_id));
        assert!(!effects.removed[0].was_active);
        assert_eq!(scene.group.row(), "AAADV---");
    }
}

#[test]
fn the_time_that_counts_is_the_operations_own() {
    let mut scene = clean();
    scene.group.now += 2 * DAY;
    let mut expire = scene.group.expire(B, &[I]);
    *expire.place().1 = UnixSeconds::new(crate::support::START + DAY);
    scene.group.refuse("dated before the expiry", &expire, Refusal::NotOverdue);
}

#[test]
fn one_of_several_is_not_overdue() {
    let mut scene = clean();
    scene.group.now += DAY - 10;
    let add = scene.group.add(A, 1);
    let (other, _) = scene.group.accept(&add).added[0];
    scene.group.now += 20;
    let body = Body::Expire(DoerMarks { doer: slot(B), slots: vec![slot(I), other] });
    let draft = scene.group.raw(body);
    scene.group.refuse("one is fresh", &draft, Refusal::NotOverdue);
}

#[test]
fn a_doer_marks_what_it_keyed() {
    let mut scene = clean();
    let mark = scene.group.mark_own(A, &[I]);
    let effects = scene.group.accept(&mark);
    assert_eq!(effects.removed.len(), 1, "the invite is void");
    assert_eq!(scene.group.row(), "AAADV---");
    let heal = scene.group.heal(B);
    scene.group.accept(&heal);
    assert!(scene.group.state.is_clean());
}

#[test]
fn only_the_invitee_makes_the_first_update() {
    let mut scene = clean();
    let update = scene.group.update(I);
    for at in [A, B, C] {
        let signer = scene.group.leaf_signer(at);
        scene.group.refuse("another leaf", &update.clone().with(Field::Leaf, signer), Refusal::BadSignature);
    }
    let owner = scene.group.owner();
    scene.group.refuse("the owner", &update.clone().with(Field::Leaf, owner), Refusal::BadSignature);
    let effects = scene.group.accept(&update);
    assert_eq!(effects.joined, Some((slot(I), scene.group.leaf_id(I))));
}

#[test]
fn the_first_update_may_rotate_the_key() {
    let mut scene = clean();
    let update = scene.group.rotate(I);
    scene.group.accept(&update);
    assert!(scene.group.live(I).is_active());
}

#[test]
fn a_first_update_does_not_count_as_a_return() {
    let mut scene = clean();
    let body = {
        let update = scene.group.update(I);
        let Body::UpdateKey(update) = update.head.body else { panic!("an update") };
        let external = scene.group.fresh_secret().public();
        Body::Rejoin(protocol::body::Rejoin { change: update.change, external })
    };
    let draft = scene.group.raw(body);
    scene.group.refuse("an invitee has nothing to come back to", &draft, Refusal::NotActive);
}

#[test]
fn a_doer_has_at_most_so_many_open() {
    let mut group = Group::found(8);
    let other = group.added(0);
    let mut open = 0;
    while open < MAX_INVITES_PER_DOER {
        let draft = group.add(0, MAX_CHANGES);
        group.state = group.state.apply(&draft.frame().unwrap(), keys()).unwrap().without_proofs().state;
        open += MAX_CHANGES;
    }
    let one_more = group.add(0, 1);
    group.refuse("one more", &one_more, Refusal::TooManyInvites);
    let anothers = group.add(other, 1);
    assert!(group.offer(&anothers).is_ok(), "the limit is each doer's own");
    let first = group.update(2);
    group.accept(&first);
    let next = group.add(0, 1);
    group.accept(&next);
}
