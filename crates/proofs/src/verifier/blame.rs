//! Finding the bad proofs of a failed combination.

use core::ops::Range;

use ark_bn254::Fq12;
use ark_ff::Field;

/// A failed range of fewer proofs than this is checked one by one.
const SINGLES_BELOW: usize = 9;

/// What a combination costs beside its proofs, in proofs: the inputs' sum, squarings, the final exponentiation.
const OVERHEAD: usize = 8;

/// Positions that have to be checked singly, ascending, among `count`; all others are fine.
///
/// `product` gives the product over a range, which is one if all of the range are fine. A failed range is halved. As
/// the products of the halves multiply to that of the whole, only one of them is computed. Halving ends
///
/// - when fewer than nine are left of each range, or
/// - when at least four ranges were looked at on one level and more than three quarters of them failed, or
/// - when the halvings have cost as much as combinations of 2·`count` + 64 proofs, those of n counted as n + 8.
///
/// As a single check costs about as much as four proofs in a combination, many bad proofs take less than twice as long
/// together as one by one.
pub(super) fn suspects(count: usize, product: impl Fn(Range<usize>) -> Option<Fq12>) -> Vec<usize> {
    if count < SINGLES_BELOW / 2 {
        return (0..count).collect();
    }
    let Some(whole) = product(0..count) else { return (0..count).collect() };
    if whole == Fq12::ONE {
        return Vec::new();
    }
    let mut budget = 2 * count + 64;
    let mut found = Vec::new();
    let mut failed = vec![(0..count, whole)];
    let mut looked_at = 1;
    while !failed.is_empty() {
        let mostly_bad = looked_at >= 4 && 4 * failed.len() > 3 * looked_at;
        looked_at = 0;
        let mut next = Vec::with_capacity(2 * failed.len());
        for (range, whole) in failed {
            let middle = range.start + range.len() / 2;
            let cost = range.len() / 2 + OVERHEAD;
            let halves = (range.len() >= SINGLES_BELOW && !mostly_bad && cost <= budget)
                .then(|| product(range.start..middle))
                .flatten();
            let Some(left) = halves else {
                found.extend(range);
                continue;
            };
            budget -= cost;
            looked_at += 2;
            // Both are of the group where the conjugate is the inverse.
            let mut right = left;
            right.conjugate_in_place();
            right *= whole;
            let halves = [(range.start..middle, left), (middle..range.end, right)];
            next.extend(halves.into_iter().filter(|(_, product)| *product != Fq12::ONE));
        }
        failed = next;
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use ark_bn254::{Bn254, G1Affine, G2Affine};
    use ark_ec::{AffineRepr, pairing::Pairing};
    use proptest::prelude::*;

    use super::*;

    /// The suspects where these are bad, and the cost of the combinations made.
    fn search(bad: &[bool]) -> (Vec<usize>, usize) {
        let generator = Bn254::pairing(G1Affine::generator(), G2Affine::generator()).0;
        let cost = Cell::new(0);
        let product = |range: Range<usize>| {
            cost.set(cost.get() + range.len() + OVERHEAD);
            let exponent: u64 =
                range.filter(|index| bad[*index]).map(|index| 1 + (index as u64) * 1_000_003).sum();
            Some(generator.pow([exponent]))
        };
        (suspects(bad.len(), product), cost.get())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_bad_one_is_a_suspect_and_the_work_is_bounded(
            count in 0usize..=256,
            density in prop_oneof![Just(0.0), 0.0..0.1, 0.0..1.0, Just(1.0)],
            seed in any::<u64>(),
        ) {
            let draw = |index: usize| {
                let mixed = (seed ^ index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                f64::from((mixed >> 33) as u32 & 0xffff) / 65536.0 < density
            };
            let bad: Vec<bool> = (0..count).map(draw).collect();
            let (suspects, cost) = search(&bad);
            for (index, _) in bad.iter().enumerate().filter(|(_, bad)| **bad) {
                prop_assert!(suspects.binary_search(&index).is_ok());
            }
            prop_assert!(suspects.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(cost <= count + OVERHEAD + 2 * count + 64);
        }
    }

    #[test]
    fn one_bad_one_is_found_in_one_combination_for_each_halving() {
        for position in [0, 1, 100, 255] {
            let mut bad = [false; 256];
            bad[position] = true;
            let (suspects, cost) = search(&bad);
            assert_eq!(suspects.len(), 8);
            assert_eq!(cost, 256 + 128 + 64 + 32 + 16 + 8 + 6 * OVERHEAD);
        }
    }

    #[test]
    fn where_all_are_bad_halving_ends_early() {
        let (suspects, cost) = search(&[true; 256]);
        assert_eq!(suspects.len(), 256);
        assert_eq!(cost, 256 + 128 + 2 * 64 + 4 * OVERHEAD);
    }

    #[test]
    fn where_none_is_bad_one_combination_is_enough() {
        assert_eq!(search(&[false; 100]), (Vec::new(), 100 + OVERHEAD));
    }

    #[test]
    fn without_a_product_all_are_suspects() {
        assert_eq!(suspects(10, |_| None), (0..10).collect::<Vec<_>>());
    }
}
