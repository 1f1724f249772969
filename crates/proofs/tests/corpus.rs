//! The decoders of this crate and its verification against the corpora of the fuzzer, and against damaged bytes.
#![cfg(feature = "prover")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use proofs::{AdminSecret, DEVELOPMENT_KEYS, Proof, Statement, VerifyingKeys};

#[path = "support/branch.rs"]
mod branch;

#[path = "../../../tests/fuzz/src/proofs.rs"]
mod targets;

#[path = "../../../tests/fuzz/src/replay.rs"]
mod replay;

use branch::Branch;

#[test]
fn the_corpora_hold_their_seeds() {
    let golden = include_bytes!("vectors/branch-t8.proof");
    replay::check_seed("proof", "branch-t8", golden);
    replay::check_seed("proof", "branch-t16", include_bytes!("vectors/branch-t16.proof"));
    for key in &DEVELOPMENT_KEYS {
        let bytes = [&[key.circuit.number()], key.verifying_key].concat();
        replay::check_seed("verifying_key", key.circuit.name(), &bytes);
        let header = [&b"kith-pk\n\x02\0\0\0"[..], &[key.circuit.number(), 0, 0, 0], &[0; 64]].concat();
        replay::check_seed("proving_key", key.circuit.name(), &header);
    }
    replay::check_seed("admin_secret", "drawn", &*AdminSecret::generate(&mut branch::rng(1)).to_bytes());
    replay::check_seed("admin_secret", "zero", &[0; 64]);

    let branch = Branch::random(3, 40);
    let points: Vec<u8> =
        branch.keys.iter().chain(&branch.siblings).flat_map(|point| point.to_bytes()).collect();
    replay::check_seed("../material", "verification", &[&branch.digest[..], &points, golden].concat());
    let statement: Statement = branch.statement();
    let proof = Proof::from_bytes(golden).unwrap();
    assert_eq!(VerifyingKeys::development().verify(&statement.into(), &proof), Ok(()));
    // One edit of each sort, and two signs of the proof, which make another proof.
    replay::check_seed("verification", "good", &[]);
    for what in 0..12u8 {
        replay::check_seed("verification", &format!("edit-{what}"), &[what, 1, 5]);
    }
    replay::check_seed("verification", "uncovered-byte", &[0, 0, 1]);
    replay::check_seed("verification", "two-signs", &[10, 0, 0, 10, 1, 0]);
    replay::check_seed("verification", "there-and-back", &[3, 2, 0, 3, 2, 0]);
}

#[test]
fn replay() {
    replay::replay("proof", targets::proof, 300);
    replay::replay("verifying_key", targets::verifying_key, 6);
    replay::replay("proving_key", targets::proving_key, 4);
    replay::replay("admin_secret", targets::admin_secret, 50);
    replay::replay("verification", targets::verification, 20);
}
