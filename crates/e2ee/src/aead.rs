//! Authenticated encryption by suite.

use aes_gcm::{
    Aes256Gcm,
    aead::{AeadInOut, KeyInit},
};
use chacha20poly1305::ChaCha20Poly1305;
use protocol::Suite;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::kdf;

/// Length of the authentication tag, in bytes, in both suites.
pub(crate) const TAG_LEN: usize = 16;
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 12;

/// Why a plaintext cannot be sealed (the caller's fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// More than fits the largest bucket.
    #[error("{len} bytes to seal, the limit is {max}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes possible.
        max: usize,
    },
}

/// Why sealed bytes cannot be opened (the sender's fault, or the wrong key).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A length that sealing never produces.
    #[error("a length that sealing never produces")]
    Length,
    /// The authentication tag does not fit key, associated data and ciphertext.
    #[error("the seal does not fit")]
    Seal,
    /// The seal fits but the padding inside is not the one the sealing side makes.
    #[error("the padding is malformed")]
    Padding,
}

/// A key and nonce for one plaintext: using it consumes it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct OneTimeKey {
    key: [u8; KEY_LEN],
    nonce: [u8; NONCE_LEN],
}

impl OneTimeKey {
    /// Key and nonce as one expansion of 44 bytes.
    pub(crate) fn expand(secret: &[u8; 32], label: &str, context: &[u8]) -> Self {
        let bytes = kdf::expand::<{ KEY_LEN + NONCE_LEN }>(secret, label, context);
        let mut out = Self { key: [0; KEY_LEN], nonce: [0; NONCE_LEN] };
        let (key, nonce) = bytes.split_at(KEY_LEN);
        out.key.copy_from_slice(key);
        out.nonce.copy_from_slice(nonce);
        out
    }

    /// Key and nonce from parts derived apart.
    pub(crate) fn from_parts(key: &[u8; KEY_LEN], nonce: &[u8; NONCE_LEN]) -> Self {
        Self { key: *key, nonce: *nonce }
    }

    /// Encrypts in place; `buffer` ends as ciphertext and tag.
    pub(crate) fn seal(self, suite: Suite, aad: &[u8], mut buffer: Zeroizing<Vec<u8>>) -> Vec<u8> {
        // The one growth, by the tag, happens here so that the plaintext is not left behind in a freed block.
        let mut out = Zeroizing::new(Vec::with_capacity(buffer.len() + TAG_LEN));
        out.extend_from_slice(&buffer);
        buffer.zeroize();
        let nonce = self.nonce.into();
        let sealed = match suite {
            Suite::Aes256Gcm => Aes256Gcm::new(&self.key.into()).encrypt_in_place(&nonce, aad, &mut *out),
            Suite::ChaCha20Poly1305 => {
                ChaCha20Poly1305::new(&self.key.into()).encrypt_in_place(&nonce, aad, &mut *out)
            }
        };
        // Both ciphers fail beyond 2^36 bytes only; an empty result opens nowhere.
        if sealed.is_err() {
            out.zeroize();
        }
        core::mem::take(&mut *out)
    }

    /// Decrypts ciphertext and tag.
    pub(crate) fn open(
        self,
        suite: Suite,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if sealed.len() < TAG_LEN {
            return Err(OpenError::Length);
        }
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let nonce = self.nonce.into();
        match suite {
            Suite::Aes256Gcm => Aes256Gcm::new(&self.key.into()).decrypt_in_place(&nonce, aad, &mut *buffer),
            Suite::ChaCha20Poly1305 => {
                ChaCha20Poly1305::new(&self.key.into()).decrypt_in_place(&nonce, aad, &mut *buffer)
            }
        }
        .map_err(|_| OpenError::Seal)?;
        Ok(buffer)
    }
}
