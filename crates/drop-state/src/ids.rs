//! Names, hashes of tokens, time.

use core::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a UUID, or the empty one")]
pub struct IdError;

/// Name of a drop: a UUID of any version except the nil one, 16 bytes. Whoever knows it may be a reader, so it is shown
/// by `Display`, where it is meant to be, and not by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DropId([u8; 16]);

impl DropId {
    /// From the bytes of a UUID.
    ///
    /// # Errors
    /// [`IdError`] for sixteen zeros.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, IdError> {
        if bytes == [0; 16] { Err(IdError) } else { Ok(Self(bytes)) }
    }

    /// A random UUID (version 4, RFC 9562) made of 16 random bytes.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid().into_bytes())
    }

    /// The bytes of the UUID.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for DropId {
    type Err = IdError;

    /// The form with hyphens, in either case.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 36 {
            return Err(IdError);
        }
        uuid::Uuid::try_parse(text).map_err(|_| IdError).and_then(|id| Self::from_bytes(id.into_bytes()))
    }
}

impl fmt::Display for DropId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(uuid::Uuid::from_bytes(self.0).as_hyphenated(), f)
    }
}

impl fmt::Debug for DropId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DropId(..)")
    }
}

/// Name of a body in the store, 16 random bytes; never told to clients. Several drops can share a body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyId([u8; 16]);

impl BodyId {
    /// From 16 random bytes, or from what was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyId(..)")
    }
}

/// SHA-256 of a token. Records hold hashes only, so that who reads the store cannot act for anybody.
///
/// Comparison takes the same time whatever the bytes are.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token of 32 bytes.
    #[must_use]
    pub fn of(token: &[u8; 32]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// From a hash that was stored or sent.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// A moment: milliseconds since 1970-01-01 UTC. Also used for durations in milliseconds where a name says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Millis(u64);

impl Millis {
    /// So many milliseconds.
    #[must_use]
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Later by so many milliseconds; the end of time at most.
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_with_hyphens() {
        let text = "0b5e1f00-1111-8222-9333-444455556666";
        let id: DropId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<DropId>().unwrap(), id);
        for bad in [
            "",
            "x",
            "0b5e1f0011118222933344445555666677",
            "00000000-0000-0000-0000-000000000000",
            "{0b5e1f00-1111-8222-9333-444455556666}",
            "0b5e1f00-1111-8222-9333-44445555666g",
        ] {
            assert_eq!(bad.parse::<DropId>(), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn nothing_is_shown_in_debug() {
        let id: DropId = "0b5e1f00-1111-8222-9333-444455556666".parse().unwrap();
        let shown = format!("{id:?} {:?} {:?}", BodyId::from_bytes([7; 16]), TokenHash::of(&[7; 32]));
        assert_eq!(shown, "DropId(..) BodyId(..) TokenHash(..)");
    }
}
