//! Which parts of a body were given out.

use core::ops::Range;

/// A set of slices: a body is thought of as at most 64 slices of equal width, the last one shorter. A body of fewer than
/// 64 bytes has a slice for each byte, an empty one a single slice.
///
/// A fixed amount of memory for bodies of any size, at the price of grain: a reader that was sent part of a slice counts
/// as one that was sent all of it, which errs on the side of fewer readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Slices(u64);

impl Slices {
    /// None.
    pub const NONE: Self = Self(0);

    /// From stored bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One bit for each slice, the lowest for the first.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// All slices of a body of `size` bytes.
    #[must_use]
    pub fn all(size: u64) -> Self {
        let slices = size.div_ceil(width(size)).max(1);
        Self(u64::MAX >> (64 - slices.min(64)))
    }

    /// The slices that the bytes of a range lie in, in a body of `size` bytes. Of an empty body it is the one slice.
    #[must_use]
    pub fn touched(range: &Range<u64>, size: u64) -> Self {
        if size == 0 {
            return Self(1);
        }
        if range.start >= range.end {
            return Self::NONE;
        }
        let width = width(size);
        let first = range.start / width;
        let last = (range.end - 1).min(size - 1) / width;
        if first > last {
            return Self::NONE;
        }
        // Both below 64, since the width is at least a 64th of the size.
        let upto = u64::MAX >> (63 - last.min(63));
        let from = u64::MAX << first.min(63);
        Self(upto & from)
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Bytes of a slice.
fn width(size: u64) -> u64 {
    size.div_ceil(64).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges() {
        assert_eq!(Slices::all(0), Slices(1));
        assert_eq!(Slices::touched(&(0..0), 0), Slices(1));
        assert_eq!(Slices::all(1), Slices(1));
        assert_eq!(Slices::all(3), Slices(0b111));
        assert_eq!(Slices::all(64), Slices(u64::MAX));
        assert_eq!(Slices::all(u64::MAX), Slices(u64::MAX));
        // 65 bytes make slices of two, of which there are 33.
        assert_eq!(Slices::all(65).0.count_ones(), 33);
        assert_eq!(Slices::touched(&(5..5), 100), Slices::NONE);
        assert_eq!(Slices::touched(&(100..200), 100), Slices::NONE);
        assert_eq!(Slices::touched(&(1..3), 100), Slices(0b11));
    }

    proptest! {
        /// Ranges that together are the body touch all slices, and without any one byte's slice they do not.
        #[test]
        fn covering_is_exact_to_the_slice(size in 1_u64..10_000, cuts in proptest::collection::vec(0_u64..10_000, 0..8), hole in 0_u64..10_000) {
            let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut % size).chain([0, size]).collect();
            cuts.sort_unstable();
            let ranges = || cuts.windows(2).map(|pair| pair[0]..pair[1]);
            let given = ranges().fold(Slices::NONE, |given, range| given.with(Slices::touched(&range, size)));
            prop_assert_eq!(given, Slices::all(size));

            let hole = hole % size;
            let missing = Slices::touched(&(hole..hole + 1), size);
            let before = Slices::touched(&(0..(hole / width(size)) * width(size)), size);
            let after = Slices::touched(&(((hole / width(size)) + 1) * width(size)..size), size);
            prop_assert!(!before.with(after).covers(missing));
            prop_assert!(before.with(after).with(missing).covers(Slices::all(size)));
        }
    }
}
