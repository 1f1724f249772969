//! Durations and sizes that carry their unit.

use core::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Text that is not a whole number with a known unit. The fault of whoever wrote the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnitError {
    /// For a [`Period`].
    #[error("expected a duration such as \"15s\" (units ms, s, m, h, d)")]
    Period,
    /// For a [`ByteSize`].
    #[error("expected a size such as \"64KiB\" (units B, KiB, MiB, GiB)")]
    ByteSize,
}

/// Units from the largest to the smallest, each with its worth in the smallest.
type Units = [(&'static str, u64)];

const PERIOD_UNITS: &Units = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: &Units = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

fn parse(text: &str, units: &Units) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, worth) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*worth)
}

fn show(amount: u64, units: &Units, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let exact = units.iter().find(|(_, worth)| amount != 0 && amount.is_multiple_of(*worth));
    match exact.or_else(|| units.last()) {
        Some((name, worth)) => write!(f, "{}{name}", amount / worth),
        None => Ok(()),
    }
}

/// A duration as a setting: a whole number and a unit, from a millisecond to as long as one likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u64);

impl Period {
    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// So many seconds, at most what milliseconds in 64 bits can say.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// As a duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// In whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, PERIOD_UNITS).map(Self).ok_or(UnitError::Period)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, PERIOD_UNITS, f)
    }
}

/// A size in bytes as a setting: a whole number and a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many times 1,024 bytes.
    #[must_use]
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib.saturating_mul(1 << 10))
    }

    /// So many times 1,048,576 bytes.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// In bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// In bytes, as a length in memory; the longest there is where it is longer.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, SIZE_UNITS).map(Self).ok_or(UnitError::ByteSize)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, SIZE_UNITS, f)
    }
}

macro_rules! as_text {
    ($name:ident, $error:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        fmt::Display::fmt(&$error, f)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

as_text!(Period, UnitError::Period);
as_text!(ByteSize, UnitError::ByteSize);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn largest_exact_unit_is_shown() {
        for (millis, text) in [(0, "0ms"), (1, "1ms"), (1500, "1500ms"), (15_000, "15s"), (90_000, "90s")] {
            assert_eq!(Period::from_millis(millis).to_string(), text);
        }
        assert_eq!(Period::from_secs(7200).to_string(), "2h");
        assert_eq!(ByteSize::from_kib(64).to_string(), "64KiB");
        assert_eq!(ByteSize::from_bytes(1000).to_string(), "1000B");
    }

    #[test]
    fn a_number_alone_or_an_unknown_unit_is_refused() {
        for bad in ["", "15", "s", "15 s", "-1s", "+1s", "1.5s", "15S", "1s ", "18446744073709551615d", "1µs"]
        {
            assert_eq!(bad.parse::<Period>(), Err(UnitError::Period), "{bad}");
        }
        for bad in ["64", "64KB", "64kib", "64K", "99999999999999GiB"] {
            assert_eq!(bad.parse::<ByteSize>(), Err(UnitError::ByteSize), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trip(n: u64) {
            prop_assert_eq!(Period(n).to_string().parse(), Ok(Period(n)));
            prop_assert_eq!(ByteSize(n).to_string().parse(), Ok(ByteSize(n)));
        }
    }
}
