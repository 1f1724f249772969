//! Digits two people read to each other.
//!
//! Forty decimal digits in eight groups of five, about 132 bits. Both sides derive them from the same 32 bytes, so a
//! server that shows two members two histories, or somebody in the middle of an invite, shows in different digits.
//! Half of the bits, 66, is what finding *two* histories with equal digits costs, which is why there are not fewer.

use core::fmt;

use protocol::VerifyingKey;
use subtle::ConstantTimeEq;

use crate::{kdf, schedule::Authenticator};

const GROUPS: usize = 8;
const GROUP_DIGITS: usize = 5;

/// Forty digits to compare.
#[derive(Clone, PartialEq, Eq)]
pub struct ComparisonDigits([u8; GROUPS * GROUP_DIGITS]);

impl ComparisonDigits {
    /// Those of an epoch: `Expand(authenticator, "compare")`. Equal digits mean the same group, history and members.
    /// They change with every operation, so both sides name the epoch first.
    #[must_use]
    pub fn of_epoch(authenticator: &Authenticator) -> Self {
        Self::derive(authenticator.expose(), "compare", &[])
    }

    /// Those of a person, the same in every group: `Expand(identity, "fingerprint")`.
    #[must_use]
    pub fn of_identity(identity: &VerifyingKey) -> Self {
        Self::derive(identity.as_bytes(), "fingerprint", &[])
    }

    /// Compares with digits somebody typed; everything but digits is skipped.
    #[must_use]
    pub fn matches(&self, typed: &str) -> bool {
        let typed: Vec<u8> = typed.bytes().filter(u8::is_ascii_digit).take(self.0.len() + 1).collect();
        self.0.ct_eq(typed.as_slice()).into()
    }

    /// Each group is 64 bits modulo 100,000: the bias is below 2^-47.
    fn derive(secret: &[u8; 32], label: &str, context: &[u8]) -> Self {
        let bytes = kdf::expand::<{ GROUPS * 8 }>(secret, label, context);
        let mut digits = [b'0'; GROUPS * GROUP_DIGITS];
        for (group, word) in digits.chunks_exact_mut(GROUP_DIGITS).zip(bytes.as_chunks::<8>().0) {
            let mut n = u64::from_be_bytes(*word) % 100_000;
            for digit in group.iter_mut().rev() {
                *digit = b'0' + u8::try_from(n % 10).unwrap_or(0);
                n /= 10;
            }
        }
        Self(digits)
    }
}

impl fmt::Display for ComparisonDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.chunks_exact(GROUP_DIGITS).enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            group.iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))?;
        }
        Ok(())
    }
}

impl fmt::Debug for ComparisonDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ComparisonDigits(..)")
    }
}
