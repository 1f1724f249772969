//! Ed25519 keys and signatures: leaf pseudonyms, owner, tickets, identities, nodes.
//!
//! RFC 8032 with the strict verification of `ed25519-dalek`: no small-order keys, no non-canonical encodings, hence
//! one verdict for all verifiers. Every signature covers a message that begins with its own label.

use core::fmt;

use ed25519_dalek::Signer;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes that are not an acceptable public key (the sender's fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an acceptable Ed25519 public key")]
pub struct KeyError;

/// A signature does not verify (the sender's fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

/// An Ed25519 signature, 64 bytes, unverified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignatureBytes([u8; 64]);

impl SignatureBytes {
    /// Length in bytes.
    pub const LEN: usize = 64;

    /// Wraps the bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Copies a slice of exactly 64 bytes, `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for SignatureBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignatureBytes(64 bytes)")
    }
}

/// A checked Ed25519 public key: decodes to a point that is canonical and not of small order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Checks 32 bytes.
    ///
    /// # Errors
    /// [`KeyError`] for encodings that are not canonical, not on the curve, or of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError)?;
        // Decompression accepts y >= p; re-encoding tells the one canonical form.
        if key.is_weak() || key.to_edwards().compress().to_bytes() != *bytes {
            return Err(KeyError);
        }
        Ok(Self(*bytes))
    }

    /// Checks a slice.
    ///
    /// # Errors
    /// [`KeyError`] as [`Self::from_bytes`], and for a wrong length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map_err(|_| KeyError).and_then(|b| Self::from_bytes(&b))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies a signature over `message`, strictly (RFC 8032 with the checks of `verify_strict`).
    ///
    /// # Errors
    /// [`SignatureError`] when it does not verify.
    pub fn verify(&self, message: &[u8], signature: &SignatureBytes) -> Result<(), SignatureError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| SignatureError)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(message, &signature).map_err(|_| SignatureError)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", hex::encode(self.0))
    }
}

/// An Ed25519 secret key. Wiped on drop, shown by nothing.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self::from_seed(&seed)
    }

    /// The key of a 32-byte seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for storage under encryption.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = self.0.to_bytes();
        let seed = Zeroizing::new(bytes);
        bytes.zeroize();
        seed
    }

    /// The public key.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`, which has to begin with the label of its purpose.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> SignatureBytes {
        SignatureBytes(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_refuses_other_messages() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signature = key.sign(b"one");
        assert_eq!(key.verifying_key().verify(b"one", &signature), Ok(()));
        assert_eq!(key.verifying_key().verify(b"two", &signature), Err(SignatureError));
    }

    #[test]
    fn small_order_and_non_canonical_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(VerifyingKey::from_bytes(&identity), Err(KeyError));
        // y = p + 3 is another encoding of y = 3 and must not be a second name of the same key.
        let mut alias = [0xff; 32];
        alias[0] = 0xf0;
        alias[31] = 0x7f;
        assert_eq!(VerifyingKey::from_bytes(&alias), Err(KeyError));
        assert_eq!(VerifyingKey::from_slice(&[0; 31]), Err(KeyError));
    }

    #[test]
    fn secret_is_not_shown() {
        assert_eq!(format!("{:?}", SigningKey::from_seed(&[7; 32])), "SigningKey(secret)");
    }
}
