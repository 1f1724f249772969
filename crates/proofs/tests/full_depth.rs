//! The large circuit, once: key generation, a full-depth proof.
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

use proofs::{
    Circuit, Control, DevelopmentKey, ProofError, SetupStage, Tier, VerifyingKeys, prove, setup_development,
};

#[path = "support/branch.rs"]
mod branch;

use branch::{Branch, rng, statement};

#[test]
fn the_largest_tree_has_proofs_under_the_checked_in_key() {
    let mut stages = Vec::new();
    let key = setup_development(Tier::T16.into(), |stage| stages.push(stage)).unwrap();
    assert_eq!(stages.first(), Some(&SetupStage::Circuit));
    assert_eq!(stages.last(), Some(&SetupStage::Finished));

    let pinned = DevelopmentKey::of(Tier::T16.into()).unwrap();
    assert_eq!(key.verifying_key().to_bytes(), pinned.verifying_key);
    assert_eq!(key.hash(), pinned.proving_key_hash);

    let branch = Branch::random(15, 30);
    let proof = prove(&key, &branch.statement(), &branch.secret, &Control::default(), &mut rng(1)).unwrap();
    let keys = VerifyingKeys::development();
    assert_eq!(keys.verify(&branch.statement().into(), &proof), Ok(()));
    let mut digest = branch.digest;
    digest[31] ^= 1;
    let other = statement(digest, &branch.keys, &branch.siblings);
    assert_eq!(keys.verify(&other.into(), &proof), Err(ProofError::Mismatch));
    let mut siblings = branch.siblings.clone();
    siblings[14] = siblings[13];
    let other = statement(branch.digest, &branch.keys, &siblings);
    assert_eq!(keys.verify(&other.into(), &proof), Err(ProofError::Mismatch));
}

#[test]
#[ignore = "writes the golden proofs anew, after a change of circuit or seed"]
fn write_golden_proofs() {
    for (tier, levels, seed) in [(Tier::T8, 3, 40), (Tier::T16, 12, 41)] {
        let key = setup_development(tier.into(), |_| {}).unwrap();
        let branch = Branch::random(levels, seed);
        let proof =
            prove(&key, &branch.statement(), &branch.secret, &Control::default(), &mut rng(seed)).unwrap();
        let name = format!(
            "{}/tests/vectors/branch-{}.proof",
            env!("CARGO_MANIFEST_DIR"),
            Circuit::from(tier).name()
        );
        std::fs::write(name, proof.to_bytes()).unwrap();
    }
}
