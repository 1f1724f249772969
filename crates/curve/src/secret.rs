//! Secrets of the tree and what two of them share.

use core::fmt;

use ark_ed_on_bn254::{Fq, Fr};
use ark_ff::{AdditiveGroup, Field};
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    constant_time::invert,
    digits::{self, DigitTable, GeneratorWindows, SECRET_BITS},
    field,
    point::Point,
    poseidon,
};

/// Why 32 bytes are no [`TreeSecret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// One of the seven bits above the 249 digits is set.
    #[error("secret has bits set above its 249 digits")]
    TooLong,
}

/// The secret of a leaf or node: 249 sign digits, see [`digits`].
///
/// Every value of the type is a valid secret: odd, non-zero and below the group order by construction. The encoding is
/// the digit string as 32 little-endian bytes with the top seven bits zero. Wiped on drop, compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TreeSecret {
    digits: [u8; TreeSecret::LEN],
}

impl TreeSecret {
    /// Length of an encoded secret in bytes.
    pub const LEN: usize = 32;

    const TOP_BITS: u8 = 0xff << (SECRET_BITS % 8);

    /// Draws a uniform secret.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut secret = Self { digits: [0; Self::LEN] };
        rng.fill_bytes(&mut secret.digits);
        secret.digits[Self::LEN - 1] &= !Self::TOP_BITS;
        secret
    }

    /// Decodes a secret.
    ///
    /// # Errors
    ///
    /// [`SecretError::TooLong`] unless the top seven bits are zero, so that a secret has one encoding.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, SecretError> {
        if bytes[Self::LEN - 1] & Self::TOP_BITS != 0 {
            return Err(SecretError::TooLong);
        }
        Ok(Self { digits: *bytes })
    }

    /// The 32 bytes, wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        Zeroizing::new(self.digits)
    }

    /// Digit `index` of 249, least significant first; false beyond.
    #[must_use]
    pub fn bit(&self, index: usize) -> bool {
        self.digits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// The integer the digits stand for, modulo the group order. The caller wipes it.
    #[must_use]
    pub fn scalar(&self) -> Fr {
        digits::scalar(&|index| self.bit(index))
    }

    /// The public key K = k·G.
    #[must_use]
    pub fn public(&self) -> Point {
        let product = GeneratorWindows::get().multiply(&|index| self.bit(index));
        // A secret is odd and below the order, so the product is never the identity; G stands in for the impossible.
        Point::from_subgroup(product).unwrap_or_else(Point::generator)
    }

    /// The Diffie–Hellman value with another key: the u-coordinate of k·K′.
    #[must_use]
    pub fn dh(&self, other: &Point) -> SharedU {
        self.dh_with_table(&DigitTable::new(other.as_affine()))
    }

    /// As [`TreeSecret::dh`], with the other key's table at hand.
    #[must_use]
    pub fn dh_with_table(&self, other: &DigitTable) -> SharedU {
        let mut product = other.multiply(&|index| self.bit(index));
        // 1 − y is zero for the identity only, which an odd scalar below the order cannot reach; `derive` is total
        // even so.
        let u = (product.z + product.y) * invert(&(product.z - product.y));
        product.zeroize();
        SharedU { u }
    }
}

impl ConstantTimeEq for TreeSecret {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.digits.ct_eq(&other.digits)
    }
}

impl PartialEq for TreeSecret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for TreeSecret {}

impl fmt::Debug for TreeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TreeSecret(..)")
    }
}

/// What the holders of two keys share: the Montgomery u-coordinate of the Diffie–Hellman point.
///
/// The input of the key derivation, and of nothing else but the external key schedule. Wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SharedU {
    u: Fq,
}

impl SharedU {
    /// What a key shares with the sibling G: its own u-coordinate, known to everybody.
    ///
    /// The public levels with which a short path is padded to its circuit are derived from this.
    #[must_use]
    pub fn with_generator(key: &Point) -> Self {
        let y = key.as_affine().y;
        Self { u: (Fq::ONE + y) * (Fq::ONE - y).inverse().unwrap_or(Fq::ZERO) }
    }

    /// The 32 canonical little-endian bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(field::to_bytes(self.u))
    }

    /// The secret of the next level: the low 249 bits of the Poseidon hash of u.
    #[must_use]
    pub fn derive(&self) -> TreeSecret {
        let mut hash = poseidon::hash(self.u);
        let mut digits = field::to_bytes(hash);
        hash.zeroize();
        digits[TreeSecret::LEN - 1] &= !TreeSecret::TOP_BITS;
        let secret = TreeSecret { digits };
        digits.zeroize();
        secret
    }

    /// The coordinate as a field element. The caller wipes copies.
    #[must_use]
    pub const fn as_field(&self) -> &Fq {
        &self.u
    }
}

impl ConstantTimeEq for SharedU {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.to_bytes().ct_eq(&*other.to_bytes())
    }
}

impl PartialEq for SharedU {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for SharedU {}

impl fmt::Debug for SharedU {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedU(..)")
    }
}
