//! Named invites: everything an added member needs, sealed to its one-time prekey.
//!
//! ```text
//! sealed  = u8 version ‖ u8 suite ‖ package id ‖ encapsulated key ‖ HPKE ciphertext
//! info    = "kith/v1/invite" ‖ 0 ‖ u32 suite ‖ recipient identity ‖ package id      aad = the first 34 bytes
//! inside  = padded {body, inviter's signature over recipient, package id and body}
//! ```
//!
//! Base mode hides the inviter from everybody but the recipient; the signature inside says who it is. It covers the
//! recipient, so an invite cannot be passed on to somebody else as if it had been meant for them. Made after the add was
//! accepted, since sequence number and log hash are known only then.

use core::fmt;

use curve::TreeSecret;
use protocol::{
    Ctx, Epoch, GroupId, LeafId, LogHash, Seq, SignatureBytes, SigningKey, Slot, Suite, Transcript,
    UnixSeconds, VerifyingKey,
};
use rand_core::CryptoRng;
use sealed_drop::DropSecret;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Malformed, hybrid,
    key_package::{KeyPackage, KeyPackagePrivate, PackageId},
    name::DisplayName,
    node_url::NodeUrl,
    padding,
    roster::{Roster, RosterHash},
    schedule::{Authenticator, JoinerSecret},
    text::{self, TextError},
    wire::{self, Preimage},
};

/// Most bytes of a roster that travels inside an invite; a larger one is named by its hash, and may lie elsewhere.
pub const MAX_INLINE_ROSTER: usize = 8 * 1024;

const PREFIX: &str = "kith-invite1.";
const VERSION: u8 = 1;
const HEAD_LEN: usize = 34;

/// Why an invite cannot be made or taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InviteError {
    /// The package is for another suite than the group's (the inviter's fault).
    #[error("the key package is for another suite than the group's")]
    Suite,
    /// The package's prekey is no key to seal to (the recipient's fault).
    #[error("the key package has an unusable prekey")]
    Prekey,
    /// The inline roster is longer than [`MAX_INLINE_ROSTER`], not the one the hash names, or beside one elsewhere.
    #[error("the roster is too long for an invite, not the one named, or there twice")]
    Roster,
    /// It was sealed to another key package.
    #[error("the invite is for another key package")]
    OtherPackage,
    /// It does not open with the package's key.
    #[error("the invite cannot be opened")]
    Seal,
    /// What is inside is not an invite.
    #[error("no valid invite inside")]
    Contents(#[source] Malformed),
    /// The inviter did not sign this for this recipient.
    #[error("the inviter's signature does not verify for this recipient")]
    Signature,
}

/// What a named invitee is told. The values are those after the operation that added it.
#[derive(Debug)]
pub struct Invite {
    /// Suite of the group.
    pub suite: Suite,
    /// The group.
    pub group: GroupId,
    /// Epoch the add led to.
    pub epoch: Epoch,
    /// Context of that epoch; a state served for it must hash to this.
    pub ctx: Ctx,
    /// Transcript of that epoch.
    pub transcript: Transcript,
    /// Sequence number of the frame that added the invitee.
    pub seq: Seq,
    /// Log hash at `seq`.
    pub log: LogHash,
    /// The group's owner.
    pub owner: VerifyingKey,
    /// Opens the add's payload and starts the key schedule.
    pub joiner: JoinerSecret,
    /// Secret of the leaf, chosen by the inviter, until the invitee's first update.
    pub leaf_secret: TreeSecret,
    /// Position of the leaf.
    pub slot: Slot,
    /// Name of the leaf.
    pub leaf_id: LeafId,
    /// Until when the leaf can be taken up.
    pub expires: UnixSeconds,
    /// Hash of the inviter's roster.
    pub roster_hash: RosterHash,
    /// That roster, when it is small; its entries are not verified yet.
    pub roster: Option<Roster>,
    /// Must equal the one the invitee derives.
    pub authenticator: Authenticator,
    /// The node that keeps the group.
    pub server: NodeUrl,
    /// What the inviter calls the group, to show before joining.
    pub name: Option<DisplayName>,
    /// Where the roster lies if it is too large for the invite: the secret of a drop for this invitee alone, kept by
    /// the service that the node announces. Not beside a roster inside.
    pub roster_secret: Option<DropSecret>,
}

/// An invite together with who made it.
#[derive(Debug)]
pub struct OpenedInvite {
    /// What it says.
    pub invite: Invite,
    /// Whose signature over it verified.
    pub inviter: VerifyingKey,
}

/// An invite as it travels. Says to outsiders nothing but the suite, the package's id, and about how long it is.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedInvite {
    suite: Suite,
    package: PackageId,
    encapsulated: [u8; 32],
    ciphertext: Vec<u8>,
}

impl Invite {
    /// Signs the invite and seals it to the recipient's one-time prekey. The caller has checked the package's expiry.
    ///
    /// # Errors
    /// [`InviteError::Suite`], [`InviteError::Roster`] or [`InviteError::Prekey`].
    pub fn seal(
        &self,
        recipient: &KeyPackage,
        inviter: &SigningKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SealedInvite, InviteError> {
        if recipient.suite() != self.suite {
            return Err(InviteError::Suite);
        }
        let package = recipient.id();
        let body = self.body(&inviter.verifying_key())?;
        let signature = inviter.sign(preimage(recipient.identity(), &package, &body).bytes());
        let plain =
            wire::encode(&InviteWire { body: body.to_vec(), signature: signature.as_bytes().to_vec() });
        let padded = padding::pad(&plain).map_err(|_| InviteError::Roster)?;
        let (encapsulated, ciphertext) = hybrid::seal(
            self.suite,
            recipient.prekey(),
            &info(self.suite, recipient.identity(), &package),
            &head(self.suite, &package),
            &padded,
            rng,
        )
        .map_err(|_| InviteError::Prekey)?;
        Ok(SealedInvite { suite: self.suite, package, encapsulated, ciphertext })
    }

    fn body(&self, inviter: &VerifyingKey) -> Result<Zeroizing<Vec<u8>>, InviteError> {
        let roster = self.roster.as_ref().map(Roster::to_bytes);
        if roster.as_ref().is_some_and(|bytes| bytes.len() > MAX_INLINE_ROSTER)
            || self.roster.as_ref().is_some_and(|roster| roster.hash() != self.roster_hash)
            || (roster.is_some() && self.roster_secret.is_some())
        {
            return Err(InviteError::Roster);
        }
        Ok(wire::encode(&BodyWire {
            group: self.group.as_bytes().to_vec(),
            epoch: self.epoch.get(),
            ctx: self.ctx.as_bytes().to_vec(),
            transcript: self.transcript.as_bytes().to_vec(),
            seq: self.seq.get(),
            log: self.log.as_bytes().to_vec(),
            owner: self.owner.as_bytes().to_vec(),
            joiner: self.joiner.to_bytes().to_vec(),
            leaf_secret: self.leaf_secret.to_bytes().to_vec(),
            slot: self.slot.get(),
            leaf_id: self.leaf_id.get(),
            expires: self.expires.get(),
            roster_hash: self.roster_hash.as_bytes().to_vec(),
            roster,
            authenticator: self.authenticator.to_bytes().to_vec(),
            server: self.server.as_str().to_owned(),
            inviter: inviter.as_bytes().to_vec(),
            name: self.name.as_ref().map(|name| name.as_str().to_owned()),
            roster_secret: self.roster_secret.as_ref().map(|secret| secret.to_bytes().to_vec()),
        }))
    }

    fn read(suite: Suite, wire: &BodyWire) -> Result<(Self, VerifyingKey), Malformed> {
        let roster_hash = RosterHash::new(wire::array(&wire.roster_hash)?);
        let roster = match &wire.roster {
            Some(bytes) if bytes.len() > MAX_INLINE_ROSTER => return Err(Malformed),
            Some(bytes) => Some(Roster::from_bytes(bytes)?),
            None => None,
        };
        if roster.as_ref().is_some_and(|roster| roster.hash() != roster_hash) {
            return Err(Malformed);
        }
        let roster_secret = match (&wire.roster_secret, &roster) {
            (Some(_), Some(_)) => return Err(Malformed),
            (Some(bytes), None) => Some(DropSecret::from_bytes(&*wire::secret_array(bytes)?)),
            (None, _) => None,
        };
        let leaf_secret = wire::secret_array(&wire.leaf_secret)?;
        let invite = Self {
            suite,
            group: GroupId::from_slice(&wire.group)?,
            epoch: Epoch::new(wire.epoch),
            ctx: Ctx::from_slice(&wire.ctx)?,
            transcript: Transcript::from_slice(&wire.transcript)?,
            seq: Seq::new(wire.seq),
            log: LogHash::from_slice(&wire.log)?,
            owner: VerifyingKey::from_slice(&wire.owner)?,
            joiner: JoinerSecret::from_bytes(&*wire::secret_array(&wire.joiner)?),
            leaf_secret: TreeSecret::from_bytes(&leaf_secret).map_err(|_| Malformed)?,
            slot: Slot::new(wire.slot),
            leaf_id: LeafId::new(wire.leaf_id),
            expires: UnixSeconds::new(wire.expires),
            roster_hash,
            roster,
            authenticator: Authenticator::from_bytes(&*wire::secret_array(&wire.authenticator)?),
            server: NodeUrl::exactly(&wire.server)?,
            name: wire.name.as_deref().map(|n| DisplayName::new(n).map_err(|_| Malformed)).transpose()?,
            roster_secret,
        };
        Ok((invite, VerifyingKey::from_slice(&wire.inviter)?))
    }
}

impl SealedInvite {
    /// Which of the recipient's packages opens it.
    #[must_use]
    pub const fn package(&self) -> PackageId {
        self.package
    }

    /// Opens it with the package it was sealed to, and verifies the inviter's signature. Says nothing about expiry.
    ///
    /// # Errors
    /// [`InviteError`] by what does not fit.
    pub fn open(&self, own: &KeyPackagePrivate) -> Result<OpenedInvite, InviteError> {
        let (package, identity) = (own.package().id(), own.package().identity());
        if package != self.package {
            return Err(InviteError::OtherPackage);
        }
        if own.package().suite() != self.suite {
            return Err(InviteError::Suite);
        }
        let padded = hybrid::open(
            self.suite,
            own.prekey().expose(),
            &self.encapsulated,
            &info(self.suite, identity, &package),
            &head(self.suite, &package),
            &self.ciphertext,
        )
        .map_err(|_| InviteError::Seal)?;
        let plain = padding::unpad(&padded).map_err(|_| InviteError::Contents(Malformed))?;
        let wire: InviteWire = wire::decode(&plain).map_err(InviteError::Contents)?;
        let body: BodyWire = wire::decode(&wire.body).map_err(InviteError::Contents)?;
        let (invite, inviter) = Invite::read(self.suite, &body).map_err(InviteError::Contents)?;
        let signature =
            SignatureBytes::from_slice(&wire.signature).ok_or(InviteError::Contents(Malformed))?;
        inviter
            .verify(preimage(identity, &package, &wire.body).bytes(), &signature)
            .map_err(|_| InviteError::Signature)?;
        Ok(OpenedInvite { invite, inviter })
    }

    /// The bytes that travel.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&head(self.suite, &self.package)[..], &self.encapsulated, &self.ciphertext].concat()
    }

    /// Takes received bytes.
    ///
    /// # Errors
    /// [`Malformed`] for another version, an unknown suite or an impossible length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>().ok_or(Malformed)?;
        let (encapsulated, ciphertext) = rest.split_first_chunk::<32>().ok_or(Malformed)?;
        let [version, suite, package @ ..] = head;
        if *version != VERSION || ciphertext.len() > protocol::limits::MAX_SEALED {
            return Err(Malformed);
        }
        Ok(Self {
            suite: Suite::from_code(u32::from(*suite)).ok_or(Malformed)?,
            package: PackageId::new(wire::array(package)?),
            encapsulated: *encapsulated,
            ciphertext: ciphertext.to_vec(),
        })
    }

    /// The text form for people: `kith-invite1.` and base64url.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::encode(PREFIX, &self.to_bytes()).to_string()
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`TextError`] by what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        Self::from_bytes(&text::decode(PREFIX, text)?).map_err(|_| TextError::Contents)
    }
}

fn head(suite: Suite, package: &PackageId) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    let (front, id) = head.split_at_mut(2);
    front.copy_from_slice(&[VERSION, u8::try_from(suite.code()).unwrap_or(0)]);
    id.copy_from_slice(package.as_bytes());
    head
}

fn info(suite: Suite, recipient: &VerifyingKey, package: &PackageId) -> Vec<u8> {
    let preimage = Preimage::new("kith/v1/invite").u32(suite.code()).fixed(recipient.as_bytes());
    preimage.fixed(package.as_bytes()).bytes().to_vec()
}

fn preimage(recipient: &VerifyingKey, package: &PackageId, body: &[u8]) -> Preimage {
    Preimage::new("kith/v1/invite").fixed(recipient.as_bytes()).fixed(package.as_bytes()).sized(body)
}

#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct InviteWire {
    #[prost(bytes = "vec", tag = "1")]
    body: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
}

#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct BodyWire {
    #[prost(bytes = "vec", tag = "1")]
    group: Vec<u8>,
    #[prost(uint64, tag = "2")]
    epoch: u64,
    #[prost(bytes = "vec", tag = "3")]
    ctx: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    transcript: Vec<u8>,
    #[prost(uint64, tag = "5")]
    seq: u64,
    #[prost(bytes = "vec", tag = "6")]
    log: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    joiner: Vec<u8>,
    #[prost(bytes = "vec", tag = "9")]
    leaf_secret: Vec<u8>,
    #[prost(uint32, tag = "10")]
    slot: u32,
    #[prost(uint64, tag = "11")]
    leaf_id: u64,
    #[prost(uint64, tag = "12")]
    expires: u64,
    #[prost(bytes = "vec", tag = "13")]
    roster_hash: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "14")]
    roster: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "15")]
    authenticator: Vec<u8>,
    #[prost(string, tag = "16")]
    server: String,
    #[prost(bytes = "vec", tag = "17")]
    inviter: Vec<u8>,
    #[prost(string, optional, tag = "18")]
    name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "19")]
    roster_secret: Option<Vec<u8>>,
}

impl fmt::Debug for InviteWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteWire(..)")
    }
}

impl fmt::Debug for BodyWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyWire(..)")
    }
}

impl fmt::Debug for SealedInvite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedInvite({} bytes)", self.ciphertext.len())
    }
}
