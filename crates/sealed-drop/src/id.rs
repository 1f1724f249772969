//! The id of a drop.

use core::{fmt, str::FromStr};

use thiserror::Error;

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the id of a drop: it has to be a UUID with hyphens, in lower case")]
pub struct IdError;

/// The id of a drop: a UUID of version 8 where it was derived from a secret. It opens nothing, and is no secret, but it
/// is not shown by `Debug`: it is not for logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DropId([u8; 16]);

impl DropId {
    /// Takes 16 bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Makes derived bytes a UUID of version 8 (RFC 9562): six bits say so, 122 remain.
    pub(crate) fn derived(mut bytes: [u8; 16]) -> Self {
        let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
        *version = (*version & 0x0f) | 0x80;
        *variant = (*variant & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for DropId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for DropId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DropId(..)")
    }
}

impl FromStr for DropId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 16];
        let mut digits = text.bytes();
        for (at, byte) in bytes.iter_mut().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) && digits.next() != Some(b'-') {
                return Err(IdError);
            }
            for _ in 0..2 {
                *byte = (*byte << 4) | digits.next().and_then(nibble).ok_or(IdError)?;
            }
        }
        if digits.next().is_some() { Err(IdError) } else { Ok(Self(bytes)) }
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        let id = DropId::derived([0xff; 16]);
        assert_eq!(id.to_string(), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(id.to_string().parse(), Ok(id));
        let text = "00112233-4455-8677-8899-aabbccddeeff";
        assert_eq!(text.parse::<DropId>().unwrap().to_string(), text);
        for bad in [
            "",
            "00112233445586778899aabbccddeeff",
            "00112233-4455-8677-8899-aabbccddeef",
            "00112233-4455-8677-8899-AABBCCDDEEFF",
            "00112233-4455-8677-8899-aabbccddeeff0",
        ] {
            assert_eq!(bad.parse::<DropId>(), Err(IdError), "{bad}");
        }
    }
}
