//! Who is behind a leaf: an identity's signature over what the tree says of the leaf.

use protocol::{Epoch, GroupId, LeafId, SignatureBytes, SigningKey, Slot, VerifyingKey};
use thiserror::Error;

use crate::{name::DisplayName, wire::Preimage};

/// Why a credential or profile is not valid (the fault of whoever made or passed it on).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The identity did not sign these values of the leaf.
    #[error("the identity did not sign this leaf")]
    Leaf,
    /// The identity did not sign this name for this group.
    #[error("the identity did not sign this profile")]
    Profile,
    /// The entry speaks of another leaf, or of an earlier state of it.
    #[error("the entry is not about this leaf as it is now")]
    OtherLeaf,
}

/// What the tree says of a leaf, as plain values taken from the verifier's own tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafBinding {
    /// The group.
    pub group: GroupId,
    /// Position of the leaf.
    pub slot: Slot,
    /// Name of the leaf, never reused.
    pub leaf_id: LeafId,
    /// Its tree key.
    pub dh: curve::Point,
    /// Its pseudonym.
    pub sig: VerifyingKey,
    /// Epoch its tree key was set in.
    pub since: Epoch,
}

/// An identity's statement that a leaf is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafCredential {
    identity: VerifyingKey,
    signature: SignatureBytes,
}

impl LeafCredential {
    /// Signs the own leaf.
    #[must_use]
    pub fn sign(leaf: &LeafBinding, identity: &SigningKey) -> Self {
        Self { identity: identity.verifying_key(), signature: identity.sign(leaf.preimage().bytes()) }
    }

    /// Takes received parts, unverified.
    #[must_use]
    pub const fn from_parts(identity: VerifyingKey, signature: SignatureBytes) -> Self {
        Self { identity, signature }
    }

    /// Who claims the leaf.
    #[must_use]
    pub const fn identity(&self) -> &VerifyingKey {
        &self.identity
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &SignatureBytes {
        &self.signature
    }

    /// Checks the claim against a leaf of the verifier's own tree.
    ///
    /// # Errors
    /// [`CredentialError::Leaf`] when any of the signed values differs.
    pub fn verify(&self, leaf: &LeafBinding) -> Result<(), CredentialError> {
        self.identity.verify(leaf.preimage().bytes(), &self.signature).map_err(|_| CredentialError::Leaf)
    }
}

impl LeafBinding {
    fn preimage(&self) -> Preimage {
        Preimage::new("kith/v1/leaf")
            .fixed(self.group.as_bytes())
            .u32(self.slot.get())
            .u64(self.leaf_id.get())
            .fixed(self.dh.as_bytes())
            .fixed(self.sig.as_bytes())
            .u64(self.since.get())
    }
}

/// How a member calls itself in one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    name: DisplayName,
    revision: u64,
    signature: SignatureBytes,
}

impl Profile {
    /// Signs a name for one group. Of two profiles of an identity the higher `revision` counts, so that an old name
    /// cannot be brought back by somebody else.
    #[must_use]
    pub fn sign(name: DisplayName, revision: u64, group: &GroupId, identity: &SigningKey) -> Self {
        let signature = identity.sign(preimage(&name, revision, group).bytes());
        Self { name, revision, signature }
    }

    /// Takes received parts, unverified.
    #[must_use]
    pub const fn from_parts(name: DisplayName, revision: u64, signature: SignatureBytes) -> Self {
        Self { name, revision, signature }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &DisplayName {
        &self.name
    }

    /// Which version of the profile this is.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &SignatureBytes {
        &self.signature
    }

    /// Checks that `identity` signed this profile for `group`.
    ///
    /// # Errors
    /// [`CredentialError::Profile`] when it did not.
    pub fn verify(&self, identity: &VerifyingKey, group: &GroupId) -> Result<(), CredentialError> {
        let preimage = preimage(&self.name, self.revision, group);
        identity.verify(preimage.bytes(), &self.signature).map_err(|_| CredentialError::Profile)
    }
}

fn preimage(name: &DisplayName, revision: u64, group: &GroupId) -> Preimage {
    Preimage::new("kith/v1/profile").fixed(group.as_bytes()).u64(revision).sized(name.as_str().as_bytes())
}
