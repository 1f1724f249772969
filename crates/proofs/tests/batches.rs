//! Batches: the same verdicts as one by one.
#![cfg(feature = "prover")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use std::sync::OnceLock;

use proofs::{Claim, Control, Proof, ProofError, Statement, Tier, VerifyingKeys, prove, setup_development};

#[path = "support/branch.rs"]
mod branch;

use branch::{Branch, rng, statement};

/// Eight proven branches of all lengths.
fn proven() -> &'static [(Branch, Proof)] {
    static PROVEN: OnceLock<Vec<(Branch, Proof)>> = OnceLock::new();
    PROVEN.get_or_init(|| {
        let key = setup_development(Tier::T8.into(), |_| {}).unwrap();
        (0..8)
            .map(|levels| {
                let branch = Branch::random(levels, 60);
                let proof =
                    prove(&key, &branch.statement(), &branch.secret, &Control::default(), &mut rng(1))
                        .unwrap();
                (branch, proof)
            })
            .collect()
    })
}

fn batch(size: usize) -> Vec<(Claim, Proof)> {
    let proven = proven().iter().map(|(branch, proof)| (branch.statement().into(), proof.clone()));
    proven.cycle().take(size).collect()
}

fn with_wrong_digest(branch: &Branch) -> Statement {
    let mut digest = branch.digest;
    digest[31] ^= 1;
    statement(digest, &branch.keys, &branch.siblings)
}

fn verify(items: &[(Claim, Proof)]) -> Vec<Result<(), ProofError>> {
    VerifyingKeys::development().verify_batch(items, &mut rng(2))
}

#[test]
fn good_proofs_of_any_number_pass() {
    for size in [0, 1, 2, 3, 17] {
        assert_eq!(verify(&batch(size)), vec![Ok(()); size]);
    }
}

#[test]
fn one_bad_proof_of_64_is_blamed_alone() {
    for bad in [0, 31, 63] {
        let mut items = batch(64);
        items[bad].0 = with_wrong_digest(&proven()[bad % 8].0).into();
        let mut expected = vec![Ok(()); 64];
        expected[bad] = Err(ProofError::Mismatch);
        assert_eq!(verify(&items), expected);
    }
}

#[test]
fn several_bad_proofs_are_each_blamed() {
    let mut items = batch(24);
    let mut expected = vec![Ok(()); 24];
    for bad in [3, 4, 17] {
        items[bad].0 = with_wrong_digest(&proven()[bad % 8].0).into();
        expected[bad] = Err(ProofError::Mismatch);
    }
    assert_eq!(verify(&items), expected);
}

#[test]
fn a_batch_of_bad_proofs_only_is_all_blamed() {
    let items: Vec<_> =
        proven().iter().map(|(branch, proof)| (with_wrong_digest(branch).into(), proof.clone())).collect();
    assert_eq!(verify(&items), vec![Err(ProofError::Mismatch); 8]);
}

#[test]
fn two_swapped_proofs_do_not_cancel_out() {
    let mut items = batch(8);
    let first = items[0].1.clone();
    items[0].1 = std::mem::replace(&mut items[1].1, first);
    let mut expected = vec![Ok(()); 8];
    expected[..2].fill(Err(ProofError::Mismatch));
    assert_eq!(verify(&items), expected);
}

#[test]
fn tiers_mix_in_one_batch() {
    let deep = Branch::random(12, 41);
    let proof = Proof::from_bytes(include_bytes!("vectors/branch-t16.proof")).unwrap();
    let mut items = batch(5);
    items.insert(2, (deep.statement().into(), proof.clone()));
    assert_eq!(verify(&items), vec![Ok(()); 6]);
    items[4].0 = with_wrong_digest(&deep).into();
    items[4].1 = proof;
    let mut expected = vec![Ok(()); 6];
    expected[4] = Err(ProofError::Mismatch);
    assert_eq!(verify(&items), expected);
}
