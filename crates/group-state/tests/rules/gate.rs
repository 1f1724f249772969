//! What a frame has to show before it gets a telling answer, and when.

use curve::TreeSecret;
use protocol::{Ctx, Epoch, Frame, Kind, UnixSeconds};

use crate::{
    scene::{A, B, C, I, clean, draft, scene_for},
    support::{DAY, Draft, Field, Group},
};

fn passes(group: &Group, draft: &Draft) -> bool {
    group.state.authenticates(&draft.frame().unwrap())
}

#[test]
fn every_acceptable_frame_passes() {
    for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Init) {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        assert!(passes(&scene.group, &draft), "{kind:?}");
    }
}

#[test]
fn none_passes_without_a_valid_signature() {
    for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Init) {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        let stranger = scene.group.fresh_signer();
        let mut unsigned = draft.clone();
        unsigned.signers.clear();
        unsigned.sign = None;
        assert!(!passes(&scene.group, &unsigned), "{kind:?} unsigned");
        let mut forged = draft.clone();
        for (_, signer, _) in &mut forged.signers {
            *signer = stranger.clone();
        }
        forged.sign = forged.sign.map(|_| TreeSecret::from_bytes(&[7; 32].map(|b| b & 1)).unwrap());
        assert!(!passes(&scene.group, &forged), "{kind:?} by a stranger");
        let mut elsewhere = draft;
        elsewhere.ctx = Ctx::new([1; 32]);
        assert!(!passes(&scene.group, &elsewhere), "{kind:?} signed for another state");
    }
}

#[test]
fn a_newcomers_own_key_is_no_pass() {
    // Anybody can sign with a key of its own making; a ticket is what counts.
    let mut scene = clean();
    let ticket = scene.ticket;
    let join = scene.group.join(ticket);
    assert!(passes(&scene.group, &join.clone().without(Field::NewLeaf)));
    assert!(!passes(&scene.group, &join.without(Field::Ticket)));
    let new_owner = scene.group.fresh_key();
    let transfer = scene.group.plain(protocol::body::Body::TransferOwner(new_owner));
    assert!(!passes(&scene.group, &transfer.without(Field::Owner)));
}

#[test]
fn a_member_that_is_behind_is_told_so() {
    let mut scene = clean();
    let late = scene.group.update(B);
    let update = scene.group.update(C);
    scene.group.accept(&update);
    assert!(passes(&scene.group, &late));
    scene.group.refuse("behind", &late, protocol::Refusal::StaleEpoch);
}

#[test]
fn who_was_removed_is_told_nothing() {
    let mut scene = clean();
    let update = scene.group.update(C);
    let message = scene.group.message();
    let leave = scene.group.leave(C);
    scene.group.accept(&leave);
    assert!(!passes(&scene.group, &update));
    assert!(passes(&scene.group, &message), "whose key it still knows, until it is healed");
    let heal = scene.group.heal(A);
    scene.group.accept(&heal);
    scene.group.refuse("and of no use", &message, protocol::Refusal::EpochNotAccepted);
}

#[test]
fn one_signature_is_enough_for_an_answer() {
    let mut scene = clean();
    let removal = scene.group.remove(A, &[C]);
    for field in [Field::Leaf, Field::Owner] {
        assert!(passes(&scene.group, &removal.clone().without(field)));
    }
    let update = scene.group.rotate(B);
    assert!(!passes(&scene.group, &update.without(Field::Leaf)), "the new key is not known yet");
}

#[test]
fn messages_of_epochs_long_gone_show_nothing() {
    let mut scene = clean();
    let old = scene.group.message();
    for at in [A, B, C] {
        let update = scene.group.update(at);
        scene.group.accept(&update);
    }
    assert!(!passes(&scene.group, &old));
    let (ctx, secret) = (scene.group.state.ctx(), scene.group.sign_secret());
    let ahead = scene.group.message_of(Epoch::new(u64::MAX), ctx, secret);
    assert!(!passes(&scene.group, &ahead));
}

#[test]
fn an_invitee_passes_with_its_own_key() {
    let mut scene = clean();
    let update = scene.group.update(I);
    assert!(passes(&scene.group, &update));
}

#[test]
fn admission_looks_at_the_nodes_clock() {
    use group_state::admission::{MAX_AHEAD, MAX_BEHIND, MESSAGE_GRACE, check_time};
    use protocol::Refusal::{ClockSkew, GraceOver};
    let mut scene = clean();
    let now = |n: u64| UnixSeconds::new(n);
    let at = scene.group.now;
    let operation: Frame = scene.group.update(B).frame().unwrap();
    let check = |frame: &Frame, group: &Group, now, since| check_time(&group.state, frame, now, since);
    for (clock, expected) in [
        (at - MAX_AHEAD, Ok(())),
        (at - MAX_AHEAD - 1, Err(ClockSkew)),
        (at + MAX_BEHIND, Ok(())),
        (at + MAX_BEHIND + 1, Err(ClockSkew)),
        (0, Err(ClockSkew)),
        (u64::MAX, Err(ClockSkew)),
    ] {
        assert_eq!(check(&operation, &scene.group, now(clock), now(0)), expected, "{clock}");
    }
    let message = scene.group.message().frame().unwrap();
    let late = now(at + DAY);
    assert_eq!(check(&message, &scene.group, late, now(at)), Ok(()), "of the current epoch at any time");
    let update = scene.group.update(C);
    scene.group.accept(&update);
    assert_eq!(check(&message, &scene.group, now(at + MESSAGE_GRACE), now(at)), Ok(()));
    assert_eq!(check(&message, &scene.group, now(at + MESSAGE_GRACE + 1), now(at)), Err(GraceOver));
    // The fold does not look at a clock: what is stored is stored.
    assert!(scene.group.state.apply(&message, crate::support::keys()).is_ok());
}
