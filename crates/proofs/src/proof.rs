//! A proof on the wire.

use core::fmt;

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};

/// Why bytes are no proof. The fault of whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFormatError {
    /// A proof has exactly [`Proof::LEN`] bytes.
    #[error("a proof has 128 bytes, got {0}")]
    Length(usize),
    /// A part is no point of its group: no curve point, outside the subgroup, or a coordinate not below the modulus.
    #[error("proof contains no valid group element")]
    NotInGroup,
    /// A part is the identity, which no honest proof contains.
    #[error("proof contains the identity")]
    Identity,
    /// The bytes decode, but the proof's one valid encoding is another.
    #[error("proof encoding is not canonical")]
    NotCanonical,
}

/// A Groth16 proof over BN254: A in G1, B in G2, C in G1, compressed to 128 bytes.
///
/// Decoding checks everything but the pairing equation. Anybody can turn a proof into another of the same statement, so
/// proof bytes are evidence and never an identifier: no `Hash`, no order.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    bytes: [u8; Self::LEN],
    pub(crate) a: G1Affine,
    pub(crate) b: G2Affine,
    pub(crate) c: G1Affine,
}

impl Proof {
    /// Length of an encoded proof in bytes.
    pub const LEN: usize = 128;

    /// Decodes a proof.
    ///
    /// # Errors
    ///
    /// [`ProofFormatError`] unless all three parts are canonical encodings of non-identity elements of their
    /// prime-order groups.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, ProofFormatError> {
        let mut rest = &bytes[..];
        let a = G1Affine::deserialize_compressed(&mut rest).map_err(|_| ProofFormatError::NotInGroup)?;
        let b = G2Affine::deserialize_compressed(&mut rest).map_err(|_| ProofFormatError::NotInGroup)?;
        let c = G1Affine::deserialize_compressed(&mut rest).map_err(|_| ProofFormatError::NotInGroup)?;
        if a.is_zero() || b.is_zero() || c.is_zero() {
            return Err(ProofFormatError::Identity);
        }
        let proof = Self::from_points(a, b, c);
        if proof.bytes != *bytes {
            return Err(ProofFormatError::NotCanonical);
        }
        Ok(proof)
    }

    /// The 128 canonical bytes.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::LEN] {
        self.bytes
    }

    /// The 128 canonical bytes, borrowed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.bytes
    }

    pub(crate) fn from_points(a: G1Affine, b: G2Affine, c: G1Affine) -> Self {
        let mut bytes = [0; Self::LEN];
        let mut rest = &mut bytes[..];
        // 32, 64 and 32 bytes into 128 cannot fail; were it to, the truncated bytes would not decode.
        let _fits = a.serialize_compressed(&mut rest).is_ok()
            && b.serialize_compressed(&mut rest).is_ok()
            && c.serialize_compressed(&mut rest).is_ok();
        Self { bytes, a, b, c }
    }
}

impl TryFrom<&[u8]> for Proof {
    type Error = ProofFormatError;

    fn try_from(bytes: &[u8]) -> Result<Self, ProofFormatError> {
        let bytes = bytes.try_into().map_err(|_| ProofFormatError::Length(bytes.len()))?;
        Self::from_bytes(bytes)
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(128 bytes)")
    }
}
