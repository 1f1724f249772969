//! What a forger can do with whole proofs, and where it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "test helpers"
)]

use core::convert::Infallible;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{Field, PrimeField};
use ark_groth16::{Groth16, VerifyingKey as ArkKey, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use chacha20::ChaCha20Rng;
use proofs::{Circuit, Claim, DevelopmentKey, Proof, ProofError, Tier, VerifyingKeys};
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

#[path = "support/branch.rs"]
mod branch;

use branch::{Branch, rng, statement};

const GOLDEN: &[u8; 128] = include_bytes!("vectors/branch-t8.proof");

/// The statement of [`GOLDEN`].
fn proven() -> (Branch, Proof) {
    (Branch::random(3, 40), Proof::from_bytes(GOLDEN).unwrap())
}

fn verify(claim: &Claim, proof: &Proof) -> Result<(), ProofError> {
    VerifyingKeys::development().verify(claim, proof)
}

fn ark_key(circuit: Circuit) -> ArkKey<Bn254> {
    ArkKey::deserialize_compressed(DevelopmentKey::of(circuit).unwrap().verifying_key).unwrap()
}

fn ark_proof(proof: &Proof) -> ark_groth16::Proof<Bn254> {
    ark_groth16::Proof::deserialize_compressed(&proof.to_bytes()[..]).unwrap()
}

fn ours(proof: &ark_groth16::Proof<Bn254>) -> Proof {
    let mut bytes = [0; 128];
    proof.serialize_compressed(&mut bytes[..]).unwrap();
    Proof::from_bytes(&bytes).unwrap()
}

/// Montgomery coordinates, from their definition.
fn montgomery(point: curve::EdwardsAffine) -> [Fr; 2] {
    let u = (Fr::from(1u64) + point.y) * (Fr::from(1u64) - point.y).inverse().unwrap();
    [u, u * point.x.inverse().unwrap()]
}

/// The public inputs of a branch, from the book and without the crate. Keys need not follow from anything.
fn inputs(branch: &Branch, tier: Tier) -> Vec<Fr> {
    let mut siblings = branch.siblings.clone();
    siblings.push(curve::Point::sign_base());
    siblings.resize(tier.levels(), curve::Point::generator());
    let mut keys = branch.keys.clone();
    while keys.len() <= tier.levels() {
        let top = curve::SharedU::with_generator(keys.last().unwrap());
        keys.push(top.derive().public());
    }
    let mut inputs = vec![Fr::from_be_bytes_mod_order(&branch.digest[1..])];
    inputs.extend(keys.iter().flat_map(|key| montgomery(*key.as_affine())));
    for sibling in siblings {
        let s = sibling.as_affine().into_group();
        let times = |point: curve::EdwardsProjective| (0..83).fold(point, |point, _| point + point);
        let (low, high) = (times(s), times(times(s)));
        for point in [s - low - high, s + low - high, s - low + high, s + low + high] {
            inputs.extend(montgomery(point.into_affine()));
        }
    }
    inputs
}

/// Forges a proof under a circuit's development key, for any inputs, from its public seed.
///
/// With A = a·G₁ and B = b·G₂ the equation is solved for C = ((ab − αβ)·G₁ − γ·I)/δ: no witness, no circuit.
fn forge(circuit: Circuit, inputs: &[Fr]) -> Proof {
    let seed =
        Sha256::new().chain_update(b"kith/v1/development-keys").chain_update([circuit.number()]).finalize();
    let mut seeded = ChaCha20Rng::from_seed(seed.into());
    let [alpha, beta, gamma, delta] = [(); 4].map(|()| {
        let mut bytes = [0; 64];
        seeded.fill_bytes(&mut bytes);
        Fr::from_le_bytes_mod_order(&bytes)
    });
    let key = ark_key(circuit);
    let variables = core::iter::once(Fr::from(1u64)).chain(inputs.iter().copied());
    let sum: G1Projective = key.gamma_abc_g1.iter().zip(variables).map(|(point, x)| *point * x).sum();
    let (a, b) = (Fr::from(3u64), Fr::from(5u64));
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    let c = (g1 * (a * b - alpha * beta) - sum * gamma) * delta.inverse().unwrap();
    ours(&ark_groth16::Proof { a: (g1 * a).into_affine(), b: (g2 * b).into_affine(), c: c.into_affine() })
}

/// Trap 12. Whoever knows the setup's randomness proves anything: here that keys drawn at random follow from one secret.
/// So development keys, whose randomness is public, admit what they are, and clients check their own path.
#[test]
fn under_development_keys_a_false_statement_has_a_proof() {
    let mut branch = Branch::random(5, 1);
    branch.keys = (0..7).map(|seed| Branch::random(0, 100 + seed).keys[0]).collect();
    let claim: Claim = branch.statement().into();
    let forged = forge(Tier::T8.into(), &inputs(&branch, Tier::T8));
    assert_eq!(verify(&claim, &forged), Ok(()), "the trapdoor is public");
    assert!(VerifyingKeys::development().are_for_development());
    // It is a proof of this statement only, for all that.
    let other = statement([0; 32], &branch.keys, &branch.siblings);
    assert_eq!(verify(&other.into(), &forged), Err(ProofError::Mismatch));
}

/// Traps 6, 8 and 9: every public input of every branch circuit is bound, each table point and each v among them.
#[test]
fn every_public_input_of_every_tier_is_bound() {
    for (tier, levels) in [(Tier::T8, 7), (Tier::T16, 15), (Tier::T20, 19)] {
        let branch = Branch::random(levels, 2);
        let inputs = inputs(&branch, tier);
        assert_eq!(inputs.len(), tier.inputs());
        let proof = forge(tier.into(), &inputs);
        assert_eq!(verify(&branch.statement().into(), &proof), Ok(()), "the inputs are those of the crate");
        let key = prepare_verifying_key(&ark_key(tier.into()));
        let sum = Groth16::<Bn254>::prepare_inputs(&key, &inputs).unwrap();
        for changed in 0..inputs.len() {
            let mut other = inputs.clone();
            // The negative is another value as well: no input is zero.
            other[changed] =
                if changed % 2 == 0 { -inputs[changed] } else { inputs[changed] + Fr::from(1u64) };
            // The equation has the inputs in one place, their sum; another sum is another equation.
            let moved = key.vk.gamma_abc_g1[changed + 1] * (other[changed] - inputs[changed]);
            assert_ne!(sum + moved, sum, "{tier} input {changed}");
            if changed % 9 == 0 {
                let outcome = Groth16::<Bn254>::verify_proof(&key, &ark_proof(&proof), &other).unwrap();
                assert!(!outcome, "{tier} input {changed}");
            }
        }
    }
}

/// Trap 1. A verifier that pairs inputs with key points as long as there are both accepts surplus inputs, and one such is
/// in wide use. Ours takes a statement, which has as many inputs as its circuit.
#[test]
fn a_surplus_input_passes_a_verifier_that_zips() {
    let (branch, proof) = proven();
    let key = prepare_verifying_key(&ark_key(Tier::T8.into()));
    let mut inputs = inputs(&branch, Tier::T8);
    assert!(Groth16::<Bn254>::verify_proof(&key, &ark_proof(&proof), &inputs).unwrap());
    inputs.push(Fr::from(1_234_567u64));
    assert!(Groth16::<Bn254>::verify_proof(&key, &ark_proof(&proof), &inputs).unwrap());
}

/// Trap 8. −D as a field element, D and p − D being the two roots of one square, is no digest's element: elements of
/// digests are below 2^248, their negatives above p − 2^248. And the proof does not hold for it.
#[test]
fn a_negated_digest_is_another_input_and_no_digest_has_it() {
    let (branch, proof) = proven();
    let key = prepare_verifying_key(&ark_key(Tier::T8.into()));
    let mut inputs = inputs(&branch, Tier::T8);
    inputs[0] = -inputs[0];
    assert!(!Groth16::<Bn254>::verify_proof(&key, &ark_proof(&proof), &inputs).unwrap());
    for digest in [[0; 32], [0xff; 32], branch.digest] {
        let element = Fr::from_be_bytes_mod_order(&digest[1..]);
        let bits = element.into_bigint().0;
        assert!(bits[3] >> 56 == 0, "below 2^248");
        assert!(element == Fr::from(0u64) || (-element).into_bigint().0[3] >> 56 != 0);
    }
}

/// Trap 8, what is bound: 248 of the digest's 256 bits. To move a proof takes a second frame with the same 31 bytes, and
/// the signatures of a frame cover all 32.
#[test]
fn the_first_byte_of_a_digest_is_not_covered_and_all_others_are() {
    let (branch, proof) = proven();
    for byte in 0..32 {
        let mut digest = branch.digest;
        digest[byte] = !digest[byte];
        let claim = statement(digest, &branch.keys, &branch.siblings).into();
        let expected = if byte == 0 { Ok(()) } else { Err(ProofError::Mismatch) };
        assert_eq!(verify(&claim, &proof), expected, "byte {byte}");
    }
}

/// The same circuit two sizes larger, and the other way round; and the statement of an admin.
#[test]
fn a_proof_for_one_circuit_holds_for_no_other() {
    // One path, laid out for each tier; a verifier takes the smallest and no sender can make it take another.
    let branch = Branch::random(3, 3);
    let claim: Claim = branch.statement().into();
    for tier in Tier::ALL {
        let proof = forge(tier.into(), &inputs(&branch, tier));
        let expected = if tier == Tier::T8 { Ok(()) } else { Err(ProofError::Mismatch) };
        assert_eq!(verify(&claim, &proof), expected, "{tier}");
    }
    for (levels, own) in [(12, Tier::T16), (18, Tier::T20)] {
        let branch = Branch::random(levels, 4);
        let proof = forge(own.into(), &inputs(&branch, own));
        assert_eq!(verify(&branch.statement().into(), &proof), Ok(()));
        let (smaller, _) = proven();
        assert_eq!(verify(&smaller.statement().into(), &proof), Err(ProofError::Mismatch));
        assert_eq!(verify(&branch.statement().into(), &proven().1), Err(ProofError::Mismatch));
    }
    // Digest and root as an admin's statement has them: two inputs.
    let root = Fr::from(77u64);
    let mut bytes = [0; 32];
    root.serialize_compressed(&mut bytes[..]).unwrap();
    let digest = protocol::FrameDigest::new(branch.digest);
    let admin: Claim = proofs::AdminStatement::new(digest, protocol::AdminRoot::new(bytes)).unwrap().into();
    let element = Fr::from_be_bytes_mod_order(&branch.digest[1..]);
    let proof = forge(Circuit::Admin, &[element, root]);
    assert_eq!(verify(&admin, &proof), Ok(()));
    assert_eq!(verify(&claim, &proof), Err(ProofError::Mismatch));
    assert_eq!(verify(&admin, &proven().1), Err(ProofError::Mismatch));
    for changed in [[element + Fr::from(1u64), root], [element, root + Fr::from(1u64)], [root, element]] {
        assert_eq!(verify(&admin, &forge(Circuit::Admin, &changed)), Err(ProofError::Mismatch));
    }
}

/// Trap 7. Anybody can turn a proof into another of the same statement, without the witness.
#[test]
fn a_rerandomised_proof_proves_the_same_and_nothing_else() {
    let (branch, proof) = proven();
    let mut seeded = <ark_std::rand::rngs::StdRng as ark_std::rand::SeedableRng>::seed_from_u64(5);
    let key = ark_key(Tier::T8.into());
    let other = Groth16::<Bn254>::rerandomize_proof(&key, &ark_proof(&proof), &mut seeded);
    let other = ours(&other);
    assert_ne!(other, proof);
    assert_eq!(verify(&branch.statement().into(), &other), Ok(()));
    for position in 0..branch.keys.len() {
        let mut keys = branch.keys.clone();
        keys[position] = Branch::random(0, 50).keys[0];
        let claim = statement(branch.digest, &keys, &branch.siblings).into();
        assert_eq!(verify(&claim, &other), Err(ProofError::Mismatch));
    }
}

/// A source that always gives the same: what a verifier with predictable coefficients would draw.
struct Constant;

impl TryRng for Constant {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0x0101_0101)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0x0101_0101_0101_0101)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(1);
        Ok(())
    }
}

impl TryCryptoRng for Constant {}

/// Trap 11. Two bad proofs whose errors are opposite pass a batch whose coefficients are all the same; the fresh ones of a
/// real source tell them.
#[test]
fn errors_that_cancel_need_coefficients_that_agree() {
    let (branch, proof) = proven();
    let error = (G1Affine::generator() * Fr::from(99u64)).into_affine();
    let with = |error: G1Affine| {
        let mut changed = ark_proof(&proof);
        changed.c = (changed.c + error).into_affine();
        (Claim::from(branch.statement()), ours(&changed))
    };
    let mut items = vec![(Claim::from(branch.statement()), proof.clone()); 16];
    items[3] = with(error);
    items[4] = with(-error);
    for (claim, proof) in &items[3..5] {
        assert_eq!(verify(claim, proof), Err(ProofError::Mismatch), "each is bad alone");
    }
    let keys = VerifyingKeys::development();
    assert_eq!(keys.verify_batch(&items, &mut Constant), [Ok(()); 16], "the attack is real");
    let mut expected = [Ok(()); 16];
    expected[3..5].fill(Err(ProofError::Mismatch));
    assert_eq!(keys.verify_batch(&items, &mut rng(6)), expected);
}

/// What a verifier remembers of a sibling belongs to its level and its tier: the same siblings in another order, or in
/// another tier, are other inputs, before and after they were remembered.
#[test]
fn remembered_siblings_do_not_change_places() {
    let keys = VerifyingKeys::development();
    let small = Branch::random(4, 7);
    let mut turned = Branch::random(4, 7);
    turned.siblings.rotate_left(1);
    let mut large = Branch::random(12, 7);
    large.siblings[..4].copy_from_slice(&small.siblings);
    let cases = [(&small, Tier::T8), (&turned, Tier::T8), (&large, Tier::T16)];
    let proofs = cases.map(|(branch, tier)| forge(tier.into(), &inputs(branch, tier)));
    for _ in 0..3 {
        for (own, (branch, _)) in cases.iter().enumerate() {
            for (other, proof) in proofs.iter().enumerate() {
                let expected = if own == other { Ok(()) } else { Err(ProofError::Mismatch) };
                assert_eq!(keys.verify(&branch.statement().into(), proof), expected, "{own} {other}");
            }
        }
    }
}
