//! One-time key packages, which a node keeps sealed and gives away once each.

use core::{fmt, str::FromStr};

use protocol::{UnixSeconds, ids::NotHex};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{BodyError, wire};

/// Longest sealed key package, in bytes.
pub const MAX_SEALED_PACKAGE: usize = 4096;
/// Key packages in one request.
pub const MAX_PACKAGES_PER_PUT: usize = 100;

/// Name of a mailbox: 32 bytes derived from the secret in a contact string, so whoever knows it was given it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxId([u8; 32]);

impl MailboxId {
    /// Wraps the bytes.
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
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for MailboxId {
    /// Without content: to know the name is to be able to claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailboxId(32 bytes)")
    }
}

impl FromStr for MailboxId {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        let mut bytes = [0; 32];
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        if lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
            Ok(Self(bytes))
        } else {
            Err(NotHex { expected: 32 })
        }
    }
}

/// The owner's secret for a mailbox: the first request to a mailbox sets it, later ones must show it.
///
/// Everybody with the contact string knows the mailbox; without this key they could fill it or replace what is in it.
#[derive(Clone, ZeroizeOnDrop)]
pub struct MailboxWriteKey([u8; 32]);

impl MailboxWriteKey {
    /// Wraps 32 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes; a node keeps their hash only.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MailboxWriteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailboxWriteKey(secret)")
    }
}

/// A key package as the node keeps it: opaque bytes, 1 to [`MAX_SEALED_PACKAGE`].
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKeyPackage(Vec<u8>);

impl SealedKeyPackage {
    /// Checks the length.
    ///
    /// # Errors
    /// [`BodyError::Field`] for an empty package or one over the limit.
    pub fn new(bytes: Vec<u8>) -> Result<Self, BodyError> {
        if bytes.is_empty() || bytes.len() > MAX_SEALED_PACKAGE {
            return Err(BodyError::Field("sealed"));
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for SealedKeyPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedKeyPackage({} bytes)", self.0.len())
    }
}

/// A key package to put into a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPackageEntry {
    /// The package.
    pub sealed: SealedKeyPackage,
    /// When the node may forget it.
    pub expires: UnixSeconds,
    /// Whether it is given out again and again once the others are gone; a mailbox has one such, the last put.
    pub last_resort: bool,
}

/// Body of `POST /v1/key-packages/{mailbox}`: 1 to [`MAX_PACKAGES_PER_PUT`] packages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "wire::PutKeyPackages", try_from = "wire::PutKeyPackages")]
pub struct PutKeyPackages {
    /// The owner's secret for this mailbox.
    pub write_key: MailboxWriteKey,
    /// The packages.
    pub packages: Vec<KeyPackageEntry>,
}

impl From<PutKeyPackages> for wire::PutKeyPackages {
    fn from(body: PutKeyPackages) -> Self {
        Self {
            write_key: body.write_key.expose().to_vec(),
            packages: body
                .packages
                .into_iter()
                .map(|package| wire::KeyPackage {
                    sealed: package.sealed.into_bytes(),
                    expires: package.expires.get(),
                    last_resort: package.last_resort,
                })
                .collect(),
        }
    }
}

impl TryFrom<wire::PutKeyPackages> for PutKeyPackages {
    type Error = BodyError;

    fn try_from(mut body: wire::PutKeyPackages) -> Result<Self, BodyError> {
        let write_key = body.write_key.as_slice().try_into().map(MailboxWriteKey);
        body.write_key.zeroize();
        let write_key = write_key.map_err(|_| BodyError::Field("write_key"))?;
        if body.packages.is_empty() || body.packages.len() > MAX_PACKAGES_PER_PUT {
            return Err(BodyError::Field("packages"));
        }
        let packages = body.packages.into_iter().map(|package| {
            Ok(KeyPackageEntry {
                sealed: SealedKeyPackage::new(package.sealed)?,
                expires: UnixSeconds::new(package.expires),
                last_resort: package.last_resort,
            })
        });
        Ok(Self { write_key, packages: packages.collect::<Result<_, BodyError>>()? })
    }
}

/// Answer to a put, and of `GET /v1/key-packages/{mailbox}`: when to refill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::MailboxStatus", from = "wire::MailboxStatus")]
pub struct MailboxStatus {
    /// One-time packages left.
    pub remaining: u32,
    /// Whether there is one for when they are gone.
    pub last_resort: bool,
}

impl From<MailboxStatus> for wire::MailboxStatus {
    fn from(status: MailboxStatus) -> Self {
        Self { remaining: status.remaining, last_resort: status.last_resort }
    }
}

impl From<wire::MailboxStatus> for MailboxStatus {
    fn from(status: wire::MailboxStatus) -> Self {
        Self { remaining: status.remaining, last_resort: status.last_resort }
    }
}

/// Answer of `POST /v1/key-packages/{mailbox}/claim`: a package that nobody else is given, unless it is the last
/// resort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::ClaimedKeyPackage", try_from = "wire::ClaimedKeyPackage")]
pub struct ClaimedKeyPackage {
    /// The package.
    pub sealed: SealedKeyPackage,
    /// Whether it is the one that is given out more than once.
    pub last_resort: bool,
    /// One-time packages left behind.
    pub remaining: u32,
}

impl From<ClaimedKeyPackage> for wire::ClaimedKeyPackage {
    fn from(claimed: ClaimedKeyPackage) -> Self {
        Self {
            sealed: claimed.sealed.into_bytes(),
            last_resort: claimed.last_resort,
            remaining: claimed.remaining,
        }
    }
}

impl TryFrom<wire::ClaimedKeyPackage> for ClaimedKeyPackage {
    type Error = BodyError;

    fn try_from(claimed: wire::ClaimedKeyPackage) -> Result<Self, BodyError> {
        Ok(Self {
            sealed: SealedKeyPackage::new(claimed.sealed)?,
            last_resort: claimed.last_resort,
            remaining: claimed.remaining,
        })
    }
}
