//! What makes somebody an admin.

use core::fmt;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, PrimeField};
use curve::{field, poseidon};
use protocol::AdminCommitment;
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Labels;

/// Why bytes are no [`AdminSecret`]. The fault of whoever made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminSecretError {
    /// One of the two elements is not below the modulus.
    #[error("admin secret is not canonical")]
    NotCanonical,
}

/// An admin's secret with its salt: two field elements that open the admin's commitment.
///
/// Drawn by the group's owner for one admin of one group. The encoding is secret and salt, 32 little-endian bytes
/// each. Wiped on drop, compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AdminSecret {
    pub(crate) secret: Fr,
    pub(crate) salt: Fr,
}

impl AdminSecret {
    /// Length of the encoding in bytes.
    pub const LEN: usize = 64;

    /// Draws a uniform secret and a uniform salt.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 64]);
        let mut draw = || {
            // 64 bytes, so that the reduction leaves no bias worth a name.
            rng.fill_bytes(&mut bytes[..]);
            Fr::from_le_bytes_mod_order(&bytes[..])
        };
        Self { secret: draw(), salt: draw() }
    }

    /// Decodes a secret.
    ///
    /// # Errors
    ///
    /// [`AdminSecretError::NotCanonical`] unless both halves are below the modulus, so that a secret has one encoding.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, AdminSecretError> {
        let mut decoded = Self { secret: Fr::ZERO, salt: Fr::ZERO };
        let (halves, _) = bytes.as_chunks::<32>();
        for (element, half) in [&mut decoded.secret, &mut decoded.salt].into_iter().zip(halves) {
            *element = field::from_bytes(half).ok_or(AdminSecretError::NotCanonical)?;
        }
        Ok(decoded)
    }

    /// The 64 bytes, wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        let (halves, _) = bytes.as_chunks_mut::<32>();
        for (half, element) in halves.iter_mut().zip([self.secret, self.salt]) {
            let mut encoded = field::to_bytes(element);
            *half = encoded;
            encoded.zeroize();
        }
        bytes
    }

    /// The leaf of the admin tree that this opens.
    #[must_use]
    pub fn commitment(&self) -> AdminCommitment {
        AdminCommitment::new(field::to_bytes(self.leaf()))
    }

    pub(crate) fn leaf(&self) -> Fr {
        poseidon::hash_pair(Labels::get().leaf, self.secret, self.salt)
    }
}

impl ConstantTimeEq for AdminSecret {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.to_bytes().ct_eq(&*other.to_bytes())
    }
}

impl PartialEq for AdminSecret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for AdminSecret {}

impl fmt::Debug for AdminSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminSecret(..)")
    }
}
