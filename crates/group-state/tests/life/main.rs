//! A whole life of a group with every proof made and checked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "test helpers"
)]

mod batches;
mod proving;
#[path = "../support/mod.rs"]
mod support;

use std::sync::OnceLock;

use curve::Point;
use group_state::{Accepted, GroupState, author::Own};
use protocol::{Ctx, Frame, Kind, Refusal, Seq, ServedFrame, body::Body, frame::Served, head::Place};
use ratchet_tree::PathSecrets;

use proving::proven;
use support::{Draft, Group, keys, marks, slot};

/// The frames of a life and the state after each.
struct Life {
    frames: Vec<Frame>,
    states: Vec<GroupState>,
    group: Group,
}

/// The last frame but this many is a removal of two with two proofs.
const REMOVAL: usize = 2;

impl Life {
    fn found() -> Self {
        let (draft, ring, rng) = support::init(1, support::policy());
        let frame = proven(&draft);
        let Accepted { state, .. } = GroupState::create(&frame, keys()).unwrap().verify(keys()).unwrap();
        Self { frames: vec![frame], states: vec![state.clone()], group: Group::of(state, ring, rng) }
    }

    fn go_on(&mut self, draft: &Draft) {
        let frame = proven(draft);
        let proposed = self.group.state.apply(&frame, keys()).unwrap();
        assert_eq!(proposed.proof_count(), frame.proofs.len());
        let Accepted { state, .. } =
            proposed.verify(keys()).unwrap_or_else(|e| panic!("{:?}: {e}", draft.kind()));
        self.group.state = state.clone();
        self.frames.push(frame);
        self.states.push(state);
        self.everybody_knows_the_same();
    }

    /// Each live member derives root and signing key from its own leaf, and finds the tree's.
    fn everybody_knows_the_same(&self) {
        let tree = self.group.state.tree();
        for (at, leaf) in tree.leaves() {
            let Some(live) = leaf.live() else { continue };
            let secret = self.group.tree_secret(&live.dh);
            let path = PathSecrets::derive(tree, at, &secret).unwrap();
            assert_eq!(path.root().public(), tree.root_key());
            assert_eq!(path.sign().public(), tree.sign_key());
        }
    }
}

fn life() -> &'static Life {
    static LIFE: OnceLock<Life> = OnceLock::new();
    LIFE.get_or_init(|| {
        let mut life = Life::found();
        let draft = life.group.add(0, 3);
        life.go_on(&draft);
        let draft = life.group.rotate(1);
        life.go_on(&draft);
        for at in [2, 3] {
            let draft = life.group.update(at);
            life.go_on(&draft);
        }
        let (draft, ticket) = life.group.issue(1);
        life.go_on(&draft);
        for _ in 0..2 {
            let draft = life.group.join(ticket);
            life.go_on(&draft);
        }
        assert_eq!(life.group.row(), "AAAAAA--");
        let draft = life.group.rejoin(3);
        life.go_on(&draft);
        let draft = life.group.message();
        life.go_on(&draft);
        let draft = life.group.leave(2);
        life.go_on(&draft);
        let own = life.group.own_update();
        let draft = life.group.heal_with(5, None, own);
        life.go_on(&draft);
        assert_eq!(life.group.row(), "AAVAAA--");
        let draft = life.group.heal_with(0, Some(marks(&[1, 4])), Own::Keep);
        assert_eq!(draft.proofs, 2);
        life.go_on(&draft);
        let draft = life.group.plain(Body::Close);
        life.go_on(&draft);
        life
    })
}

fn removal() -> (&'static GroupState, &'static Frame) {
    let life = life();
    let at = life.frames.len() - REMOVAL;
    assert_eq!(life.frames[at].kind(), Kind::RemoveMembers);
    (&life.states[at - 1], &life.frames[at])
}

/// What becomes of a frame with these proofs.
fn verdict(state: &GroupState, frame: &Frame) -> Result<Ctx, Refusal> {
    state.apply(frame, keys())?.verify(keys()).map(|accepted| accepted.state.ctx())
}

#[test]
fn the_log_gives_the_same_state_again() {
    let life = life();
    let mut state: Option<GroupState> = None;
    for (seq, (frame, expected)) in (0..).zip(life.frames.iter().zip(&life.states)) {
        let served =
            ServedFrame { seq: Seq::new(seq), received_at_ms: 0, content: Served::Frame(frame.clone()) };
        let served = ServedFrame::decode(&served.encode()).unwrap();
        let frame = served.frame().unwrap();
        let proposed = match &state {
            None => GroupState::create(frame, keys()),
            Some(state) => state.apply(frame, keys()),
        };
        let next = proposed.unwrap().verify(keys()).unwrap().state;
        assert_eq!(next.to_bytes(), expected.to_bytes(), "position {seq}");
        assert_eq!((next.seq(), next.ctx()), (served.seq, expected.ctx()));
        state = Some(next);
    }
    assert!(state.unwrap().is_closed());
}

#[test]
fn it_has_every_sort_of_branch() {
    let kinds: Vec<Kind> = life().frames.iter().filter(|f| !f.proofs.is_empty()).map(Frame::kind).collect();
    for kind in [
        Kind::Init,
        Kind::AddMembers,
        Kind::UpdateKey,
        Kind::Join,
        Kind::Rejoin,
        Kind::Heal,
        Kind::RemoveMembers,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

#[test]
fn proofs_of_one_frame_do_not_change_places() {
    let (state, frame) = removal();
    assert!(verdict(state, frame).is_ok());
    let mut swapped = frame.clone();
    swapped.proofs.swap(0, 1);
    assert_eq!(verdict(state, &swapped), Err(Refusal::BadProof));
    let mut twice = frame.clone();
    twice.proofs[1] = twice.proofs[0];
    assert_eq!(verdict(state, &twice), Err(Refusal::BadProof));
}

/// Anybody can make another proof of the same statement: turning the signs of A and B is the simplest way. It does not
/// make another frame, so it is no way to have one applied twice.
#[test]
fn another_proof_of_the_same_branch_is_the_same_frame_and_no_replay() {
    let (state, frame) = removal();
    let mut other = frame.clone();
    for proof in &mut other.proofs {
        proof[31] ^= 0x80;
        proof[95] ^= 0x80;
    }
    assert_ne!(other.proofs, frame.proofs);
    assert_eq!((other.hash(), other.head_bytes()), (frame.hash(), frame.head_bytes()));
    assert_eq!(verdict(state, &other), verdict(state, frame), "accepted, to the same state");
    let after = state.apply(frame, keys()).unwrap().verify(keys()).unwrap().state;
    for again in [frame, &other] {
        assert_eq!(verdict(&after, again), Err(Refusal::StaleEpoch));
    }
    // One sign alone makes no proof.
    let mut broken = frame.clone();
    broken.proofs[0][31] ^= 0x80;
    assert_eq!(verdict(state, &broken), Err(Refusal::BadProof));
}

#[test]
fn a_proof_of_another_frame_is_none() {
    let life = life();
    for at in 1..life.frames.len() {
        let frame = &life.frames[at];
        if frame.proofs.is_empty() {
            continue;
        }
        for other in
            life.frames.iter().filter(|other| other.hash() != frame.hash() && !other.proofs.is_empty())
        {
            let mut forged = frame.clone();
            forged.proofs[0] = other.proofs[0];
            let outcome = verdict(&life.states[at - 1], &forged);
            assert_eq!(
                outcome,
                Err(Refusal::BadProof),
                "{:?} with the proof of {:?}",
                frame.kind(),
                other.kind()
            );
        }
    }
}

#[test]
fn a_branch_is_not_moved_to_another_frame_of_the_same_keys() {
    // The very keys and siblings, signed by the very member: only the digest is another.
    let life = life();
    let at = life.frames.iter().rposition(|frame| frame.kind() == Kind::Rejoin).unwrap();
    let mut group = Group::clone(&life.group);
    group.state = life.states[at - 1].clone();
    let frame = &life.frames[at];
    let mut resealed = group.signed(frame.head().clone());
    resealed.sealed = vec![0x77; 64];
    let mut resealed = resealed.frame().unwrap();
    resealed.proofs.clone_from(&frame.proofs);
    assert_eq!(verdict(&group.state, &resealed), Err(Refusal::BadProof));
    let mut later = frame.head().clone();
    let Place::Operation { at: time, .. } = &mut later.place else { panic!("an operation") };
    *time = time.saturating_add(1);
    let mut later = group.signed(later).frame().unwrap();
    later.proofs.clone_from(&frame.proofs);
    assert_eq!(verdict(&group.state, &later), Err(Refusal::BadProof));
}

#[test]
fn a_member_cannot_break_the_tree() {
    // A branch with one key that does not follow, everything else as it should be: hash, signatures, other keys.
    let life = life();
    let mut group = Group::clone(&life.group);
    group.state = life.states[life.frames.len() - REMOVAL - 1].clone();
    let honest = group.update(0);
    let levels = honest.clone().changes()[0].keys.len();
    for level in 1..levels {
        let mut draft = honest.clone();
        let stray: Point = group.fresh_secret().public();
        draft.changes()[0].keys[level] = stray;
        let keys_sent = draft.changes()[0].keys.clone();
        let prepared = group
            .state
            .tree()
            .prepare(ratchet_tree::Target::Existing(slot(0)), support::max_capacity())
            .unwrap();
        let since = group.state.epoch().next().unwrap();
        let tree = prepared
            .finish(
                ratchet_tree::NewLeaf::Updated { sig: None, since },
                &ratchet_tree::BranchKeys::new(keys_sent.clone()).unwrap(),
            )
            .unwrap();
        *draft.place().2 = tree.hash();
        let mut frame = proving::proven_as(&draft, &honest);
        assert_eq!(verdict(&group.state, &frame), Err(Refusal::BadProof), "level {level}");
        frame.proofs = vec![support::no_proof()];
        assert_eq!(verdict(&group.state, &frame), Err(Refusal::BadProof), "level {level}");
    }
    assert!(verdict(&group.state, &proven(&honest)).is_ok());
}

#[test]
fn what_cannot_be_proved_is_not_made() {
    let life = life();
    let mut group = Group::clone(&life.group);
    group.state = life.states[life.frames.len() - REMOVAL - 1].clone();
    let update = group.update(0);
    let frame = update.frame().unwrap();
    let statement = update.witnesses[0].statement(&frame.digest(&update.ctx)).unwrap();
    let other = group.fresh_secret();
    let outcome =
        proofs::prove(proving::key(), &statement, &other, &proofs::Control::default(), &mut group.rng);
    assert_eq!(outcome.unwrap_err(), proofs::ProveError::SecretMismatch { position: 0 });
}

#[test]
fn an_operation_without_its_sealed_part_is_proved_as_well() {
    let (state, frame) = removal();
    let whole = verdict(state, frame).unwrap();
    assert_eq!(verdict(state, &frame.without_sealed()), Ok(whole));
}

#[test]
fn who_was_removed_no_longer_derives_the_root() {
    let life = life();
    let before = &life.states[life.frames.len() - REMOVAL - 1];
    let after = &life.states[life.frames.len() - REMOVAL];
    for at in [1, 4] {
        let secret = life.group.tree_secret(&before.tree().leaf(slot(at)).live().unwrap().dh);
        assert!(PathSecrets::derive(before.tree(), slot(at), &secret).is_ok());
        assert!(PathSecrets::derive(after.tree(), slot(at), &secret).is_err());
        assert!(after.tree().slot_of_dh(&secret.public()).is_none());
    }
}
