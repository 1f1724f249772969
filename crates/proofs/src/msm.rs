//! Multi-scalar multiplication with buckets filled by batched affine additions.
//!
//! An affine addition costs six multiplications once inversions are shared, about half of a mixed projective one, and
//! thousands of additions of a bucket pass can share one inversion. Scalars of a witness are mostly bits, so zero
//! scalars are dropped first and the window is chosen by the number of long ones. Long ones are split into two of half
//! the length, which halves the number of times that buckets are emptied.

mod buckets;
mod fixed;
#[cfg_attr(not(feature = "prover"), allow(dead_code, reason = "only the prover splits scalars"))]
mod split;

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ff::{AdditiveGroup, BigInt};
use zeroize::Zeroizing;

use self::buckets::{FEW, XY, bucket_sum};
pub(crate) use self::{fixed::FixedBases, split::Endomorphic};
use crate::parallel;

/// Bits of a scalar; both groups have the scalar field of BN254.
const SCALAR_BITS: usize = 254;

/// Σ scalarᵢ·baseᵢ over the shorter of the two sequences, for scalars below the order.
#[cfg_attr(not(feature = "prover"), allow(dead_code, reason = "only the prover splits scalars"))]
pub(crate) fn msm<P: Endomorphic>(bases: &[Affine<P>], scalars: &[BigInt<4>]) -> Projective<P> {
    let parts = Zeroizing::new(scalars.iter().map(split::split).collect::<Vec<_>>());
    msm_of_parts(bases, &parts)
}

/// Σ (k₁ + λ·k₂)ᵢ·baseᵢ over the shorter of the two sequences, for parts below 2^127 in absolute value.
pub(crate) fn msm_of_parts<P: Endomorphic>(bases: &[Affine<P>], parts: &[[i128; 2]]) -> Projective<P> {
    // With room for all, so that no copy is left behind.
    let mut terms = Zeroizing::new(Vec::with_capacity(2 * bases.len()));
    let mut points = Vec::with_capacity(2 * bases.len());
    for (base, [first, second]) in bases.iter().zip(parts) {
        if *first != 0 {
            terms.push(*first);
            points.push(XY::of(base));
        }
        if *second != 0 {
            terms.push(*second);
            points.push(XY::of(base).image());
        }
    }
    let length = |term: &i128| 128 - term.unsigned_abs().leading_zeros() as usize;
    let Some(longest) = terms.iter().map(length).max() else { return Projective::ZERO };
    let long = terms.iter().filter(|term| length(term) > 16).count();
    let width = window_width(longest, long.max(1));
    let windows = longest / width + 1;
    // Digits of one window lie together, since windows are worked on one at a time or by different threads.
    let mut digits = Zeroizing::new(vec![0i16; windows * terms.len()]);
    for (position, term) in terms.iter().enumerate() {
        let magnitude = term.unsigned_abs();
        let own = digits.iter_mut().skip(position).step_by(terms.len());
        for (slot, digit) in own.zip(SignedDigits::of(magnitude, width)) {
            *slot = if *term < 0 { -digit } else { digit };
        }
    }
    let piece = |(digits, points): (&[i16], &[XY<P>])| {
        bucket_sum(1 << (width - 1), digits.iter().copied().zip(points.iter().copied()))
    };
    let sums = per_window(&digits, &points, piece);
    sums.into_iter().rev().fold(Projective::ZERO, |mut sum, window| {
        for _ in 0..width {
            sum.double_in_place();
        }
        sum + window
    })
}

/// The sum of each window, given the digits of one window after the other.
///
/// Each thread takes whole windows; those left over are cut in as many pieces as there are threads, so that none waits.
fn per_window<P: Endomorphic>(
    digits: &[i16],
    points: &[XY<P>],
    work: impl Fn((&[i16], &[XY<P>])) -> Projective<P> + Send + Sync,
) -> Vec<Projective<P>> {
    let threads = parallel::threads();
    let windows = digits.len() / points.len();
    let whole = windows - windows % threads;
    let pieces: Vec<_> = digits
        .chunks_exact(points.len())
        .enumerate()
        .flat_map(|(window, digits)| {
            let pieces = if window < whole || points.len() < MANY { 1 } else { threads };
            let size = points.len().div_ceil(pieces);
            digits.chunks(size).zip(points.chunks(size)).map(move |piece| (window, piece))
        })
        .collect();
    let sum = |pieces: &[(usize, _)]| {
        pieces.iter().map(|(window, piece)| (*window, work(*piece))).collect::<Vec<_>>()
    };
    let sums = parallel::map_chunks(&pieces, 1, sum).into_iter().flatten();
    let mut windows = vec![Projective::ZERO; windows];
    for (window, sum) in sums {
        if let Some(slot) = windows.get_mut(window) {
            *slot += sum;
        }
    }
    windows
}

/// Points of which it pays to cut a window in pieces, each of which empties buckets of its own.
const MANY: usize = 4096;

/// Digits of a scalar to base 2^width, each in (−2^(width−1), 2^(width−1)], the least significant first.
struct SignedDigits {
    limbs: [u64; 4],
    width: usize,
    offset: usize,
    carry: i32,
}

impl SignedDigits {
    const fn new(scalar: &BigInt<4>, width: usize) -> Self {
        Self { limbs: scalar.0, width, offset: 0, carry: 0 }
    }

    fn of(value: u128, width: usize) -> Self {
        let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default();
        Self::new(&BigInt([half(value), half(value >> 64), 0, 0]), width)
    }
}

impl Iterator for SignedDigits {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        let (limb, shift) = (self.offset / 64, self.offset % 64);
        let low = self.limbs.get(limb).map_or(0, |value| value >> shift);
        let high =
            if shift == 0 { 0 } else { self.limbs.get(limb + 1).map_or(0, |value| value << (64 - shift)) };
        self.offset += self.width;
        let raw = (low | high) & ((1 << self.width) - 1);
        let digit = i32::try_from(raw).ok()? + self.carry;
        self.carry = i32::from(digit > 1 << (self.width - 1));
        i16::try_from(digit - (self.carry << self.width)).ok()
    }
}

/// The window width with the fewest field multiplications: six for an affine addition, 26 or 11 for emptying a bucket.
fn window_width(bits: usize, long_scalars: usize) -> usize {
    let cost = |width: &usize| {
        let buckets = 1 << (width - 1);
        (bits / width + 1) * (long_scalars * 6 + buckets * if buckets <= FEW { 26 } else { 11 })
    };
    (3..=14).min_by_key(cost).unwrap_or(8)
}

#[cfg(test)]
mod tests {
    use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective, g1};
    use ark_ec::{
        AffineRepr, CurveGroup, PrimeGroup,
        scalar_mul::{ScalarMul, glv::GLVConfig},
    };
    use ark_ff::{Field, PrimeField, UniformRand};
    use proptest::prelude::*;

    use super::*;

    /// Scalars of all kinds a witness has: zero, one, small, minus small, full.
    fn scalar() -> impl Strategy<Value = Fr> {
        prop_oneof![
            Just(Fr::from(0u64)),
            Just(Fr::from(1u64)),
            any::<u64>().prop_map(Fr::from),
            any::<u16>().prop_map(|x| -Fr::from(x)),
            any::<[u8; 32]>().prop_map(|x| Fr::from_le_bytes_mod_order(&x)),
            (0usize..9).prop_map(|pick| edges()[pick]),
        ]
    }

    /// Scalars around those that the split treats in a special way.
    fn edges() -> [Fr; 9] {
        let (one, lambda) = (Fr::from(1u64), <g1::Config as GLVConfig>::LAMBDA);
        [
            one,
            -one,
            lambda - one,
            lambda,
            lambda + one,
            -lambda,
            lambda * lambda,
            one / lambda,
            one.double().inverse().unwrap(),
        ]
    }

    /// Few distinct bases, so that equal and opposite points meet in buckets; the last is the identity.
    fn bases<G: CurveGroup + UniformRand>(picks: &[u8]) -> Vec<G::Affine> {
        let g = G::generator();
        let table = [g, -g, g.double(), g + g.double(), -g.double(), G::ZERO];
        picks.iter().map(|pick| table[usize::from(*pick) % 6].into_affine()).collect()
    }

    fn naive<A: AffineRepr>(bases: &[A], scalars: &[A::ScalarField]) -> A::Group {
        bases.iter().zip(scalars).map(|(base, scalar)| *base * scalar).sum()
    }

    fn part() -> impl Strategy<Value = i128> {
        let limit = i128::MAX;
        prop_oneof![
            3 => any::<i128>().prop_map(|part| part >> 1),
            1 => (0i128..3).prop_map(move |small| limit - small),
            1 => (0i128..3).prop_map(move |small| small - limit),
            1 => -3i128..4,
        ]
    }

    #[test]
    fn thousands_of_scalars_as_a_prover_has_them() {
        // So many that buckets are emptied by rows and columns and left-over windows cut in pieces.
        let mut rng = ark_std::test_rng();
        let scalars: Vec<Fr> = (0..9000)
            .map(|index| match index % 3 {
                0 => Fr::from(index as u64 % 2),
                _ => Fr::rand(&mut rng),
            })
            .collect();
        let integers: Vec<_> = scalars.iter().map(|scalar| scalar.into_bigint()).collect();
        let logs: Vec<Fr> = (0..9000).map(|index| Fr::from(3 + index as u64 * 7)).collect();
        let g1 = G1Projective::generator().batch_mul(&logs);
        let sum: Fr = logs.iter().zip(&scalars).map(|(log, scalar)| *log * scalar).sum();
        assert_eq!(msm(&g1, &integers), G1Projective::generator() * sum);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn msm_equals_the_naive_sum(picks in prop::collection::vec((any::<u8>(), scalar()), 0..80)) {
            let (picks, scalars): (Vec<u8>, Vec<Fr>) = picks.into_iter().unzip();
            let integers: Vec<_> = scalars.iter().map(|s| s.into_bigint()).collect();
            let g1: Vec<G1Affine> = bases::<G1Projective>(&picks);
            prop_assert_eq!(msm(&g1, &integers), naive(&g1, &scalars));
            let g2: Vec<G2Affine> = bases::<G2Projective>(&picks);
            prop_assert_eq!(msm(&g2, &integers), naive(&g2, &scalars));
        }

        #[test]
        fn parts_at_their_limits_give_the_naive_sum(
            picks in prop::collection::vec((any::<u8>(), [part(), part()]), 0..40),
        ) {
            let (picks, parts): (Vec<u8>, Vec<[i128; 2]>) = picks.into_iter().unzip();
            let signed = |part: i128| if part < 0 { -Fr::from(part.unsigned_abs()) } else { Fr::from(part.unsigned_abs()) };
            let lambda = <g1::Config as GLVConfig>::LAMBDA;
            let scalars: Vec<Fr> = parts.iter().map(|[a, b]| signed(*a) + lambda * signed(*b)).collect();
            let g1: Vec<G1Affine> = bases::<G1Projective>(&picks);
            prop_assert_eq!(msm_of_parts(&g1, &parts), naive(&g1, &scalars));
        }

        #[test]
        fn fixed_bases_equal_the_naive_sum(
            picks in prop::collection::vec((any::<u8>(), scalar()), 1..20),
            first in 0usize..4,
        ) {
            let (picks, scalars): (Vec<u8>, Vec<Fr>) = picks.into_iter().unzip();
            let g1: Vec<G1Affine> = bases::<G1Projective>(&picks);
            let first = first.min(g1.len());
            let expected = naive(&g1[first..], &scalars);
            prop_assert_eq!(FixedBases::new(&g1).sum((first..).zip(scalars)), expected);
        }

        #[test]
        fn signed_digits_add_up(scalar in scalar(), width in 2usize..15) {
            let mut sum = Fr::from(0u64);
            let digits: Vec<i16> = SignedDigits::new(&scalar.into_bigint(), width).take(SCALAR_BITS / width + 1).collect();
            for digit in digits.iter().rev() {
                prop_assert!(i32::from(digit.unsigned_abs()) <= 1 << (width - 1));
                sum *= Fr::from(1u64 << width);
                sum += Fr::from(*digit);
            }
            prop_assert_eq!(sum, scalar);
        }
    }
}
