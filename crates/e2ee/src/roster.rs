//! The list of members as one member knows it.
//!
//! Nobody has to trust who made a roster: each entry carries its own identity's signatures and is checked against a
//! leaf of the verifier's tree. A roster may be a part of the members, since one payload holds about 200 entries.

use protocol::{Epoch, GroupId, LeafId, SignatureBytes, Slot, VerifyingKey};
use thiserror::Error;

use crate::{
    Malformed,
    credential::{CredentialError, LeafBinding, LeafCredential, Profile},
    name::DisplayName,
    padding::MAX_PLAINTEXT,
    wire,
};

/// Most bytes of an encoded roster: what one signed payload holds.
pub const MAX_ROSTER: usize = MAX_PLAINTEXT - 512;

/// Most bytes of an encoded snapshot: the members of the largest group fit.
pub const MAX_SNAPSHOT: usize = 16 * 1024 * 1024;

/// Hash of a roster's encoding under the label `kith/v1/roster`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RosterHash([u8; 32]);

impl RosterHash {
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

/// Why entries are no roster (the caller's fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RosterError {
    /// Two entries for one slot.
    #[error("two entries for slot {0}")]
    Twice(Slot),
    /// More than fits one payload; use [`Roster::pages`].
    #[error("a roster of {len} bytes, the limit is {max}")]
    TooLong {
        /// Bytes of the encoding.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
}

/// One member: its leaf, and its own statements about leaf and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterEntry {
    /// Position of the leaf.
    pub slot: Slot,
    /// Name of the leaf.
    pub leaf_id: LeafId,
    /// Epoch the leaf's tree key was set in, hence the state the credential is about.
    pub since: Epoch,
    /// The identity and its signature over the leaf.
    pub credential: LeafCredential,
    /// The name it chose in this group.
    pub profile: Profile,
}

impl RosterEntry {
    /// Who the member is.
    #[must_use]
    pub const fn identity(&self) -> &VerifyingKey {
        self.credential.identity()
    }

    /// Checks the entry on its own against the leaf it names, taken from the verifier's tree.
    ///
    /// # Errors
    /// [`CredentialError::OtherLeaf`] when slot, leaf id or `since` differ, otherwise the signature that fails.
    pub fn verify(&self, leaf: &LeafBinding) -> Result<(), CredentialError> {
        if (self.slot, self.leaf_id, self.since) != (leaf.slot, leaf.leaf_id, leaf.since) {
            return Err(CredentialError::OtherLeaf);
        }
        self.credential.verify(leaf)?;
        self.verify_profile(&leaf.group)
    }

    fn verify_profile(&self, group: &GroupId) -> Result<(), CredentialError> {
        self.profile.verify(self.identity(), group)
    }
}

/// Entries in ascending order of slots, at most one for each; at most as many as a payload or a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Roster(Vec<RosterEntry>);

impl Roster {
    /// Orders entries.
    ///
    /// # Errors
    /// [`RosterError`] for two entries of one slot, or more than [`MAX_ROSTER`] bytes.
    pub fn new(entries: Vec<RosterEntry>) -> Result<Self, RosterError> {
        let roster = Self::ordered(entries)?;
        let len = roster.to_bytes().len();
        if len > MAX_ROSTER {
            return Err(RosterError::TooLong { len, max: MAX_ROSTER });
        }
        Ok(roster)
    }

    /// All members at once, for where no payload bounds it.
    ///
    /// # Errors
    /// [`RosterError`] for two entries of one slot, or more than [`MAX_SNAPSHOT`] bytes.
    pub fn snapshot(entries: Vec<RosterEntry>) -> Result<Self, RosterError> {
        let roster = Self::ordered(entries)?;
        let len = roster.to_bytes().len();
        if len > MAX_SNAPSHOT {
            return Err(RosterError::TooLong { len, max: MAX_SNAPSHOT });
        }
        Ok(roster)
    }

    /// Cuts any number of entries into rosters that fit one payload each.
    ///
    /// # Errors
    /// [`RosterError::Twice`] for two entries of one slot.
    pub fn pages(entries: Vec<RosterEntry>) -> Result<Vec<Self>, RosterError> {
        let mut pages = Vec::new();
        let (mut page, mut len) = (Vec::new(), 0);
        for entry in Self::ordered(entries)?.0 {
            let entry_len = framed_len(&entry);
            if len + entry_len > MAX_ROSTER {
                pages.push(Self(core::mem::take(&mut page)));
                len = 0;
            }
            len += entry_len;
            page.push(entry);
        }
        if !page.is_empty() {
            pages.push(Self(page));
        }
        Ok(pages)
    }

    /// The entries, by slot.
    #[must_use]
    pub fn entries(&self) -> &[RosterEntry] {
        &self.0
    }

    /// Gives up the entries, by slot.
    #[must_use]
    pub fn into_entries(self) -> Vec<RosterEntry> {
        self.0
    }

    /// Hash of the encoding.
    #[must_use]
    pub fn hash(&self) -> RosterHash {
        RosterHash(wire::Preimage::new("kith/v1/roster").sized(&self.to_bytes()).sha256())
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::encode(&RosterWire { entries: self.0.iter().map(EntryWire::from).collect() }).to_vec()
    }

    /// Takes received bytes; the entries are not verified.
    ///
    /// # Errors
    /// [`Malformed`] for anything [`Self::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::read(bytes, MAX_ROSTER)
    }

    /// Takes the received bytes of a snapshot; the entries are not verified.
    ///
    /// # Errors
    /// [`Malformed`] for anything that no [`Self::snapshot`] encodes to.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::read(bytes, MAX_SNAPSHOT)
    }

    fn read(bytes: &[u8], max: usize) -> Result<Self, Malformed> {
        if bytes.len() > max {
            return Err(Malformed);
        }
        let wire: RosterWire = wire::decode(bytes)?;
        let entries = wire.entries.iter().map(EntryWire::read).collect::<Result<Vec<_>, _>>()?;
        if entries.is_sorted_by(|a, b| a.slot < b.slot) { Ok(Self(entries)) } else { Err(Malformed) }
    }

    fn ordered(mut entries: Vec<RosterEntry>) -> Result<Self, RosterError> {
        entries.sort_by_key(|entry| entry.slot);
        let twice = entries.iter().zip(entries.iter().skip(1)).find(|(a, b)| a.slot == b.slot);
        match twice {
            Some((entry, _)) => Err(RosterError::Twice(entry.slot)),
            None => Ok(Self(entries)),
        }
    }
}

/// Bytes of an entry inside a roster: its encoding, a tag and a length.
fn framed_len(entry: &RosterEntry) -> usize {
    let len = prost::Message::encoded_len(&EntryWire::from(entry));
    1 + prost::length_delimiter_len(len) + len
}

#[derive(Clone, PartialEq, prost::Message)]
struct RosterWire {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<EntryWire>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EntryWire {
    #[prost(uint32, tag = "1")]
    slot: u32,
    #[prost(uint64, tag = "2")]
    leaf_id: u64,
    #[prost(uint64, tag = "3")]
    since: u64,
    #[prost(message, optional, tag = "4")]
    statement: Option<StatementWire>,
}

/// An identity with its signatures over leaf and name: the body of a credential content, too.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatementWire {
    #[prost(bytes = "vec", tag = "1")]
    identity: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    leaf_signature: Vec<u8>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(uint64, tag = "4")]
    revision: u64,
    #[prost(bytes = "vec", tag = "5")]
    profile_signature: Vec<u8>,
}

impl StatementWire {
    pub(crate) fn new(credential: &LeafCredential, profile: &Profile) -> Self {
        Self {
            identity: credential.identity().as_bytes().to_vec(),
            leaf_signature: credential.signature().as_bytes().to_vec(),
            name: profile.name().as_str().to_owned(),
            revision: profile.revision(),
            profile_signature: profile.signature().as_bytes().to_vec(),
        }
    }

    pub(crate) fn read(&self) -> Result<(LeafCredential, Profile), Malformed> {
        let signature = |bytes: &[u8]| SignatureBytes::from_slice(bytes).ok_or(Malformed);
        let identity = VerifyingKey::from_slice(&self.identity)?;
        let name = DisplayName::new(&self.name).map_err(|_| Malformed)?;
        Ok((
            LeafCredential::from_parts(identity, signature(&self.leaf_signature)?),
            Profile::from_parts(name, self.revision, signature(&self.profile_signature)?),
        ))
    }
}

impl From<&RosterEntry> for EntryWire {
    fn from(entry: &RosterEntry) -> Self {
        Self {
            slot: entry.slot.get(),
            leaf_id: entry.leaf_id.get(),
            since: entry.since.get(),
            statement: Some(StatementWire::new(&entry.credential, &entry.profile)),
        }
    }
}

impl EntryWire {
    fn read(&self) -> Result<RosterEntry, Malformed> {
        let (credential, profile) = self.statement.as_ref().ok_or(Malformed)?.read()?;
        Ok(RosterEntry {
            slot: Slot::new(self.slot),
            leaf_id: LeafId::new(self.leaf_id),
            since: Epoch::new(self.since),
            credential,
            profile,
        })
    }
}
