//! Sums of points sorted into buckets.
#![allow(
    clippy::indexing_slicing,
    reason = "indices are computed from the lengths of the vectors they index"
)]

use ark_ec::{
    AffineRepr, VariableBaseMSM,
    short_weierstrass::{Affine, Projective},
};
use ark_ff::{AdditiveGroup, Field, Zero};
use zeroize::Zeroize;

use super::Endomorphic;

/// Buckets up to which the plain way of emptying them is the shorter one: it needs no inversions.
pub(super) const FEW: usize = 512;

/// Entries sorted at a time, or two for each bucket if that is more. They and what is computed from them stay in a
/// core's own cache: 0.5 MB of points of G1.
const TILE: usize = 8192;

/// Σ digit·point for digits of absolute value at most `buckets`.
pub(super) fn bucket_sum<P>(
    buckets: usize,
    mut entries: impl Iterator<Item = (i16, XY<P>)> + Clone,
) -> Projective<P>
where
    P: Endomorphic,
{
    let tile = TILE.max(2 * buckets);
    let mut sums = vec![XY::<P>::INFINITY; buckets + 1];
    let (mut lengths, mut points) = (Vec::new(), Vec::new());
    loop {
        let rest = entries.clone();
        // Counting sort: bucket b holds points[starts[b]..starts[b] + lengths[b]], its sum so far among them.
        lengths.clear();
        lengths.extend(sums.iter().map(|sum| usize::from(!sum.is_infinity())));
        let mut taken = 0;
        for (digit, point) in entries.by_ref().take(tile) {
            taken += 1;
            if digit != 0 && !point.is_infinity() {
                lengths[usize::from(digit.unsigned_abs())] += 1;
            }
        }
        if taken == 0 {
            break;
        }
        let starts = starts(&lengths);
        points.resize(lengths.iter().sum(), XY::INFINITY);
        let mut next = starts.clone();
        let mut put = |bucket: usize, point| {
            points[next[bucket]] = point;
            next[bucket] += 1;
        };
        for (bucket, sum) in sums.iter().enumerate().filter(|(_, sum)| !sum.is_infinity()) {
            put(bucket, *sum);
        }
        for (digit, point) in rest.take(tile).filter(|(digit, point)| *digit != 0 && !point.is_infinity()) {
            put(usize::from(digit.unsigned_abs()), if digit > 0 { point } else { point.negated() });
        }
        reduce_buckets(&mut points, &starts, &mut lengths);
        for (sum, (start, length)) in sums.iter_mut().zip(starts.iter().zip(&lengths)) {
            *sum = if *length > 0 { points[*start] } else { XY::INFINITY };
        }
    }
    points.iter_mut().for_each(XY::wipe);
    let sum = weighted_sum(&sums);
    sums.iter_mut().for_each(XY::wipe);
    sum
}

fn starts(lengths: &[usize]) -> Vec<usize> {
    let mut total = 0;
    lengths
        .iter()
        .map(|length| {
            total += length;
            total - length
        })
        .collect()
}

/// Σ index·point.
///
/// With indices written as 2^s·row + column, the sum is 2^s·Σ row·(sum of the row) + Σ column·(sum of the column). The
/// sums of rows and columns are affine again: two additions for each point, of six multiplications each, where the plain way
/// needs two of 26 together.
fn weighted_sum<P: Endomorphic>(points: &[XY<P>]) -> Projective<P> {
    if points.len() <= FEW {
        let mut running = <Projective<P> as VariableBaseMSM>::ZERO_BUCKET;
        let mut sum = running;
        for point in points.iter().skip(1).rev() {
            if !point.is_infinity() {
                running += &Affine::new_unchecked(point.x, point.y);
            }
            sum += &running;
        }
        return sum.into();
    }
    let shift = points.len().ilog2() / 2;
    let columns = 1usize << shift;
    let rows = points.len().div_ceil(columns);
    let mut by_column: Vec<XY<P>> = (0..columns)
        .flat_map(|column| (0..rows).map(move |row| row * columns + column))
        .map(|index| points.get(index).copied().unwrap_or(XY::INFINITY))
        .collect();
    let mut column_sums = group_sums(&mut by_column, rows);
    let mut by_row = points.to_vec();
    by_row.resize(rows * columns, XY::INFINITY);
    let mut row_sums = group_sums(&mut by_row, columns);
    let mut sum = weighted_sum(&row_sums);
    for _ in 0..shift {
        sum.double_in_place();
    }
    sum += weighted_sum(&column_sums);
    row_sums.iter_mut().chain(&mut column_sums).for_each(XY::wipe);
    sum
}

/// The sum of each group of so many points, which are wiped.
fn group_sums<P: Endomorphic>(points: &mut [XY<P>], size: usize) -> Vec<XY<P>> {
    let mut lengths = vec![size; points.len() / size];
    let starts = starts(&lengths);
    reduce_buckets(points, &starts, &mut lengths);
    let sums = starts.iter().map(|start| points[*start]).collect();
    points.iter_mut().for_each(XY::wipe);
    sums
}

/// Halves all buckets again and again, pair by pair, until each holds at most one point.
fn reduce_buckets<P: Endomorphic>(points: &mut [XY<P>], starts: &[usize], lengths: &mut [usize]) {
    let mut active: Vec<usize> = (0..lengths.len()).filter(|bucket| lengths[*bucket] > 1).collect();
    let mut denominators = Vec::with_capacity(points.len() / 2);
    let mut products = Vec::with_capacity(points.len() / 2);
    while !active.is_empty() {
        denominators.clear();
        for bucket in &active {
            let (pairs, _) = points[starts[*bucket]..starts[*bucket] + lengths[*bucket]].as_chunks::<2>();
            denominators.extend(pairs.iter().map(|[p, q]| XY::denominator(p, q)));
        }
        invert_nonzero::<P>(&mut denominators, &mut products);
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
pub(super) struct XY<P: Endomorphic> {
    pub(super) x: P::BaseField,
    pub(super) y: P::BaseField,
}

impl<P: Endomorphic> Clone for XY<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Endomorphic> Copy for XY<P> {}

impl<P: Endomorphic> XY<P> {
    pub(super) const INFINITY: Self = Self { x: P::BaseField::ZERO, y: P::BaseField::ZERO };

    pub(super) fn of(point: &Affine<P>) -> Self {
        if point.is_zero() { Self::INFINITY } else { Self { x: point.x, y: point.y } }
    }

    pub(super) fn is_infinity(&self) -> bool {
        self.x.is_zero() && self.y.is_zero()
    }

    /// What the slope through both points is divided by; zero where the sum needs no slope.
    fn denominator(p: &Self, q: &Self) -> P::BaseField {
        if p.x == q.x {
            // The same point, or opposite ones; and infinity is its own opposite.
            return if p.y == q.y { p.y.double() } else { P::BaseField::ZERO };
        }
        if p.is_infinity() || q.is_infinity() { P::BaseField::ZERO } else { P::subtract(&q.x, &p.x) }
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
            let square = P::square(&p.x);
            P::multiply(&(square.double() + square), inverse)
        } else {
            P::multiply(&P::subtract(&q.y, &p.y), inverse)
        };
        let x = P::subtract(&P::subtract(&P::square(&slope), &p.x), &q.x);
        Self { x, y: P::subtract(&P::multiply(&slope, &P::subtract(&p.x, &x)), &p.y) }
    }

    /// The point times λ.
    pub(super) fn image(self) -> Self {
        Self { x: P::image(&self.x), y: self.y }
    }

    fn negated(self) -> Self {
        Self { x: self.x, y: -self.y }
    }

    fn wipe(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

/// Inverts all non-zero elements with one inversion; zeros stay. `products` is scratch space.
fn invert_nonzero<P: Endomorphic>(values: &mut [P::BaseField], products: &mut Vec<P::BaseField>) {
    products.clear();
    let mut product = P::BaseField::ONE;
    for value in values.iter() {
        products.push(product);
        if !value.is_zero() {
            product = P::multiply(&product, value);
        }
    }
    // A product of non-zero elements has an inverse; zero would only make the sums wrong, which verification shows.
    let mut inverse = product.inverse().unwrap_or(P::BaseField::ZERO);
    for (value, before) in values.iter_mut().zip(products.iter()).rev() {
        if !value.is_zero() {
            let own = P::multiply(&inverse, before);
            inverse = P::multiply(&inverse, value);
            *value = own;
        }
    }
}
