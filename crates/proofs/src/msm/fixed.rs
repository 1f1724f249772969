//! Sums over points that do not change.

use ark_ec::{
    AffineRepr, CurveGroup,
    short_weierstrass::{Affine, Projective},
};
use ark_ff::{AdditiveGroup, BigInt, PrimeField};

use super::{
    Endomorphic, SCALAR_BITS, SignedDigits,
    buckets::{XY, bucket_sum},
};

/// Points that many sums share, with their multiples by all powers of 2^8 at hand.
///
/// One bucket pass then serves all windows of all scalars. A point takes 2 kB.
pub(crate) struct FixedBases<P: Endomorphic> {
    multiples: Vec<Affine<P>>,
}

impl<P: Endomorphic> FixedBases<P> {
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
        bucket_sum(1 << (Self::WIDTH - 1), entries.iter().map(|(digit, point)| (*digit, XY::of(point))))
    }
}
