//! The verifying keys checked in, and keys that must not get in.
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
    Circuit, DEVELOPMENT_KEYS, DevelopmentKey, KeySetError, Proof, ProofError, Tier, VerifyingKey,
    VerifyingKeyError, VerifyingKeys,
};

#[path = "support/branch.rs"]
mod branch;

use branch::Branch;

/// Offsets in an encoded key: α, β, γ, δ, the count, the input points.
const COUNT: usize = 32 + 3 * 64;
const INPUTS: usize = COUNT + 8;

const T8: Circuit = Circuit::Branch(Tier::T8);
const T16: Circuit = Circuit::Branch(Tier::T16);

fn bytes(circuit: Circuit) -> Vec<u8> {
    DevelopmentKey::of(circuit).unwrap().verifying_key.to_vec()
}

fn identity_g1(bytes: &mut [u8]) {
    bytes.fill(0);
    *bytes.last_mut().unwrap() = 0x40;
}

#[test]
fn checked_in_keys_have_their_pinned_hashes() {
    for pinned in &DEVELOPMENT_KEYS {
        let key = VerifyingKey::from_bytes(pinned.circuit, pinned.verifying_key).unwrap();
        assert_eq!(key.hash(), pinned.verifying_key_hash);
        assert_eq!(key.to_bytes(), pinned.verifying_key);
    }
    assert!(VerifyingKeys::development().circuits().eq(Circuit::ALL), "none was left out");
}

#[test]
fn params_hash_has_its_golden_value() {
    let keys = VerifyingKeys::development();
    assert_eq!(
        keys.params_hash().to_string(),
        "2a9007ef48d6e7e003634005a68f0716f3bbcf0d12d9beaa7a1b3649498b923e"
    );
    assert_eq!(keys.max_dh_levels(), 19);
}

#[test]
fn params_hash_covers_the_list_of_circuits() {
    let [small, large] = [T8, T16].map(|circuit| VerifyingKey::from_bytes(circuit, &bytes(circuit)).unwrap());
    let both = VerifyingKeys::new([large.clone(), small.clone()]).unwrap().params_hash();
    let ordered = VerifyingKeys::new([small.clone(), large.clone()]).unwrap().params_hash();
    assert_eq!(both, ordered, "whatever order the keys come in");
    assert_ne!(both, VerifyingKeys::development().params_hash());
    assert_ne!(both, VerifyingKeys::new([small]).unwrap().params_hash());
    assert_ne!(both, VerifyingKeys::new([large]).unwrap().params_hash());
}

#[test]
fn development_keys_admit_what_they_are() {
    assert!(VerifyingKeys::development().are_for_development());
    let mut other = bytes(T8);
    let (first, second) = other[INPUTS..].split_at_mut(32);
    first.swap_with_slice(&mut second[..32]);
    let other = VerifyingKey::from_bytes(T8, &other).unwrap();
    assert!(!VerifyingKeys::new([other]).unwrap().are_for_development());
}

#[test]
fn a_key_of_another_circuit_is_refused() {
    let outcome = VerifyingKey::from_bytes(T16, &bytes(T8));
    assert_eq!(outcome.unwrap_err(), VerifyingKeyError::InputCount { circuit: T16, got: 84 });
}

#[test]
fn a_key_with_a_missing_or_surplus_input_point_is_refused() {
    let original = bytes(T8);
    for (count, length) in
        [(83u64, original.len() - 32), (85, original.len() + 32), (u64::MAX, original.len())]
    {
        let mut changed = original.clone();
        changed.resize(length, 0);
        changed.copy_within(INPUTS..INPUTS + 32, length - 32);
        changed[COUNT..INPUTS].copy_from_slice(&count.to_le_bytes());
        let outcome = VerifyingKey::from_bytes(T8, &changed);
        assert_eq!(outcome.unwrap_err(), VerifyingKeyError::InputCount { circuit: T8, got: count });
    }
}

#[test]
fn a_key_that_leaves_an_input_unbound_is_refused() {
    let original = bytes(T8);
    for input in 0..84 {
        let mut changed = original.clone();
        identity_g1(&mut changed[INPUTS + 32 * input..][..32]);
        assert_eq!(VerifyingKey::from_bytes(T8, &changed).unwrap_err(), VerifyingKeyError::Identity);
    }
}

#[test]
fn a_key_with_an_identity_among_its_first_elements_is_refused() {
    for range in [0..32, 32..96, 96..160, 160..224] {
        let mut changed = bytes(T8);
        identity_g1(&mut changed[range]);
        assert_eq!(VerifyingKey::from_bytes(T8, &changed).unwrap_err(), VerifyingKeyError::Identity);
    }
}

#[test]
fn a_cut_or_extended_key_is_refused() {
    let original = bytes(T8);
    for length in [0, 1, 31, 32, COUNT, COUNT + 4, INPUTS, original.len() - 1, original.len() + 1] {
        let mut changed = original.clone();
        changed.resize(length, 0);
        assert_eq!(
            VerifyingKey::from_bytes(T8, &changed).unwrap_err(),
            VerifyingKeyError::Malformed,
            "{length}"
        );
    }
}

#[test]
fn a_set_has_one_key_for_a_circuit_and_at_least_one() {
    let key = VerifyingKey::from_bytes(T8, &bytes(T8)).unwrap();
    assert_eq!(VerifyingKeys::new([key.clone(), key]).unwrap_err(), KeySetError::Duplicate(T8));
    assert_eq!(VerifyingKeys::new([]).unwrap_err(), KeySetError::Empty);
}

#[test]
fn a_circuit_without_a_key_is_refused() {
    let large = VerifyingKeys::new([VerifyingKey::from_bytes(T16, &bytes(T16)).unwrap()]).unwrap();
    let proof = Proof::from_bytes(include_bytes!("vectors/branch-t8.proof")).unwrap();
    let statement = Branch::random(3, 40).statement();
    assert_eq!(large.verify(&statement.clone().into(), &proof), Err(ProofError::UnknownCircuit(T8)));
    let batch = large.verify_batch(&[(statement.into(), proof)], &mut branch::rng(1));
    assert_eq!(batch, [Err(ProofError::UnknownCircuit(T8))]);
}
