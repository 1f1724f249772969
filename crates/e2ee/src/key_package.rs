//! Key packages: what an invitee publishes beforehand, so that it can be added while it is away.

use core::fmt;

use protocol::{SignatureBytes, SigningKey, Suite, UnixSeconds, VerifyingKey};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Malformed, hybrid,
    name::DisplayName,
    secret::secret,
    wire::{self, Preimage},
};

/// Longest encoding of a key package, in bytes.
pub const MAX_PACKAGE: usize = 1024;

secret! {
    /// The X25519 secret of a one-time prekey; deleted once the invite sealed to it was taken up.
    pub PrekeySecret
}

/// Name of a key package: SHA-256 of its encoding under the label `kith/v1/package-id`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PackageId([u8; 32]);

impl PackageId {
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

/// A key package whose identity signature was verified: there is no other way to get one.
///
/// The inviter puts `sig` into the new leaf and seals the invite to `prekey`. `sig` comes from the invitee, so only
/// the invitee can make the leaf its own, although the inviter chose the leaf's tree secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPackage {
    identity: VerifyingKey,
    sig: VerifyingKey,
    prekey: [u8; 32],
    suite: Suite,
    expires: UnixSeconds,
    last_resort: bool,
    name: DisplayName,
    signature: SignatureBytes,
}

/// A key package with its secrets, for the encrypted store of the one who made it.
#[derive(Debug)]
pub struct KeyPackagePrivate {
    package: KeyPackage,
    sig: SigningKey,
    prekey: PrekeySecret,
}

impl KeyPackage {
    /// Who it is of.
    #[must_use]
    pub const fn identity(&self) -> &VerifyingKey {
        &self.identity
    }

    /// The one-time pseudonym for the leaf.
    #[must_use]
    pub const fn sig(&self) -> &VerifyingKey {
        &self.sig
    }

    /// The one-time X25519 public key invites are sealed to.
    #[must_use]
    pub const fn prekey(&self) -> &[u8; 32] {
        &self.prekey
    }

    /// The suite it is for: that of the group its owner can be added to.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Until when it may be used.
    #[must_use]
    pub const fn expires(&self) -> UnixSeconds {
        self.expires
    }

    /// Whether it may have been given to several inviters, because no other was left.
    #[must_use]
    pub const fn is_last_resort(&self) -> bool {
        self.last_resort
    }

    /// What its owner calls itself towards inviters; not bound to a group, unlike a profile.
    #[must_use]
    pub const fn name(&self) -> &DisplayName {
        &self.name
    }

    /// Whether it must not be used any more at a time.
    #[must_use]
    pub fn is_expired(&self, at: UnixSeconds) -> bool {
        self.expires <= at
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> PackageId {
        PackageId(Preimage::new("kith/v1/package-id").sized(&self.to_bytes()).sha256())
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = PackageWire {
            identity: self.identity.as_bytes().to_vec(),
            sig: self.sig.as_bytes().to_vec(),
            prekey: self.prekey.to_vec(),
            suite: self.suite.code(),
            expires: self.expires.get(),
            last_resort: self.last_resort,
            name: self.name.as_str().to_owned(),
            signature: self.signature.as_bytes().to_vec(),
        };
        wire::encode(&wire).to_vec()
    }

    /// Takes received bytes and verifies the identity's signature. Says nothing about expiry.
    ///
    /// # Errors
    /// [`Malformed`] for anything [`Self::to_bytes`] does not write, and for a signature that does not verify.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_PACKAGE {
            return Err(Malformed);
        }
        let wire: PackageWire = wire::decode(bytes)?;
        let package = Self {
            identity: VerifyingKey::from_slice(&wire.identity)?,
            sig: VerifyingKey::from_slice(&wire.sig)?,
            prekey: wire::array(&wire.prekey)?,
            suite: Suite::from_code(wire.suite).ok_or(Malformed)?,
            expires: UnixSeconds::new(wire.expires),
            last_resort: wire.last_resort,
            name: DisplayName::new(&wire.name).map_err(|_| Malformed)?,
            signature: SignatureBytes::from_slice(&wire.signature).ok_or(Malformed)?,
        };
        let preimage = package.preimage();
        package.identity.verify(preimage.bytes(), &package.signature).map_err(|_| Malformed)?;
        Ok(package)
    }

    fn preimage(&self) -> Preimage {
        Preimage::new("kith/v1/key-package")
            .fixed(self.identity.as_bytes())
            .fixed(self.sig.as_bytes())
            .fixed(&self.prekey)
            .u32(self.suite.code())
            .u64(self.expires.get())
            .fixed(&[u8::from(self.last_resort)])
            .sized(self.name.as_str().as_bytes())
    }
}

impl KeyPackagePrivate {
    /// Draws one-time keys and signs them.
    #[must_use]
    pub fn generate(
        identity: &SigningKey,
        name: DisplayName,
        suite: Suite,
        expires: UnixSeconds,
        last_resort: bool,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let sig = SigningKey::generate(rng);
        let (prekey_secret, prekey) = hybrid::generate(rng);
        let mut package = KeyPackage {
            identity: identity.verifying_key(),
            sig: sig.verifying_key(),
            prekey,
            suite,
            expires,
            last_resort,
            name,
            signature: SignatureBytes::new([0; 64]),
        };
        package.signature = identity.sign(package.preimage().bytes());
        Self { package, sig, prekey: PrekeySecret::from_bytes(&prekey_secret) }
    }

    /// The public half.
    #[must_use]
    pub const fn package(&self) -> &KeyPackage {
        &self.package
    }

    /// The secret of the leaf's pseudonym.
    #[must_use]
    pub const fn sig(&self) -> &SigningKey {
        &self.sig
    }

    pub(crate) const fn prekey(&self) -> &PrekeySecret {
        &self.prekey
    }

    /// Both halves as bytes, for storage under encryption; wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        wire::encode(&PrivateWire {
            package: self.package.to_bytes(),
            sig: self.sig.to_seed().to_vec(),
            prekey: self.prekey.to_bytes().to_vec(),
        })
    }

    /// Takes up stored bytes.
    ///
    /// # Errors
    /// [`Malformed`] for anything [`Self::to_bytes`] does not write, and for halves that do not belong together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let wire: PrivateWire = wire::decode(bytes)?;
        let package = KeyPackage::from_bytes(&wire.package)?;
        let sig = SigningKey::from_seed(&*wire::secret_array(&wire.sig)?);
        let prekey = PrekeySecret::from_bytes(&*wire::secret_array(&wire.prekey)?);
        let public = hybrid::public_key(prekey.expose()).map_err(|_| Malformed)?;
        if sig.verifying_key() != package.sig || public != package.prekey {
            return Err(Malformed);
        }
        Ok(Self { package, sig, prekey })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct PackageWire {
    #[prost(bytes = "vec", tag = "1")]
    identity: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    sig: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    prekey: Vec<u8>,
    #[prost(uint32, tag = "4")]
    suite: u32,
    #[prost(uint64, tag = "5")]
    expires: u64,
    #[prost(bool, tag = "6")]
    last_resort: bool,
    #[prost(string, tag = "7")]
    name: String,
    #[prost(bytes = "vec", tag = "8")]
    signature: Vec<u8>,
}

#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct PrivateWire {
    #[prost(bytes = "vec", tag = "1")]
    package: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    sig: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    prekey: Vec<u8>,
}

impl fmt::Debug for PrivateWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateWire(..)")
    }
}
