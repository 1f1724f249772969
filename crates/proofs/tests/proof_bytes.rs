//! Proof bytes: one encoding, every group element checked.
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

use ark_bn254::{Fq, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, PrimeField};
use ark_serialize::CanonicalSerialize;
use proofs::{Proof, ProofFormatError, VerifyingKeys};

#[path = "support/branch.rs"]
mod branch;

use branch::Branch;

const GOLDEN: &[u8; 128] = include_bytes!("vectors/branch-t8.proof");

#[test]
fn a_proof_made_long_ago_still_verifies() {
    let proof = Proof::from_bytes(GOLDEN).unwrap();
    assert_eq!(
        VerifyingKeys::development().verify(&Branch::random(3, 40).statement().into(), &proof),
        Ok(())
    );
}

#[test]
fn a_deep_proof_made_long_ago_still_verifies() {
    let proof = Proof::from_bytes(include_bytes!("vectors/branch-t16.proof")).unwrap();
    assert_eq!(
        VerifyingKeys::development().verify(&Branch::random(12, 41).statement().into(), &proof),
        Ok(())
    );
}

#[test]
fn encoding_round_trips() {
    assert_eq!(Proof::from_bytes(GOLDEN).unwrap().to_bytes(), *GOLDEN);
    assert_eq!(Proof::try_from(&GOLDEN[..]).unwrap().as_bytes(), GOLDEN);
}

#[test]
fn every_other_length_is_refused() {
    for length in [0, 1, 127, 129, 256] {
        assert_eq!(Proof::try_from(&vec![0; length][..]).unwrap_err(), ProofFormatError::Length(length));
    }
}

#[test]
fn any_flipped_bit_is_refused() {
    let statement = Branch::random(3, 40).statement();
    for bit in 0..1024 {
        let mut bytes = *GOLDEN;
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(proof) = Proof::from_bytes(&bytes) {
            assert!(
                VerifyingKeys::development().verify(&statement.clone().into(), &proof).is_err(),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn identity_elements_are_refused() {
    for range in [0..32, 32..96, 96..128] {
        let mut bytes = *GOLDEN;
        bytes[range.clone()].fill(0);
        bytes[range.end - 1] = 0x40;
        assert_eq!(Proof::from_bytes(&bytes).unwrap_err(), ProofFormatError::Identity);
    }
}

#[test]
fn a_coordinate_plus_the_modulus_is_refused() {
    for (start, part) in [(0, 32), (32, 32), (64, 32), (96, 32)] {
        let mut bytes = *GOLDEN;
        let flags = bytes[start + part - 1] & 0xc0;
        bytes[start + part - 1] &= 0x3f;
        let mut coordinate = Fq::from_le_bytes_mod_order(&bytes[start..start + part]).into_bigint();
        coordinate.add_with_carry(&Fq::MODULUS);
        if coordinate.num_bits() > 254 {
            continue;
        }
        bytes[start..start + part].copy_from_slice(&coordinate.to_bytes_le());
        bytes[start + part - 1] |= flags;
        assert!(Proof::from_bytes(&bytes).is_err());
    }
    // Whatever the golden bytes are, this one always fits: x = p.
    let mut bytes = *GOLDEN;
    bytes[..32].copy_from_slice(&Fq::MODULUS.to_bytes_le());
    assert_eq!(Proof::from_bytes(&bytes).unwrap_err(), ProofFormatError::NotInGroup);
}

#[test]
fn points_outside_the_subgroup_of_g2_are_refused() {
    let point = (1u64..)
        .filter_map(|x| G2Affine::get_point_from_x_unchecked(x.into(), false))
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    let mut bytes = *GOLDEN;
    point.serialize_compressed(&mut bytes[32..96]).unwrap();
    assert_eq!(Proof::from_bytes(&bytes).unwrap_err(), ProofFormatError::NotInGroup);
}

#[test]
fn another_proofs_parts_do_not_help() {
    let statement = Branch::random(3, 40).statement();
    let generator = {
        let mut bytes = [0; 128];
        G1Affine::generator().serialize_compressed(&mut bytes[..32]).unwrap();
        G2Affine::generator().serialize_compressed(&mut bytes[32..96]).unwrap();
        G1Affine::generator().serialize_compressed(&mut bytes[96..]).unwrap();
        bytes
    };
    for range in [0..32, 32..96, 96..128, 0..128] {
        let mut bytes = *GOLDEN;
        bytes[range.clone()].copy_from_slice(&generator[range]);
        let proof = Proof::from_bytes(&bytes).unwrap();
        assert!(VerifyingKeys::development().verify(&statement.clone().into(), &proof).is_err());
    }
}

#[test]
fn debug_shows_no_bytes() {
    assert_eq!(format!("{:?}", Proof::from_bytes(GOLDEN).unwrap()), "Proof(128 bytes)");
}
