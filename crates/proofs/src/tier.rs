//! Which circuits there are, and their sizes.

use core::fmt;

use crate::admin::AdminStatement;

/// A circuit of a fixed number of levels; shorter paths are padded to the smallest that holds them.
///
/// A level is one Diffie–Hellman step. The last step of every path is the sign level, so a tier of n levels carries
/// n − 1 levels of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// 8 levels: trees of up to 128 slots.
    T8,
    /// 16 levels: trees of up to 32,768 slots.
    T16,
    /// 20 levels: trees of up to 524,288 slots.
    T20,
}

impl Tier {
    /// All tiers, the smallest first.
    pub const ALL: [Self; 3] = [Self::T8, Self::T16, Self::T20];

    /// Levels of the circuit, the sign level included.
    #[must_use]
    pub const fn levels(self) -> usize {
        match self {
            Self::T8 => 8,
            Self::T16 => 16,
            Self::T20 => 20,
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

    /// Field elements in a statement: the digest, two for each key, eight for each level's table.
    #[must_use]
    pub const fn inputs(self) -> usize {
        1 + 2 * (self.levels() + 1) + 8 * self.levels()
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.levels())
    }
}

/// What a key is for: each circuit has a proving and a verifying key of its own.
///
/// The order is that of [`Circuit::number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Circuit {
    /// Membership in the owner's tree of admins.
    Admin,
    /// The change of a branch of the key tree.
    Branch(Tier),
}

impl Circuit {
    /// All circuits, ascending by number.
    pub const ALL: [Self; 4] =
        [Self::Admin, Self::Branch(Tier::T8), Self::Branch(Tier::T16), Self::Branch(Tier::T20)];

    /// The circuit's number in encodings and hashes: a branch circuit's level count, 1 for admins.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Admin => 1,
            Self::Branch(Tier::T8) => 8,
            Self::Branch(Tier::T16) => 16,
            Self::Branch(Tier::T20) => 20,
        }
    }

    /// The circuit of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|circuit| circuit.number() == number)
    }

    /// The circuit's name in file names, settings and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Branch(Tier::T8) => "t8",
            Self::Branch(Tier::T16) => "t16",
            Self::Branch(Tier::T20) => "t20",
        }
    }

    /// The circuit of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|circuit| circuit.name() == name)
    }

    /// Field elements in a statement: for admins the digest and the root, for a branch see [`Tier::inputs`].
    #[must_use]
    pub const fn inputs(self) -> usize {
        match self {
            Self::Admin => AdminStatement::INPUTS,
            Self::Branch(tier) => tier.inputs(),
        }
    }
}

impl From<Tier> for Circuit {
    fn from(tier: Tier) -> Self {
        Self::Branch(tier)
    }
}

impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Branch(tier) => tier.fmt(f),
        }
    }
}
