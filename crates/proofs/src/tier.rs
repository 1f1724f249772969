//! Circuit sizes.

use core::fmt;

/// A circuit of a fixed number of levels; shorter paths are padded to the smallest that holds them.
///
/// A level is one Diffie–Hellman step. The last step of every path is the sign level, so a tier of n levels carries
/// n − 1 levels of the tree. The number is the tier's name on the wire and in the parameter hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// 8 levels: trees of up to 128 slots.
    T8,
    /// 16 levels: trees of up to 32,768 slots.
    T16,
}

impl Tier {
    /// All tiers, the smallest first.
    pub const ALL: [Self; 2] = [Self::T8, Self::T16];

    /// Levels of the circuit, the sign level included.
    #[must_use]
    pub const fn levels(self) -> usize {
        match self {
            Self::T8 => 8,
            Self::T16 => 16,
        }
    }

    /// Levels of the tree it can carry: one less than [`Tier::levels`].
    #[must_use]
    pub const fn dh_levels(self) -> usize {
        self.levels() - 1
    }

    /// The smallest tier for a path of so many Diffie–Hellman levels, or none if no tier is deep enough.
    #[must_use]
    pub fn for_dh_levels(dh_levels: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| dh_levels <= tier.dh_levels())
    }

    /// The tier's number in encodings: its level count.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::T8 => 8,
            Self::T16 => 16,
        }
    }

    /// The tier of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.number() == number)
    }

    /// Field elements in a statement: the digest, two for each key, eight for each level's table.
    #[must_use]
    pub const fn inputs(self) -> usize {
        1 + 2 * (self.levels() + 1) + 8 * self.levels()
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.number())
    }
}
