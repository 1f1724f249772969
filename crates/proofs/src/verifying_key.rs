//! Verifying keys: decoding, checks, hashes.

use core::fmt;

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize, SerializationError};
use sha2::{Digest, Sha256};

use crate::{hash::VerifyingKeyHash, tier::Circuit};

/// Why bytes are no verifying key for a tier. The fault of whoever made or shipped the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyingKeyError {
    /// The bytes end early, run on, or contain something that is no element of its group.
    #[error("malformed verifying key")]
    Malformed,
    /// The key has another number of input points than the circuit.
    #[error("verifying key of {circuit} needs {} input points, got {got}", .circuit.inputs().saturating_add(1))]
    InputCount {
        /// The circuit asked for.
        circuit: Circuit,
        /// Input points found.
        got: u64,
    },
    /// An element is the identity, which would unbind an input or the whole equation.
    #[error("verifying key contains the identity")]
    Identity,
}

/// The Groth16 verifying key of one circuit.
///
/// Encoded as other BN254 tools of the arkworks family write it: α in G1, β, γ, δ in G2, a 64-bit little-endian count
/// and that many points of G1, all compressed.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    pub(crate) circuit: Circuit,
    pub(crate) alpha: G1Affine,
    pub(crate) beta: G2Affine,
    pub(crate) gamma: G2Affine,
    pub(crate) delta: G2Affine,
    /// One point for the constant 1 and one for each input of the statement.
    pub(crate) inputs: Vec<G1Affine>,
}

impl VerifyingKey {
    /// Decodes and checks a key.
    ///
    /// # Errors
    ///
    /// [`VerifyingKeyError`] unless the bytes are the canonical encoding of a key with the circuit's number of
    /// input points and without any identity element.
    pub fn from_bytes(circuit: Circuit, bytes: &[u8]) -> Result<Self, VerifyingKeyError> {
        let malformed = |_: SerializationError| VerifyingKeyError::Malformed;
        let mut rest = bytes;
        let alpha = G1Affine::deserialize_compressed(&mut rest).map_err(malformed)?;
        let beta = G2Affine::deserialize_compressed(&mut rest).map_err(malformed)?;
        let gamma = G2Affine::deserialize_compressed(&mut rest).map_err(malformed)?;
        let delta = G2Affine::deserialize_compressed(&mut rest).map_err(malformed)?;
        let count = u64::deserialize_compressed(&mut rest).map_err(malformed)?;
        // Before anything is allocated: the circuit fixes the count.
        if count != circuit.inputs() as u64 + 1 {
            return Err(VerifyingKeyError::InputCount { circuit, got: count });
        }
        let inputs: Vec<_> = (0..count)
            .map(|_| G1Affine::deserialize_compressed(&mut rest).map_err(malformed))
            .collect::<Result<_, _>>()?;
        let key = Self { circuit, alpha, beta, gamma, delta, inputs };
        key.check()?;
        if !rest.is_empty() || key.to_bytes() != bytes {
            return Err(VerifyingKeyError::Malformed);
        }
        Ok(key)
    }

    fn check(&self) -> Result<(), VerifyingKeyError> {
        let g2 = [&self.beta, &self.gamma, &self.delta];
        if self.alpha.is_zero()
            || g2.iter().any(|point| point.is_zero())
            || self.inputs.iter().any(AffineRepr::is_zero)
        {
            return Err(VerifyingKeyError::Identity);
        }
        Ok(())
    }

    /// The canonical encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a vector does not fail; a truncated encoding would not decode.
        let _written = self.alpha.serialize_compressed(&mut bytes).is_ok()
            && [self.beta, self.gamma, self.delta]
                .iter()
                .all(|point| point.serialize_compressed(&mut bytes).is_ok())
            && self.inputs.serialize_compressed(&mut bytes).is_ok();
        bytes
    }

    /// The circuit the key is for.
    #[must_use]
    pub const fn circuit(&self) -> Circuit {
        self.circuit
    }

    /// The key's hash, which policies and releases pin.
    #[must_use]
    pub fn hash(&self) -> VerifyingKeyHash {
        let digest = Sha256::new()
            .chain_update(b"kith/v1/verifying-key")
            .chain_update([self.circuit.number()])
            .chain_update(self.to_bytes())
            .finalize();
        VerifyingKeyHash::new(digest.into())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {})", self.circuit, self.hash())
    }
}
