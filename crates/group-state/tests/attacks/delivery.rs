//! What a server, or whoever stands between, might do with frames.

use group_state::GroupState;
use protocol::{Refusal, body::Body};

use crate::support::{Draft, Group, keys};

fn group(seed: u64) -> Group {
    let mut group = Group::found(seed);
    for _ in 0..3 {
        group.added(0);
    }
    group
}

#[test]
fn a_frame_of_one_group_is_refused_in_another() {
    // The same people with the same keys: only the group is another.
    let mut one = group(1);
    let other = {
        let mut founded =
            Group::found_with(1, protocol::body::Policy { max_members: 999, ..crate::support::policy() });
        for _ in 0..3 {
            founded.added(0);
        }
        founded
    };
    assert_eq!(one.live(1).sig, other.live(1).sig, "the same keys");
    let drafts: Vec<Draft> =
        vec![one.update(1), one.leave(2), one.remove(0, &[3]), one.plain(Body::Close), one.message()];
    for draft in drafts {
        let what = format!("{:?}", draft.kind());
        other.refuse(&what, &draft, Refusal::NotAccepted);
        let mut renamed = draft.clone();
        renamed.head.group = other.state.group();
        let mut frame = renamed.frame().unwrap();
        frame.auth = draft.frame().unwrap().auth.clone();
        let outcome = other.state.apply(&frame, keys()).map(|_| ());
        assert!(matches!(outcome, Err(Refusal::StaleEpoch | Refusal::BadSignature)), "{what}: {outcome:?}");
        assert!(!other.state.authenticates(&frame), "{what}");
    }
}

#[test]
fn a_frame_of_one_epoch_is_refused_in_another() {
    let mut group = group(2);
    let drafts: Vec<Draft> =
        vec![group.update(1), group.leave(2), group.remove(0, &[3]), group.plain(Body::Close)];
    let update = group.update(2);
    group.accept(&update);
    for draft in drafts {
        let what = format!("{:?}", draft.kind());
        group.refuse(&what, &draft, Refusal::StaleEpoch);
        // With the base corrected its signatures are over something else.
        let mut moved = draft.clone();
        *moved.place().0 = group.state.ctx();
        let mut frame = moved.frame().unwrap();
        frame.auth = draft.frame().unwrap().auth.clone();
        assert_eq!(group.state.apply(&frame, keys()).map(|_| ()), Err(Refusal::BadSignature), "{what}");
    }
}

#[test]
fn an_operation_delivered_twice_is_applied_once() {
    let mut group = group(3);
    let update = group.update(1);
    group.accept(&update);
    group.refuse("again", &update, Refusal::StaleEpoch);
    let leave = group.leave(2);
    group.accept(&leave);
    group.refuse("again", &leave, Refusal::StaleEpoch);
    let removal = group.remove(1, &[3]);
    group.accept(&removal);
    assert_eq!(group.state.tree().active_count(), 2, "counted once each");
}

#[test]
fn leaving_and_being_removed_is_not_counted_twice() {
    let mut group = group(4);
    let leave = group.leave(2);
    group.accept(&leave);
    let removal = group.raw(Body::MarkRemoved(crate::support::marks(&[2])));
    group.refuse("removed after leaving", &removal, Refusal::NoSuchLeaf);
    let heal = group.heal(0);
    group.accept(&heal);
    let removal = group.raw(Body::MarkRemoved(crate::support::marks(&[2])));
    group.refuse("removed after healing", &removal, Refusal::NoSuchLeaf);
    assert_eq!(group.state.tree().active_count(), 3);
    group.state.tree().audit().unwrap();
}

#[test]
fn a_gap_changes_nothing_and_can_be_filled() {
    let mut group = group(5);
    let start = group.state.clone();
    let mut frames = Vec::new();
    for at in [1, 2, 3] {
        let update = group.update(at);
        group.accept(&update);
        frames.push(update.frame().unwrap());
    }
    let apply = |state: &GroupState, n: usize| {
        state.apply(&frames[n], keys()).map(|proposed| proposed.without_proofs().state)
    };
    assert_eq!(apply(&start, 1).map(|_| ()), Err(Refusal::StaleEpoch));
    assert_eq!(apply(&start, 2).map(|_| ()), Err(Refusal::StaleEpoch));
    let filled = (0..3).fold(start, |state, n| apply(&state, n).unwrap());
    assert_eq!(filled.to_bytes(), group.state.to_bytes());
}

#[test]
fn nothing_has_changed_until_the_whole_frame_holds() {
    // Everything but the last condition fits: the tree hash claimed is another.
    let mut group = group(6);
    let before = group.state.to_bytes();
    for mut draft in [group.update(1), group.add(0, 3), group.remove(0, &[1, 2]), group.issue(0).0] {
        *draft.place().2 = protocol::TreeHash::new([1; 32]);
        let what = format!("{:?}", draft.kind());
        group.refuse(&what, &draft, Refusal::TreeHashMismatch);
        assert_eq!(group.state.to_bytes(), before);
    }
}

#[test]
fn authorisation_bytes_never_change_the_state() {
    // Proofs can be turned into others of the same statement: the state and its ids must not notice.
    let mut group = group(7);
    let frame = group.update(1).frame().unwrap();
    let mut other = frame.clone();
    let key = proofs::DevelopmentKey::of(proofs::Tier::T16.into()).unwrap().verifying_key;
    other.proofs = vec![[&key[..32], &key[32..96], &key[..32]].concat().try_into().unwrap()];
    assert_ne!(frame.proofs, other.proofs);
    assert_eq!(frame.hash(), other.hash());
    let state = |frame| group.state.apply(frame, keys()).unwrap().without_proofs().state.to_bytes();
    assert_eq!(state(&frame), state(&other));
}

#[test]
fn messages_in_another_order_or_left_out_make_another_log() {
    let mut group = group(8);
    let (one, two) = (group.message(), group.message());
    let fold = |drafts: &[&Draft]| {
        drafts.iter().fold(group.state.clone(), |state, draft| {
            state.apply(&draft.frame().unwrap(), keys()).unwrap().without_proofs().state
        })
    };
    let straight = fold(&[&one, &two]);
    let swapped = fold(&[&two, &one]);
    assert_eq!((straight.seq(), straight.ctx()), (swapped.seq(), swapped.ctx()));
    assert_ne!(straight.log(), swapped.log());
    assert_ne!(fold(&[&one]).log(), fold(&[&two]).log());
    // One and the same sent twice is two positions, which the hash tells as well.
    assert_ne!(fold(&[&one, &one]).log(), fold(&[&one, &two]).log());
}

#[test]
fn an_admin_who_was_dismissed_does_not_slip_in_on_the_old_state() {
    // A change of admins moves the epoch, so nothing built before it is taken after it.
    let mut group = group(9);
    let add = group.add(1, 1);
    let dismiss = group.plain(Body::SetAdmins(protocol::AdminRoot::new([1; 32])));
    group.accept(&dismiss);
    group.refuse("built on the old admins", &add, Refusal::StaleEpoch);
}

#[test]
fn a_served_state_is_believed_by_its_digest_alone() {
    let mut group = group(10);
    let update = group.update(1);
    group.accept(&update);
    let state = &group.state;
    let bytes = state.to_bytes();
    let read = |ctx| GroupState::from_served(&bytes, &ctx, state.seq(), state.log());
    assert!(read(state.ctx()).is_ok());
    assert_eq!(
        read(protocol::Ctx::new([1; 32])).map(|_| ()).unwrap_err(),
        group_state::SnapshotError::Digest
    );
}
