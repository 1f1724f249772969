//! Who the user is: one identity per home, kept in the encrypted store.

use e2ee::{comparison::ComparisonDigits, contact::ContactSecret, name::DisplayName};
use prost::Message;
use protocol::{SigningKey, VerifyingKey};
use zeroize::{Zeroize, Zeroizing};

/// The own identity with its secrets.
pub(crate) struct Identity {
    pub(crate) key: SigningKey,
    pub(crate) name: DisplayName,
    /// What the contact strings of this identity carry.
    pub(crate) contact: ContactSecret,
    /// Lets only us put packages into our mailbox.
    pub(crate) mailbox_write: Zeroizing<[u8; 32]>,
}

/// An identity as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct IdentityInfo {
    /// The name others see.
    pub name: String,
    /// The public key, in hexadecimal.
    pub key: String,
    /// Digits to read to each other.
    pub fingerprint: String,
}

#[derive(Clone, PartialEq, Message)]
struct WireIdentity {
    #[prost(bytes = "vec", tag = "1")]
    seed: Vec<u8>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "vec", tag = "3")]
    contact: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    mailbox_write: Vec<u8>,
}

impl Identity {
    pub(crate) fn generate(name: DisplayName, rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut mailbox_write = Zeroizing::new([0; 32]);
        rng.fill_bytes(mailbox_write.as_mut_slice());
        Self { key: SigningKey::generate(rng), name, contact: ContactSecret::generate(rng), mailbox_write }
    }

    pub(crate) fn info(&self) -> IdentityInfo {
        let key = self.key.verifying_key();
        IdentityInfo {
            name: self.name.as_str().to_owned(),
            key: key.to_string(),
            fingerprint: fingerprint(&key),
        }
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut wire = WireIdentity {
            seed: self.key.to_seed().to_vec(),
            name: self.name.as_str().to_owned(),
            contact: self.contact.to_bytes().to_vec(),
            mailbox_write: self.mailbox_write.to_vec(),
        };
        let bytes = Zeroizing::new(wire.encode_to_vec());
        wire.seed.zeroize();
        wire.contact.zeroize();
        wire.mailbox_write.zeroize();
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut wire = WireIdentity::decode(bytes).ok()?;
        let seed = Zeroizing::new(<[u8; 32]>::try_from(wire.seed.as_slice()).ok()?);
        let contact = Zeroizing::new(<[u8; 32]>::try_from(wire.contact.as_slice()).ok()?);
        let mailbox_write = Zeroizing::new(wire.mailbox_write.as_slice().try_into().ok()?);
        let name = DisplayName::new(&wire.name).ok()?;
        wire.seed.zeroize();
        wire.contact.zeroize();
        wire.mailbox_write.zeroize();
        Some(Self {
            key: SigningKey::from_seed(&seed),
            name,
            contact: ContactSecret::from_bytes(&contact),
            mailbox_write,
        })
    }
}

/// The digits two people compare to be sure of an identity.
pub(crate) fn fingerprint(key: &VerifyingKey) -> String {
    ComparisonDigits::of_identity(key).to_string()
}
