//! Newtypes for every id, hash, position and time of the protocol.
//!
//! A value of one of these types has the right length; what else it promises is said at the type. Integers are
//! positions or counts of one thing only and do not convert into each other.

use core::{fmt, str::FromStr};

use thiserror::Error;

/// A byte string of the wrong length where an id was expected (the sender's fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected {expected} bytes, got {got}")]
pub struct WrongLength {
    /// Length the type has, in bytes.
    pub expected: usize,
    /// Length that was given, in bytes.
    pub got: usize,
}

/// Text that is not the lower-case hexadecimal form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the hexadecimal form of {expected} bytes")]
pub struct NotHex {
    /// Length of the id in bytes; its text has twice as many digits.
    pub expected: usize,
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps bytes of the right length.
            #[must_use]
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Copies a slice of exactly the right length.
            ///
            /// # Errors
            /// [`WrongLength`] when the slice is shorter or longer.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, WrongLength> {
                bytes
                    .try_into()
                    .map(Self)
                    .map_err(|_| WrongLength { expected: $len, got: bytes.len() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, NotHex> {
                let mut bytes = [0; $len];
                let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
                if lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
                    Ok(Self(bytes))
                } else {
                    Err(NotHex { expected: $len })
                }
            }
        }
    };
}

bytes_id! {
    /// A group: `SHA256("kith/v1/group" ‖ core of Init)`, hence self-certifying.
    GroupId, 32
}
bytes_id! {
    /// Sixteen random bytes chosen by the sender; the key of idempotent delivery.
    FrameId, 16
}
bytes_id! {
    /// `th`: hash of a frame's head and sealed part, without authorisation and proofs.
    FrameHash, 32
}
bytes_id! {
    /// `SHA256(sealed)`: stands for the sealed part where only the hash is served.
    SealedHash, 32
}
bytes_id! {
    /// `ctx_n`: digest of the whole fold state, computed by each verifier from its own state.
    Ctx, 32
}
bytes_id! {
    /// `D`: what every signature and proof of a frame covers.
    FrameDigest, 32
}
bytes_id! {
    /// Digest of an operation's head; associated data of what it seals.
    OpDigest, 32
}
bytes_id! {
    /// `t_n`: hash chain over the operations.
    Transcript, 32
}
bytes_id! {
    /// `log_s`: hash chain over all frames.
    LogHash, 32
}
bytes_id! {
    /// Structural hash of the key tree.
    TreeHash, 32
}
bytes_id! {
    /// Digest of the proof parameters: the list of (tier, verifying-key hash).
    ParamsHash, 32
}
bytes_id! {
    /// Root of the owner's Merkle tree of admin commitments: a field element in 32 little-endian bytes, or all zero
    /// for no admins.
    AdminRoot, 32
}
bytes_id! {
    /// What an admin's secret is committed to by: a field element in 32 little-endian bytes.
    AdminCommitment, 32
}
bytes_id! {
    /// Digest of a group's policy.
    PolicyHash, 32
}
bytes_id! {
    /// Digest of the recovery key, zero where there is none.
    RecoveryHash, 32
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
        pub struct $name($int);

        impl $name {
            /// The first one.
            pub const ZERO: Self = Self(0);

            /// Wraps a number.
            #[must_use]
            pub const fn new(n: $int) -> Self {
                Self(n)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $int {
                self.0
            }

            /// The one after this, `None` at the end of the range.
            #[must_use]
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(n) => Some(Self(n)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter! {
    /// Number of operations accepted since Init, which has epoch 0.
    Epoch, u64
}
counter! {
    /// Position of a frame in its group's log; Init has 0.
    Seq, u64
}
counter! {
    /// Position of a leaf in the tree, from the left; reused after removal.
    Slot, u32
}
counter! {
    /// Name of a leaf within its group; never reused.
    LeafId, u64
}
counter! {
    /// Seconds since 1970-01-01 UTC.
    UnixSeconds, u64
}

impl UnixSeconds {
    /// This time plus a number of seconds, at most the end of the range.
    #[must_use]
    pub const fn saturating_add(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// This time minus a number of seconds, at least 0.
    #[must_use]
    pub const fn saturating_sub(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

/// Cipher suite of a group, fixed in Init and bound everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Suite {
    /// HKDF-SHA-256, AES-256-GCM.
    Aes256Gcm = 1,
    /// HKDF-SHA-256, ChaCha20-Poly1305.
    ChaCha20Poly1305 = 2,
}

impl Suite {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    /// The suite of a number on the wire, `None` for an unknown one.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Aes256Gcm),
            2 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_form_is_canonical() {
        let id = FrameId::new([0xab; 16]);
        assert_eq!(id.to_string().parse::<FrameId>(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<FrameId>().is_err());
        assert!("ab".parse::<FrameId>().is_err());
    }

    #[test]
    fn length_is_checked() {
        assert_eq!(GroupId::from_slice(&[0; 31]), Err(WrongLength { expected: 32, got: 31 }));
    }

    #[test]
    fn counters_do_not_wrap() {
        assert_eq!(Slot::new(u32::MAX).next(), None);
        assert_eq!(UnixSeconds::new(5).saturating_sub(9), UnixSeconds::ZERO);
    }
}
