//! Multi-scalar multiplication with buckets filled by batched affine additions.
//!
//! An affine addition costs six multiplications once inversions are shared, about half of a mixed projective one, and
//! thousands of additions of a bucket pass can share one inversion. Scalars of a witness are mostly bits, so zero
//! scalars are dropped first and the window is chosen by the number of long ones.
#![allow(
    clippy::indexing_slicing,
    reason = "indices are computed from the lengths of the vectors they index"
)]

use ark_ec::{
    AffineRepr, CurveGroup, VariableBaseMSM,
    short_weierstrass::{Affine, Projective, SWCurveConfig},
};
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField, Zero};
use zeroize::{Zeroize, Zeroizing};

/// Bits of a scalar; both groups have the scalar field of BN254.
const SCALAR_BITS: usize = 254;

/// Σ scalarᵢ·baseᵢ over the shorter of the two sequences.
pub(crate) fn msm<P>(bases: &[Affine<P>], scalars: &[BigInt<4>]) -> Projective<P>
where
    P: SWCurveConfig,
{
    let used: Vec<u32> =
        (0u32..).zip(bases.iter().zip(scalars)).filter(|(_, (_, s))| !is_zero(s)).map(|(i, _)| i).collect();
    if used.is_empty() {
        return Projective::ZERO;
    }
    let long = used.iter().filter(|i| bits(&scalars[**i as usize]) > 16).count();
    let width = window_width(long.max(1));
    let windows = SCALAR_BITS / width + 1;
    // Digits of one window lie together, since windows are worked on one at a time or by different threads.
    let mut digits = Zeroizing::new(vec![0i16; windows * used.len()]);
    for (position, index) in used.iter().enumerate() {
        for (window, digit) in SignedDigits::new(&scalars[*index as usize], width).take(windows).enumerate() {
            digits[window * used.len() + position] = digit;
        }
    }
    let of_window = |digits: &[i16]| {
        bucket_sum(1 << (width - 1), || {
            digits.iter().zip(&used).map(|(digit, index)| (*digit, &bases[*index as usize]))
        })
    };
    let sums = per_window(&digits, used.len(), of_window);
    sums.into_iter().rev().fold(Projective::ZERO, |mut sum, window| {
        for _ in 0..width {
            sum.double_in_place();
        }
        sum + window
    })
}

#[cfg(feature = "parallel")]
fn per_window<T: Send>(digits: &[i16], length: usize, work: impl Fn(&[i16]) -> T + Send + Sync) -> Vec<T> {
    use rayon::prelude::*;
    digits.par_chunks_exact(length).map(work).collect()
}

#[cfg(not(feature = "parallel"))]
fn per_window<T>(digits: &[i16], length: usize, work: impl Fn(&[i16]) -> T) -> Vec<T> {
    digits.chunks_exact(length).map(work).collect()
}

/// Points that many sums share, with their multiples by all powers of 2^8 at hand.
///
/// One bucket pass then serves all windows of all scalars. A point takes 2 kB.
pub(crate) struct FixedBases<P: SWCurveConfig> {
    multiples: Vec<Affine<P>>,
}

impl<P: SWCurveConfig> FixedBases<P> {
    const WIDTH: usize = 8;
    const WINDOWS: usize = SCALAR_BITS / Self::WIDTH + 1;

    pub(crate) fn new(bases: &[Affine<P>]) -> Self {
        let mut multiples = Vec::with_capacity(bases.len() * Self::WINDOWS);
        for base in bases {
            let mut multiple = base.into_group();
            for _ in 0..Self::WINDOWS {
                multiples.push(multiple);
                for _ in 0..Self::WIDTH {
                    multiple.double_in_place();
                }
            }
        }
        Self { multiples: Projective::normalize_batch(&multiples) }
    }

    /// Σ scalar·base over pairs of a base's index and a scalar; indices beyond the last base are ignored.
    pub(crate) fn sum(&self, terms: impl Iterator<Item = (usize, P::ScalarField)>) -> Projective<P>
    where
        P::ScalarField: PrimeField<BigInt = BigInt<4>>,
    {
        let mut entries = Vec::with_capacity(terms.size_hint().0 * Self::WINDOWS);
        for (index, scalar) in terms {
            let start = index * Self::WINDOWS;
            let multiples = self.multiples.get(start..start + Self::WINDOWS).unwrap_or_default();
            entries.extend(SignedDigits::new(&scalar.into_bigint(), Self::WIDTH).zip(multiples));
        }
        bucket_sum(1 << (Self::WIDTH - 1), || entries.iter().copied())
    }
}

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

/// The window width with the fewest field multiplications: six for an affine addition, 26 for emptying a bucket.
fn window_width(long_scalars: usize) -> usize {
    (3..=14).min_by_key(|c| (SCALAR_BITS / c + 1) * (long_scalars * 6 + (1 << (c - 1)) * 26)).unwrap_or(8)
}

/// Σ digit·point for digits of absolute value at most `buckets`. `entries` is iterated over twice.
fn bucket_sum<'a, P, I>(buckets: usize, entries: impl Fn() -> I) -> Projective<P>
where
    P: SWCurveConfig,
    I: Iterator<Item = (i16, &'a Affine<P>)>,
{
    // Counting sort: bucket b holds points[starts[b]..starts[b] + lengths[b]].
    let mut lengths = vec![0usize; buckets + 1];
    for (digit, point) in entries() {
        if digit != 0 && !point.is_zero() {
            lengths[usize::from(digit.unsigned_abs())] += 1;
        }
    }
    let mut total = 0;
    let starts: Vec<usize> = lengths
        .iter()
        .map(|length| {
            total += length;
            total - length
        })
        .collect();
    let mut next = starts.clone();
    let mut points = vec![XY::<P>::INFINITY; total];
    for (digit, point) in entries() {
        if digit != 0 && !point.is_zero() {
            let slot = &mut next[usize::from(digit.unsigned_abs())];
            points[*slot] = XY { x: point.x, y: if digit > 0 { point.y } else { -point.y } };
            *slot += 1;
        }
    }
    reduce_buckets(&mut points, &starts, &mut lengths);
    let mut running = <Projective<P> as VariableBaseMSM>::ZERO_BUCKET;
    let mut sum = running;
    for bucket in (1..=buckets).rev() {
        if lengths[bucket] > 0 && !points[starts[bucket]].is_infinity() {
            let XY { x, y } = points[starts[bucket]];
            running += &Affine::new_unchecked(x, y);
        }
        sum += &running;
    }
    points.iter_mut().for_each(XY::wipe);
    sum.into()
}

/// Halves all buckets again and again, pair by pair, until each holds at most one point.
fn reduce_buckets<P: SWCurveConfig>(points: &mut [XY<P>], starts: &[usize], lengths: &mut [usize]) {
    let mut active: Vec<usize> = (0..lengths.len()).filter(|bucket| lengths[*bucket] > 1).collect();
    let mut denominators = Vec::with_capacity(points.len() / 2);
    let mut products = Vec::with_capacity(points.len() / 2);
    while !active.is_empty() {
        denominators.clear();
        for bucket in &active {
            let (pairs, _) = points[starts[*bucket]..starts[*bucket] + lengths[*bucket]].as_chunks::<2>();
            denominators.extend(pairs.iter().map(|[p, q]| XY::denominator(p, q)));
        }
        invert_nonzero(&mut denominators, &mut products);
        let mut inverses = denominators.iter();
        for bucket in &active {
            let (start, length) = (starts[*bucket], lengths[*bucket]);
            for (pair, inverse) in (0..length / 2).zip(&mut inverses) {
                points[start + pair] =
                    XY::sum(&points[start + 2 * pair], &points[start + 2 * pair + 1], inverse);
            }
            if length % 2 == 1 {
                points[start + length / 2] = points[start + length - 1];
            }
            lengths[*bucket] = length.div_ceil(2);
        }
        active.retain(|bucket| lengths[*bucket] > 1);
    }
}

/// An affine point without the flag; (0, 0) is on neither curve and stands for infinity.
struct XY<P: SWCurveConfig> {
    x: P::BaseField,
    y: P::BaseField,
}

impl<P: SWCurveConfig> Clone for XY<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: SWCurveConfig> Copy for XY<P> {}

impl<P: SWCurveConfig> XY<P> {
    const INFINITY: Self = Self { x: P::BaseField::ZERO, y: P::BaseField::ZERO };

    fn is_infinity(&self) -> bool {
        self.x.is_zero() && self.y.is_zero()
    }

    /// What the slope through both points is divided by; zero where the sum needs no slope.
    fn denominator(p: &Self, q: &Self) -> P::BaseField {
        if p.is_infinity() || q.is_infinity() {
            P::BaseField::ZERO
        } else if p.x != q.x {
            q.x - p.x
        } else if p.y == q.y {
            p.y.double()
        } else {
            P::BaseField::ZERO
        }
    }

    fn sum(p: &Self, q: &Self, inverse: &P::BaseField) -> Self {
        if inverse.is_zero() {
            return if p.is_infinity() {
                *q
            } else if q.is_infinity() {
                *p
            } else {
                Self::INFINITY
            };
        }
        let slope = if p.x == q.x {
            let square = p.x.square();
            (square.double() + square) * inverse
        } else {
            (q.y - p.y) * inverse
        };
        let x = slope.square() - p.x - q.x;
        Self { x, y: slope * (p.x - x) - p.y }
    }

    fn wipe(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

/// Inverts all non-zero elements with one inversion; zeros stay. `products` is scratch space.
fn invert_nonzero<F: Field>(values: &mut [F], products: &mut Vec<F>) {
    products.clear();
    let mut product = F::ONE;
    for value in values.iter() {
        products.push(product);
        if !value.is_zero() {
            product *= value;
        }
    }
    // A product of non-zero elements has an inverse; zero would only make the sums wrong, which verification shows.
    let mut inverse = product.inverse().unwrap_or(F::ZERO);
    for (value, before) in values.iter_mut().zip(products.iter()).rev() {
        if !value.is_zero() {
            let own = inverse * before;
            inverse *= *value;
            *value = own;
        }
    }
}

fn is_zero(scalar: &BigInt<4>) -> bool {
    scalar.0 == [0; 4]
}

fn bits(scalar: &BigInt<4>) -> usize {
    use ark_ff::BigInteger;
    scalar.num_bits() as usize
}

#[cfg(test)]
mod tests {
    use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
    use ark_ff::UniformRand;
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
