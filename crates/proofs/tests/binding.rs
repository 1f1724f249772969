//! What a proof binds, under the small circuit.
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

use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_groth16::{Groth16, VerifyingKey as ArkKey, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use ark_std::rand::SeedableRng;
use curve::{Point, TreeSecret};
use proofs::{
    Control, DevelopmentKey, Proof, ProofError, ProveError, ProvingKey, ProvingKeyError, Statement, Tier,
    VerifyingKeys, prove, setup_development,
};

#[path = "support/branch.rs"]
mod branch;

use branch::{Branch, rng, statement};

fn key() -> &'static ProvingKey {
    static KEY: OnceLock<ProvingKey> = OnceLock::new();
    KEY.get_or_init(|| setup_development(Tier::T8.into(), |_| {}).unwrap())
}

/// A branch of three levels and its proof, which most tests start from.
fn proven() -> &'static (Branch, Proof) {
    static PROVEN: OnceLock<(Branch, Proof)> = OnceLock::new();
    PROVEN.get_or_init(|| {
        let branch = Branch::random(3, 9);
        let proof = prove_branch(&branch);
        (branch, proof)
    })
}

fn prove_branch(branch: &Branch) -> Proof {
    prove(key(), &branch.statement(), &branch.secret, &Control::default(), &mut rng(100)).unwrap()
}

fn verify(statement: &Statement, proof: &Proof) -> Result<(), ProofError> {
    VerifyingKeys::development().verify(&statement.clone().into(), proof)
}

fn negate(point: &Point) -> Point {
    let affine = -*point.as_affine();
    let mut bytes = [0; 32];
    affine.serialize_compressed(&mut bytes[..]).unwrap();
    Point::from_bytes(&bytes).unwrap()
}

#[test]
fn the_public_seed_gives_the_checked_in_keys() {
    let pinned = DevelopmentKey::of(Tier::T8.into()).unwrap();
    let file = key().to_bytes();
    assert_eq!(key().verifying_key().to_bytes(), pinned.verifying_key);
    assert_eq!(key().hash(), pinned.proving_key_hash);
    assert_eq!(file.len() as u64, pinned.proving_key_len);
}

#[test]
fn a_stored_key_proves_as_the_made_one() {
    let stored = ProvingKey::from_bytes_trusted(&key().to_bytes()).unwrap();
    let (branch, proof) = proven();
    let again =
        prove(&stored, &branch.statement(), &branch.secret, &Control::default(), &mut rng(100)).unwrap();
    assert_eq!(again, *proof, "same randomness, same proof");
}

#[test]
fn a_damaged_key_file_is_refused() {
    let file = key().to_bytes();
    let load = |bytes: &[u8]| ProvingKey::from_bytes_trusted(bytes).unwrap_err();
    assert_eq!(load(&[]), ProvingKeyError::NotAKey);
    assert_eq!(load(&[0; 64]), ProvingKeyError::NotAKey);
    let expected = file.len();
    assert_eq!(load(&file[..expected - 1]), ProvingKeyError::Length { expected, got: expected - 1 });
    let changed = |position: usize, value: u8| {
        let mut bytes = file.clone();
        bytes[position] = value;
        bytes
    };
    assert_eq!(load(&changed(8, 1)), ProvingKeyError::Version(1));
    assert_eq!(load(&changed(12, 9)), ProvingKeyError::UnknownCircuit(9));
    assert!(matches!(load(&changed(12, 16)), ProvingKeyError::Length { .. }));
    assert_eq!(load(&changed(15, 1)), ProvingKeyError::NotAKey);
    // A damaged point is not looked for on load, but no wrong proof leaves the prover.
    let damaged = ProvingKey::from_bytes_trusted(&changed(expected - 100, file[expected - 100] ^ 1)).unwrap();
    let (branch, _) = proven();
    let outcome = prove(&damaged, &branch.statement(), &branch.secret, &Control::default(), &mut rng(100));
    assert_eq!(outcome.unwrap_err(), ProveError::Invalid);
}

#[test]
fn every_path_length_up_to_the_tier_is_provable() {
    for levels in 0..=7 {
        let branch = Branch::random(levels, 20);
        assert_eq!(verify(&branch.statement(), &prove_branch(&branch)), Ok(()), "{levels} levels");
    }
}

#[test]
fn a_group_of_one_has_a_proof() {
    let branch = Branch::random(0, 21);
    assert_eq!(branch.keys.len(), 2);
    assert_eq!(verify(&branch.statement(), &prove_branch(&branch)), Ok(()));
}

#[test]
fn a_proof_does_not_carry_over_to_another_digest() {
    let (branch, proof) = proven();
    for bit in 8..256 {
        let mut digest = branch.digest;
        digest[bit / 8] ^= 1 << (bit % 8);
        let other = statement(digest, &branch.keys, &branch.siblings);
        assert_eq!(verify(&other, proof), Err(ProofError::Mismatch), "bit {bit}");
    }
    // The first byte does not fit the field and is not covered; digests are collision-resistant without it.
    let mut digest = branch.digest;
    digest[0] ^= 1;
    assert_eq!(verify(&statement(digest, &branch.keys, &branch.siblings), proof), Ok(()));
}

#[test]
fn no_key_can_be_replaced_or_negated() {
    let (branch, proof) = proven();
    let stranger = Branch::random(0, 50).keys[0];
    for position in 0..branch.keys.len() {
        for other in [stranger, negate(&branch.keys[position]), Point::generator(), Point::sign_base()] {
            let mut keys = branch.keys.clone();
            keys[position] = other;
            let outcome = verify(&statement(branch.digest, &keys, &branch.siblings), proof);
            assert_eq!(outcome, Err(ProofError::Mismatch), "key {position}");
        }
    }
}

#[test]
fn no_sibling_can_be_replaced_or_negated() {
    let (branch, proof) = proven();
    let stranger = Branch::random(0, 50).keys[0];
    for position in 0..branch.siblings.len() {
        for other in [stranger, negate(&branch.siblings[position]), Point::generator(), Point::sign_base()] {
            let mut siblings = branch.siblings.clone();
            siblings[position] = other;
            let outcome = verify(&statement(branch.digest, &branch.keys, &siblings), proof);
            assert_eq!(outcome, Err(ProofError::Mismatch), "sibling {position}");
        }
    }
}

#[test]
fn keys_and_siblings_cannot_be_swapped() {
    let (branch, proof) = proven();
    for (i, j) in [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)] {
        let mut keys = branch.keys.clone();
        keys.swap(i, j);
        assert!(verify(&statement(branch.digest, &keys, &branch.siblings), proof).is_err());
    }
    for (i, j) in [(0, 1), (1, 2), (0, 2)] {
        let mut siblings = branch.siblings.clone();
        siblings.swap(i, j);
        assert!(verify(&statement(branch.digest, &branch.keys, &siblings), proof).is_err());
    }
}

#[test]
fn a_shorter_or_longer_path_is_another_statement() {
    let (branch, proof) = proven();
    let (keys, siblings) = (&branch.keys, &branch.siblings);
    // The last tree level dropped, keeping the signing key.
    let shorter = [&keys[..3], &keys[4..]].concat();
    assert!(verify(&statement(branch.digest, &shorter, &siblings[..2]), proof).is_err());
    // The sign level passed off as a level of the tree, and the first padding key as the signing key: the tables and
    // keys are the same but for the table of H.
    let padding = curve::SharedU::with_generator(&keys[4]).derive().public();
    let longer = [&keys[..], &[padding]].concat();
    let with_g = [&siblings[..], &[Point::generator()]].concat();
    assert!(verify(&statement(branch.digest, &longer, &with_g), proof).is_err());
}

#[test]
fn a_proof_of_one_tier_is_none_of_another() {
    let (_, proof) = proven();
    assert_eq!(verify(&Branch::random(8, 9).statement(), proof), Err(ProofError::Mismatch));
}

#[test]
fn the_prover_refuses_a_statement_of_another_tier() {
    let branch = Branch::random(8, 9);
    let outcome = prove(key(), &branch.statement(), &branch.secret, &Control::default(), &mut rng(1));
    assert_eq!(
        outcome.unwrap_err(),
        ProveError::WrongCircuit { needed: Tier::T16.into(), got: Tier::T8.into() }
    );
}

#[test]
fn a_secret_that_does_not_fit_is_an_error() {
    let (branch, _) = proven();
    let other = Branch::random(3, 51);
    let outcome = prove(key(), &branch.statement(), &other.secret, &Control::default(), &mut rng(1));
    assert_eq!(outcome.unwrap_err(), ProveError::SecretMismatch { position: 0 });
    for position in 0..branch.keys.len() {
        let mut keys = branch.keys.clone();
        keys[position] = other.keys[0];
        let outcome = prove(
            key(),
            &statement(branch.digest, &keys, &branch.siblings),
            &branch.secret,
            &Control::default(),
            &mut rng(1),
        );
        assert_eq!(outcome.unwrap_err(), ProveError::SecretMismatch { position });
    }
}

#[test]
fn extreme_secrets_and_special_siblings_are_provable() {
    let secret = |mut bytes: [u8; 32]| {
        bytes[31] &= 1;
        TreeSecret::from_bytes(&bytes).unwrap()
    };
    let siblings = vec![
        Point::generator(),
        negate(&Point::generator()),
        Point::sign_base(),
        negate(&Point::sign_base()),
        secret([0; 32]).public(),
        secret([0xff; 32]).public(),
    ];
    for pattern in [0x00, 0xff, 0x55] {
        let branch = Branch::new(secret([pattern; 32]), siblings.clone(), [7; 32]);
        assert_eq!(verify(&branch.statement(), &prove_branch(&branch)), Ok(()), "{pattern:02x}");
    }
}

#[test]
fn sibling_equal_to_the_own_key_is_provable() {
    let secret = TreeSecret::generate(&mut rng(77));
    let branch = Branch::new(secret.clone(), vec![secret.public(), negate(&secret.public())], [7; 32]);
    assert_eq!(verify(&branch.statement(), &prove_branch(&branch)), Ok(()));
}

#[test]
fn two_proofs_of_one_statement_differ() {
    let (branch, proof) = proven();
    let other =
        prove(key(), &branch.statement(), &branch.secret, &Control::default(), &mut rng(101)).unwrap();
    assert_ne!(other, *proof);
    assert_eq!(verify(&branch.statement(), &other), Ok(()));
}

fn ark_key() -> ArkKey<Bn254> {
    ArkKey::deserialize_compressed(&key().verifying_key().to_bytes()[..]).unwrap()
}

fn ark_proof(proof: &Proof) -> ark_groth16::Proof<Bn254> {
    ark_groth16::Proof::deserialize_compressed(&proof.to_bytes()[..]).unwrap()
}

#[test]
fn a_rerandomised_proof_verifies_so_bytes_are_no_id() {
    let (branch, proof) = proven();
    let mut rng = ark_std::rand::rngs::StdRng::seed_from_u64(1);
    let other = Groth16::<Bn254>::rerandomize_proof(&ark_key(), &ark_proof(proof), &mut rng);
    let mut bytes = [0; 128];
    other.serialize_compressed(&mut bytes[..]).unwrap();
    let other = Proof::from_bytes(&bytes).unwrap();
    assert_ne!(other, *proof);
    assert_eq!(verify(&branch.statement(), &other), Ok(()));
}

/// The public inputs, computed from the book's text and not with the crate.
fn inputs(branch: &Branch) -> Vec<Fr> {
    use ark_ec::{AffineRepr, CurveGroup};
    use ark_ff::{AdditiveGroup, Field, PrimeField};
    let montgomery = |point: curve::EdwardsAffine| {
        let u = (Fr::ONE + point.y) * (Fr::ONE - point.y).inverse().unwrap();
        [u, u * point.x.inverse().unwrap()]
    };
    let mut keys = branch.keys.clone();
    let mut siblings = branch.siblings.clone();
    siblings.push(Point::sign_base());
    siblings.resize(8, Point::generator());
    let mut top = branch.secret.clone();
    for sibling in &siblings {
        top = top.dh(sibling).derive();
        keys.push(top.public());
    }
    keys.drain(branch.keys.len()..2 * branch.keys.len() - 1);
    let mut inputs = vec![Fr::from_be_bytes_mod_order(&branch.digest[1..])];
    inputs.extend(keys.iter().flat_map(|key| montgomery(*key.as_affine())));
    for sibling in siblings {
        let s = sibling.as_affine().into_group();
        let low = (0..83).fold(s, |point, _| point.double());
        let high = (0..83).fold(low, |point, _| point.double());
        for point in [s - low - high, s + low - high, s - low + high, s + low + high] {
            inputs.extend(montgomery(point.into_affine()));
        }
    }
    inputs
}

#[test]
fn another_implementation_accepts_our_proofs() {
    let (branch, proof) = proven();
    let prepared = prepare_verifying_key(&ark_key());
    let inputs = inputs(branch);
    assert_eq!(inputs.len(), Tier::T8.inputs());
    assert!(Groth16::<Bn254>::verify_proof(&prepared, &ark_proof(proof), &inputs).unwrap());
    for changed in 0..inputs.len() {
        let mut other = inputs.clone();
        other[changed] += Fr::from(1u64);
        assert!(
            !Groth16::<Bn254>::verify_proof(&prepared, &ark_proof(proof), &other).unwrap(),
            "input {changed}"
        );
    }
}

#[test]
fn negating_two_parts_of_a_proof_gives_no_way_around_the_statement() {
    // (−A, −B, C) satisfies the same equation: another spelling of the same evidence, for the same statement only.
    let (branch, proof) = proven();
    let bytes = proof.to_bytes();
    let a = -G1Affine::deserialize_compressed(&bytes[..32]).unwrap();
    let b = -G2Affine::deserialize_compressed(&bytes[32..96]).unwrap();
    let mut other = bytes;
    a.serialize_compressed(&mut other[..32]).unwrap();
    b.serialize_compressed(&mut other[32..96]).unwrap();
    let other = Proof::from_bytes(&other).unwrap();
    assert_eq!(verify(&branch.statement(), &other), Ok(()));
    let mut digest = branch.digest;
    digest[31] ^= 1;
    assert!(verify(&statement(digest, &branch.keys, &branch.siblings), &other).is_err());
}
