//! The proofs of many frames, checked together: each frame gets its own verdict.

use chacha20::ChaCha20Rng;
use group_state::{Accepted, GroupState, Proposed, verify_batch};
use protocol::{Frame, Refusal};
use rand_core::{Rng, SeedableRng};

use crate::{Life, life, support::keys};

fn proposed(life: &Life, at: usize, frame: &Frame) -> Proposed {
    match at.checked_sub(1) {
        None => GroupState::create(frame, keys()).unwrap(),
        Some(before) => life.states[before].apply(frame, keys()).unwrap(),
    }
}

/// A frame with a proof that is one, but of something else.
fn forged(life: &Life, at: usize, proof: usize) -> Frame {
    let mut frame = life.frames[at].clone();
    let other = life.frames.iter().find(|other| other.hash() != frame.hash() && !other.proofs.is_empty());
    frame.proofs[proof] = other.unwrap().proofs[0];
    frame
}

fn bytes(outcome: Result<Accepted, Refusal>) -> Result<Vec<u8>, Refusal> {
    outcome.map(|accepted| accepted.state.to_bytes())
}

/// Checks the life's frames as one batch, those of `bad` with their last proof forged.
fn check(bad: &[usize], seed: u8) {
    let life = life();
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let proposals = life.frames.iter().enumerate().map(|(at, frame)| {
        let forged = bad.contains(&at).then(|| forged(life, at, frame.proofs.len() - 1));
        proposed(life, at, forged.as_ref().unwrap_or(frame))
    });
    let outcomes = verify_batch(proposals.collect(), keys(), &mut rng);
    assert_eq!(outcomes.len(), life.frames.len());
    for (at, outcome) in outcomes.into_iter().enumerate() {
        let expected =
            if bad.contains(&at) { Err(Refusal::BadProof) } else { Ok(life.states[at].to_bytes()) };
        assert_eq!(bytes(outcome), expected, "frame {at}, bad: {bad:?}");
    }
}

#[test]
fn all_good_give_the_states_that_single_checks_give() {
    check(&[], 1);
}

#[test]
fn only_frames_with_a_bad_proof_are_refused() {
    let with_proofs: Vec<usize> =
        (0..life().frames.len()).filter(|at| !life().frames[*at].proofs.is_empty()).collect();
    for at in &with_proofs {
        check(&[*at], 2);
    }
    let several = life().frames.iter().position(|frame| frame.proofs.len() > 1).unwrap();
    check(&[0, several], 3);
    check(&with_proofs, 4);
}

#[test]
fn bad_frames_do_not_vouch_for_each_other() {
    // Two frames that exchange their proofs: under equal coefficients some such pairs cancel out.
    let life = life();
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let at: Vec<usize> =
        (0..life.frames.len()).filter(|at| life.frames[*at].proofs.len() == 1).take(2).collect();
    let (mut first, mut second) = (life.frames[at[0]].clone(), life.frames[at[1]].clone());
    core::mem::swap(&mut first.proofs, &mut second.proofs);
    let proposals = vec![proposed(life, at[0], &first), proposed(life, at[1], &second)];
    for outcome in verify_batch(proposals, keys(), &mut rng) {
        assert_eq!(bytes(outcome), Err(Refusal::BadProof));
    }
}

#[test]
fn one_proof_alone_takes_no_randomness_and_none_takes_nothing() {
    let life = life();
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    assert!(verify_batch(Vec::new(), keys(), &mut rng).is_empty());
    let message = life.frames.iter().position(|frame| frame.proofs.is_empty()).unwrap();
    let one = life.frames.iter().position(|frame| frame.proofs.len() == 1).unwrap();
    let batch = [message, one, message].map(|at| proposed(life, at, &life.frames[at]));
    assert_eq!(batch.iter().map(Proposed::proof_count).sum::<usize>(), 1);
    let outcomes: Vec<_> = verify_batch(batch.into(), keys(), &mut rng).into_iter().map(bytes).collect();
    assert_eq!(outcomes, [message, one, message].map(|at| Ok(life.states[at].to_bytes())));
    assert_eq!(rng.next_u64(), ChaCha20Rng::from_seed([6; 32]).next_u64());
}
