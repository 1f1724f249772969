//! Proving to a node, without naming oneself, that one may read.
//!
//! A reader asks for a [`Challenge`], signs a [`Statement`] over it and trades the signature for a token. The
//! statement covers the node's origin, the group, the epoch, what is claimed, and the challenge; a signature can thus
//! be used once, at one node, for one purpose. Its label is shared with nothing else that these keys sign.

use core::fmt;

use curve::{
    Point, TreeSecret,
    schnorr::{self, SchnorrSignature},
};
use protocol::{
    Epoch, GroupId, LeafId, SignatureBytes, SigningKey, Slot, UnixSeconds, VerifyingKey, digest::Hasher,
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{BodyError, NodeOrigin, wire};

const LABEL: &str = "kith/v1/challenge";

/// What a challenge is bound to besides the group: whose key answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Any member, anonymously, by the epoch's shared signing key.
    Root,
    /// One leaf, by its pseudonym.
    Leaf,
    /// A newcomer, by the key of an open ticket.
    Ticket,
}

impl Purpose {
    /// All purposes.
    pub const ALL: &'static [Self] = &[Self::Root, Self::Leaf, Self::Ticket];

    /// The number that is signed.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Root => 1,
            Self::Leaf => 2,
            Self::Ticket => 3,
        }
    }

    /// The name in queries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Leaf => "leaf",
            Self::Ticket => "ticket",
        }
    }
}

/// 32 bytes chosen by the node; usable once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChallengeNonce([u8; 32]);

impl ChallengeNonce {
    /// Length in bytes.
    pub const LEN: usize = 32;

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

    pub(crate) fn from_wire(bytes: &[u8]) -> Result<Self, BodyError> {
        bytes.try_into().map(Self).map_err(|_| BodyError::Field("nonce"))
    }
}

impl fmt::Debug for ChallengeNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeNonce(32 bytes)")
    }
}

/// Answer of `GET …/challenge`. It is given for any group, known or not, so that it tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::Challenge", try_from = "wire::Challenge")]
pub struct Challenge {
    /// What to sign.
    pub nonce: ChallengeNonce,
    /// Until when the answer has to arrive.
    pub expires: UnixSeconds,
}

impl From<Challenge> for wire::Challenge {
    fn from(challenge: Challenge) -> Self {
        Self { nonce: challenge.nonce.0.to_vec(), expires: challenge.expires.get() }
    }
}

impl TryFrom<wire::Challenge> for Challenge {
    type Error = BodyError;

    fn try_from(challenge: wire::Challenge) -> Result<Self, BodyError> {
        Ok(Self {
            nonce: ChallengeNonce::from_wire(&challenge.nonce)?,
            expires: UnixSeconds::new(challenge.expires),
        })
    }
}

/// What the signer says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claims {
    /// Knows the signing key of the epoch.
    Root,
    /// Is the leaf of this id at this slot.
    Leaf {
        /// The slot.
        slot: Slot,
        /// The leaf's id, which no other leaf of the group ever has.
        leaf_id: LeafId,
    },
    /// Holds the secret of this open ticket.
    Ticket {
        /// The ticket's public key.
        key: VerifyingKey,
    },
}

impl Claims {
    /// The purpose these claims are for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        match self {
            Self::Root => Purpose::Root,
            Self::Leaf { .. } => Purpose::Leaf,
            Self::Ticket { .. } => Purpose::Ticket,
        }
    }
}

/// A signature of 64 bytes: Schnorr on the tree's curve for [`Purpose::Root`], Ed25519 for the other two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChallengeSignature([u8; 64]);

impl ChallengeSignature {
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

    pub(crate) fn from_wire(bytes: &[u8]) -> Result<Self, BodyError> {
        bytes.try_into().map(Self).map_err(|_| BodyError::Field("signature"))
    }
}

impl fmt::Debug for ChallengeSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeSignature(64 bytes)")
    }
}

/// The signature does not hold for the statement, or the key is not of the kind the claims call for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the answer to the challenge does not verify")]
pub struct ChallengeError;

/// Everything a reader's signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The node's origin, as the reader dialled it and as the node is configured.
    pub origin: &'a NodeOrigin,
    /// The group.
    pub group: &'a GroupId,
    /// The epoch whose state decides.
    pub epoch: Epoch,
    /// What is claimed.
    pub claims: Claims,
    /// The challenge.
    pub challenge: Challenge,
}

impl Statement<'_> {
    /// The 32 bytes that are signed:
    /// `SHA256("kith/v1/challenge" ‖ origin ‖ group ‖ epoch ‖ purpose ‖ claims ‖ nonce ‖ expires)`.
    ///
    /// The origin stands behind its length in 64 bits, the purpose in 32 bits; claims are nothing, slot ‖ leaf id, or
    /// the ticket key, as the purpose says; integers are big-endian.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let hasher = Hasher::new(LABEL)
            .prefixed(self.origin.as_str().as_bytes())
            .fixed(self.group.as_bytes())
            .u64(self.epoch.get())
            .u32(self.claims.purpose().code());
        let hasher = match &self.claims {
            Claims::Root => hasher,
            Claims::Leaf { slot, leaf_id } => hasher.u32(slot.get()).u64(leaf_id.get()),
            Claims::Ticket { key } => hasher.fixed(key.as_bytes()),
        };
        hasher.fixed(self.challenge.nonce.as_bytes()).u64(self.challenge.expires.get()).finish()
    }

    /// Signs root claims with the epoch's signing secret.
    #[must_use]
    pub fn sign_root(&self, k_sign: &TreeSecret, rng: &mut (impl CryptoRng + ?Sized)) -> ChallengeSignature {
        ChallengeSignature(schnorr::sign(k_sign, &self.digest(), rng).to_bytes())
    }

    /// Signs leaf or ticket claims with the leaf's or the ticket's key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> ChallengeSignature {
        ChallengeSignature(*key.sign(&self.digest()).as_bytes())
    }

    /// Checks an answer to root claims against the epoch's public signing key.
    ///
    /// # Errors
    /// [`ChallengeError`] when the claims are others, or the signature does not verify.
    pub fn verify_root(&self, k_sign: &Point, signature: &ChallengeSignature) -> Result<(), ChallengeError> {
        if self.claims.purpose() != Purpose::Root {
            return Err(ChallengeError);
        }
        let signature = SchnorrSignature::from_bytes(signature.0);
        schnorr::verify(k_sign, &self.digest(), &signature).map_err(|_| ChallengeError)
    }

    /// Checks an answer to leaf or ticket claims against the key the state holds for that leaf or ticket.
    ///
    /// # Errors
    /// [`ChallengeError`] for root claims, for a ticket other than the claimed one, and when the signature does not
    /// verify.
    pub fn verify(&self, key: &VerifyingKey, signature: &ChallengeSignature) -> Result<(), ChallengeError> {
        match &self.claims {
            Claims::Leaf { .. } => {}
            Claims::Ticket { key: claimed } if claimed == key => {}
            Claims::Root | Claims::Ticket { .. } => return Err(ChallengeError),
        }
        key.verify(&self.digest(), &SignatureBytes::new(signature.0)).map_err(|_| ChallengeError)
    }
}
