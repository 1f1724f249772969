//! Elements of the field the curve is over, which is also the scalar field of the proofs, as bytes.

use ark_ed_on_bn254::Fq;
use ark_ff::{BigInt, PrimeField};

/// The element of an encoding: 32 little-endian bytes; `None` unless they are below the modulus, so that an element has
/// one encoding.
#[must_use]
pub fn from_bytes(bytes: &[u8; 32]) -> Option<Fq> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*chunk);
    }
    Fq::from_bigint(BigInt(limbs))
}

/// The encoding of an element.
#[must_use]
pub fn to_bytes(element: Fq) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(element.into_bigint().0) {
        *chunk = limb.to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field};

    use super::*;

    #[test]
    fn an_element_has_one_encoding() {
        let mut modulus = [0; 32];
        for (chunk, limb) in modulus.as_chunks_mut::<8>().0.iter_mut().zip(Fq::MODULUS.0) {
            *chunk = limb.to_le_bytes();
        }
        assert_eq!(from_bytes(&modulus), None);
        assert_eq!(from_bytes(&[0xff; 32]), None);
        modulus[0] -= 1;
        assert_eq!(from_bytes(&modulus), Some(-Fq::ONE));
        assert_eq!(to_bytes(-Fq::ONE), modulus);
        assert_eq!(from_bytes(&[0; 32]), Some(Fq::ZERO));
    }
}
