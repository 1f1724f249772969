//! Contact strings: how somebody finds, opens and believes another's key packages.
//!
//! The node keeps sealed packages in a mailbox and knows neither whose it is nor what is inside: the mailbox's id and
//! the packages' key are both expanded from the secret in the contact string.

use core::fmt;

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{AeadInOut, KeyInit},
};
use protocol::VerifyingKey;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Malformed, OpenError, kdf,
    key_package::KeyPackage,
    node_url::NodeUrl,
    padding,
    secret::secret,
    text::{self, TextError},
    wire,
};

/// Most bytes of a sealed key package.
pub const MAX_SEALED_PACKAGE: usize = 4 * 1024;

const PREFIX: &str = "kith-contact1.";
const NONCE_LEN: usize = 24;
/// All packages fall into this bucket, whatever the length of the name inside.
const SMALLEST_BUCKET: usize = 512;

secret! {
    /// What opens a person's mailbox and packages.
    pub ContactSecret
}

impl ContactSecret {
    /// A fresh one; giving out a new one and emptying the old mailbox withdraws the old contact string.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self::from_bytes(&bytes)
    }

    /// Where the sealed packages are: `Expand(secret, "mailbox")`.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        MailboxId(*kdf::expand(self.expose(), "mailbox", &[]))
    }

    /// Seals a package for the mailbox: `nonce ‖ XChaCha20-Poly1305` under `Expand(secret, "package")`.
    ///
    /// The nonce is random and 24 bytes long, because the key is the same for all packages of a mailbox.
    #[must_use]
    pub fn seal_package(&self, package: &KeyPackage, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        // A package is bounded to 1 KiB, so padding succeeds; an empty result would open nowhere.
        let mut buffer = padding::pad_at_least(&package.to_bytes(), SMALLEST_BUCKET).unwrap_or_default();
        if self.cipher().encrypt_in_place(&nonce.into(), &self.aad(), &mut *buffer).is_err() {
            buffer.clear();
        }
        [&nonce[..], &buffer].concat()
    }

    fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if sealed.len() > MAX_SEALED_PACKAGE {
            return Err(OpenError::Length);
        }
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Length)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        self.cipher()
            .decrypt_in_place(&(*nonce).into(), &self.aad(), &mut *buffer)
            .map_err(|_| OpenError::Seal)?;
        padding::unpad_at_least(&buffer, SMALLEST_BUCKET)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key = kdf::expand::<32>(self.expose(), "package", &[]);
        XChaCha20Poly1305::new(&(*key).into())
    }

    fn aad(&self) -> Vec<u8> {
        wire::Preimage::new("kith/v1/package").fixed(self.mailbox().as_bytes()).bytes().to_vec()
    }
}

/// Name of a mailbox: 32 bytes that say nothing about whose it is, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MailboxId([u8; 32]);

impl MailboxId {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MailboxId {
    /// A mailbox leads to a person, so it is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailboxId(..)")
    }
}

/// Why a sealed package is not one of the contact's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContactError {
    /// It does not open: the node's fault, or another mailbox's package.
    #[error("the key package cannot be opened")]
    Open(#[source] OpenError),
    /// What is inside is no key package, or its signature does not verify.
    #[error("no valid key package inside")]
    Package(#[source] Malformed),
    /// It is somebody else's: whoever knows the contact string can fill the mailbox.
    #[error("the key package is not of this contact")]
    OtherIdentity,
}

/// What one person gives another to be invited by: secret, identity, and the node that keeps the packages.
///
/// Whoever has it can take packages and invite; they cannot read or impersonate.
pub struct Contact {
    /// Opens mailbox and packages.
    pub secret: ContactSecret,
    /// Who it is; packages of anybody else are refused.
    pub identity: VerifyingKey,
    /// The node with the mailbox.
    pub node: NodeUrl,
}

impl Contact {
    /// Opens a package fetched from the mailbox and checks that the contact's identity signed it. The caller checks
    /// expiry and suite.
    ///
    /// # Errors
    /// [`ContactError`] by what does not fit.
    pub fn open_package(&self, sealed: &[u8]) -> Result<KeyPackage, ContactError> {
        let bytes = self.secret.open(sealed).map_err(ContactError::Open)?;
        let package = KeyPackage::from_bytes(&bytes).map_err(ContactError::Package)?;
        if *package.identity() != self.identity {
            return Err(ContactError::OtherIdentity);
        }
        Ok(package)
    }

    /// The text to give away: `kith-contact1.` and base64url of `secret ‖ identity ‖ URL ‖ checksum`.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let url = self.node.as_str().as_bytes();
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 + url.len()));
        bytes.extend_from_slice(self.secret.expose());
        bytes.extend_from_slice(self.identity.as_bytes());
        bytes.extend_from_slice(url);
        text::encode(PREFIX, &bytes)
    }

    /// Reads a contact string.
    ///
    /// # Errors
    /// [`TextError`] by what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let bytes = text::decode(PREFIX, text)?;
        let (secret, rest) = bytes.split_first_chunk::<32>().ok_or(TextError::Contents)?;
        let (identity, url) = rest.split_first_chunk::<32>().ok_or(TextError::Contents)?;
        let url = core::str::from_utf8(url).map_err(|_| TextError::Contents)?;
        let node = NodeUrl::new(url).map_err(|_| TextError::Contents)?;
        if node.as_str() != url {
            return Err(TextError::Contents);
        }
        let identity = VerifyingKey::from_bytes(identity).map_err(|_| TextError::Contents)?;
        Ok(Self { secret: ContactSecret::from_bytes(secret), identity, node })
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(..)")
    }
}
