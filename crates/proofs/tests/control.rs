//! Following a proof, and giving it up.
#![cfg(feature = "prover")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use proofs::{Control, ProveError, ProveStage, ProvingKey, Tier, prove, setup_development};

#[path = "support/branch.rs"]
mod branch;

use branch::{Branch, rng};

fn key() -> &'static ProvingKey {
    static KEY: OnceLock<ProvingKey> = OnceLock::new();
    KEY.get_or_init(|| setup_development(Tier::T8.into(), |_| {}).unwrap())
}

#[test]
fn stages_come_in_order_and_their_shares_grow() {
    let seen = Mutex::new(Vec::new());
    let report = |stage| seen.lock().unwrap().push(stage);
    let branch = Branch::random(3, 70);
    let control = Control::new(&report, &|| false);
    prove(key(), &branch.statement(), &branch.secret, &control, &mut rng(1)).unwrap();
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.first(), Some(&ProveStage::Witness));
    assert_eq!(seen.last(), Some(&ProveStage::Finished));
    assert_eq!(seen.len(), 9);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1] && pair[0].fraction() < pair[1].fraction()));
    assert!((ProveStage::Finished.fraction() - 1.0).abs() < f32::EPSILON);
}

#[test]
fn a_proof_given_up_ends_before_the_next_stage_wherever_that_is() {
    let branch = Branch::random(3, 71);
    for at in 0..9 {
        let (asked, entered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let report = |_| {
            entered.fetch_add(1, Ordering::Relaxed);
        };
        let give_up = || asked.fetch_add(1, Ordering::Relaxed) == at;
        let control = Control::new(&report, &give_up);
        let outcome = prove(key(), &branch.statement(), &branch.secret, &control, &mut rng(1));
        assert_eq!(outcome, Err(ProveError::GivenUp));
        assert_eq!(entered.into_inner(), at, "no stage was entered after giving up");
    }
}
