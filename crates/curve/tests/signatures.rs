//! Schnorr signatures: what verifies and what does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use ark_ed_on_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use chacha20::ChaCha20Rng;
use curve::{
    Point, TreeSecret,
    schnorr::{SchnorrSignature, SignatureError, sign, verify},
};
use rand_core::SeedableRng;

const DIGEST: [u8; 32] = [0x42; 32];

fn signer() -> (TreeSecret, ChaCha20Rng) {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    (TreeSecret::generate(&mut rng), rng)
}

#[test]
fn a_signature_verifies_for_its_key_and_digest() {
    let (secret, mut rng) = signer();
    let signature = sign(&secret, &DIGEST, &mut rng);
    assert_eq!(verify(&secret.public(), &DIGEST, &signature), Ok(()));
}

#[test]
fn signature_has_golden_bytes() {
    let (secret, mut rng) = signer();
    assert_eq!(
        hex::encode(secret.public().to_bytes()),
        "78482895bf828286690207ee5ff12290da5f5dec9953d31d20e4e08abd3a8a04"
    );
    assert_eq!(
        hex::encode(sign(&secret, &DIGEST, &mut rng).to_bytes()),
        "35cb593245c9f98a61a12fa7f7943acf582b599110bab09b47743605691db79c7be4ab42606069b0af23c748118f5972ab2a7f88b1f051767e9ced1a20949500"
    );
}

#[test]
fn signatures_of_one_digest_differ() {
    let (secret, mut rng) = signer();
    assert_ne!(sign(&secret, &DIGEST, &mut rng), sign(&secret, &DIGEST, &mut rng));
}

#[test]
fn any_flipped_bit_breaks_the_signature() {
    let (secret, mut rng) = signer();
    let signature = sign(&secret, &DIGEST, &mut rng).to_bytes();
    for bit in 0..512 {
        let mut bytes = signature;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            verify(&secret.public(), &DIGEST, &SchnorrSignature::from_bytes(bytes)).is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn any_flipped_digest_bit_breaks_the_signature() {
    let (secret, mut rng) = signer();
    let signature = sign(&secret, &DIGEST, &mut rng);
    for bit in 0..256 {
        let mut digest = DIGEST;
        digest[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify(&secret.public(), &digest, &signature), Err(SignatureError::Mismatch));
    }
}

#[test]
fn another_key_does_not_verify() {
    let (secret, mut rng) = signer();
    let signature = sign(&secret, &DIGEST, &mut rng);
    for other in [TreeSecret::generate(&mut rng).public(), Point::generator(), Point::sign_base()] {
        assert_eq!(verify(&other, &DIGEST, &signature), Err(SignatureError::Mismatch));
    }
}

#[test]
fn a_scalar_plus_the_order_is_refused() {
    let (secret, mut rng) = signer();
    let mut bytes = sign(&secret, &DIGEST, &mut rng).to_bytes();
    let mut scalar = Fr::from_le_bytes_mod_order(&bytes[32..]).into_bigint();
    assert!(!scalar.add_with_carry(&Fr::MODULUS));
    bytes[32..].copy_from_slice(&scalar.to_bytes_le());
    let outcome = verify(&secret.public(), &DIGEST, &SchnorrSignature::from_bytes(bytes));
    assert_eq!(outcome, Err(SignatureError::NotCanonical));
}

#[test]
fn zero_bytes_are_no_signature() {
    let (secret, _) = signer();
    let outcome = verify(&secret.public(), &DIGEST, &SchnorrSignature::from_bytes([0; 64]));
    assert_eq!(outcome, Err(SignatureError::Mismatch));
}
