//! Schnorr signatures under a [`TreeSecret`], for messages that show membership and nothing else.
//!
//! R = r·G, c = SHA-512(`kith/v1/sign/challenge` ‖ R ‖ K ‖ digest) mod ℓ, s = r + c·k mod ℓ; the signature is R ‖ s.
//! The nonce r = SHA-512(`kith/v1/sign/nonce` ‖ k ‖ 32 random bytes ‖ digest) mod ℓ is safe under a broken random source
//! (as RFC 6979) and under injected faults (as hedged signatures), with ℓ the order of the group.

use core::fmt;
use std::sync::OnceLock;

use ark_ec::{AffineRepr, CurveGroup, scalar_mul::wnaf::WnafContext};
use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fr};
use ark_ff::{AdditiveGroup, BigInt, PrimeField};
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    constant_time::Select,
    point::{self, Point},
    secret::TreeSecret,
};

const NONCE_LABEL: &[u8] = b"kith/v1/sign/nonce";
const CHALLENGE_LABEL: &[u8] = b"kith/v1/sign/challenge";

/// A signature that does not hold for its key and digest. The fault of whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The second half is no integer below the group order.
    #[error("signature scalar is not canonical")]
    NotCanonical,
    /// The equation s·G = R + c·K does not hold.
    #[error("signature does not verify")]
    Mismatch,
}

/// A signature of 64 bytes: a compressed point, and a scalar in little-endian order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SchnorrSignature([u8; SchnorrSignature::LEN]);

impl SchnorrSignature {
    /// Length of a signature in bytes.
    pub const LEN: usize = 64;

    /// Wraps received bytes; [`verify`] checks them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0
    }

    /// The 64 bytes, borrowed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for SchnorrSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SchnorrSignature(64 bytes)")
    }
}

/// Signs a digest.
pub fn sign(secret: &TreeSecret, digest: &[u8; 32], rng: &mut (impl CryptoRng + ?Sized)) -> SchnorrSignature {
    let public = secret.public();
    loop {
        let mut fresh = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut fresh[..]);
        let mut nonce = wide(&[NONCE_LABEL, &secret.to_bytes()[..], &fresh[..], digest]);
        // A zero nonce would publish the secret; it needs a preimage of zero and costs one line to rule out.
        let Some(commitment) = Point::from_subgroup(GeneratorTable::get().multiply_secret(&nonce)) else {
            continue;
        };
        let mut scalar = secret.scalar();
        let mut response = nonce + challenge(commitment.as_bytes(), &public, digest) * scalar;
        let mut bytes = [0; SchnorrSignature::LEN];
        let (first, second) = bytes.split_at_mut(32);
        first.copy_from_slice(commitment.as_bytes());
        second.copy_from_slice(&scalar_bytes(&response));
        nonce.zeroize();
        scalar.zeroize();
        response.zeroize();
        return SchnorrSignature(bytes);
    }
}

/// Checks a signature.
///
/// # Errors
///
/// [`SignatureError::NotCanonical`] if s is not below the group order, [`SignatureError::Mismatch`] if R is not the
/// canonical encoding of s·G − c·K.
pub fn verify(public: &Point, digest: &[u8; 32], signature: &SchnorrSignature) -> Result<(), SignatureError> {
    let mut commitment = [0; 32];
    let mut response = [0; 32];
    let (first, second) = signature.0.split_at(32);
    commitment.copy_from_slice(first);
    response.copy_from_slice(second);
    let response = scalar_from_bytes(&response).ok_or(SignatureError::NotCanonical)?;
    let challenge = challenge(&commitment, public, digest);
    let key = WnafContext::new(4).mul(EdwardsProjective::from(*public.as_affine()), &challenge);
    // Recomputing R and comparing encodings needs no decoding of R: a point off the curve or outside the subgroup, or
    // another encoding of the right one, cannot compare equal.
    let expected = (GeneratorTable::get().multiply(&response) - key).into_affine();
    if expected.is_zero() || point::compress(&expected) != commitment {
        return Err(SignatureError::Mismatch);
    }
    Ok(())
}

fn challenge(commitment: &[u8; 32], public: &Point, digest: &[u8; 32]) -> Fr {
    wide(&[CHALLENGE_LABEL, commitment, public.as_bytes(), digest])
}

/// SHA-512 of the parts, reduced modulo the group order.
fn wide(parts: &[&[u8]]) -> Fr {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    let mut digest = Zeroizing::new([0u8; 64]);
    digest.copy_from_slice(&hasher.finalize());
    Fr::from_le_bytes_mod_order(&digest[..])
}

fn scalar_bytes(scalar: &Fr) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(scalar.into_bigint().0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Fr> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_le_bytes(<[u8; 8]>::try_from(chunk).ok()?);
    }
    Fr::from_bigint(BigInt(limbs))
}

/// Multiples 1 … 15 of 16^i·G, for scalars that are not of the digit form: nonces and responses.
struct GeneratorTable {
    windows: Vec<[EdwardsAffine; 15]>,
}

impl GeneratorTable {
    fn get() -> &'static Self {
        static TABLE: OnceLock<GeneratorTable> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut base = EdwardsProjective::from(EdwardsAffine::generator());
            let mut points = Vec::with_capacity(64 * 15);
            for _ in 0..64 {
                let mut multiple = base;
                for _ in 0..15 {
                    points.push(multiple);
                    multiple += base;
                }
                base = multiple;
            }
            let windows = EdwardsProjective::normalize_batch(&points)
                .chunks_exact(15)
                .filter_map(|chunk| <[EdwardsAffine; 15]>::try_from(chunk).ok())
                .collect();
            Self { windows }
        })
    }

    /// A public scalar times the generator.
    fn multiply(&self, scalar: &Fr) -> EdwardsProjective {
        let bytes = scalar_bytes(scalar);
        let nibbles = bytes.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        let mut sum = EdwardsProjective::ZERO;
        for (window, nibble) in self.windows.iter().zip(nibbles) {
            if let Some(point) = usize::from(nibble).checked_sub(1).and_then(|index| window.get(index)) {
                sum += point;
            }
        }
        sum
    }

    /// As [`GeneratorTable::multiply`] for a scalar that nobody may learn: every entry is read, and something is added at
    /// every step.
    fn multiply_secret(&self, scalar: &Fr) -> EdwardsProjective {
        let bytes = Zeroizing::new(scalar_bytes(scalar));
        let nibbles = bytes.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        let mut sum = EdwardsProjective::ZERO;
        for (window, nibble) in self.windows.iter().zip(nibbles) {
            // Nibble zero adds the identity.
            let mut chosen = EdwardsAffine::zero();
            for (index, point) in (1u8..).zip(window) {
                chosen = EdwardsAffine::select(&chosen, point, index.ct_eq(&nibble));
            }
            sum += chosen;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::Field;

    use super::*;

    #[test]
    fn both_multiplications_are_the_curves_own() {
        let table = GeneratorTable::get();
        let generator = EdwardsProjective::from(EdwardsAffine::generator());
        let mut scalar = Fr::from(3u64);
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(15u64), Fr::from(16u64), Fr::from(0xf0f0u64)];
        for n in 0..edges.len() + 20 {
            let scalar = *edges.get(n).unwrap_or_else(|| scalar.square_in_place());
            assert_eq!(table.multiply(&scalar), generator * scalar);
            assert_eq!(table.multiply_secret(&scalar), generator * scalar);
        }
    }
}
