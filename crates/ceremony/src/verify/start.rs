//! The hash of the key before any contribution.

use ark_bn254::{G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr as _, CurveGroup as _};

use crate::{
    error::CeremonyError,
    ptau::PowersOfTau,
    transcript::{CeremonyHash, Hasher},
    zkey::Elements,
};

/// snarkjs hashes the quotient's points in pieces of so many.
const PIECE: usize = 1 << 14;

/// The points of a key before any contribution.
pub(super) struct FirstKey<'k> {
    pub(super) inputs: &'k [G1Affine],
    pub(super) l: &'k [G1Affine],
    pub(super) a: &'k [G1Affine],
    pub(super) b_g1: &'k [G1Affine],
    pub(super) b_g2: &'k [G2Affine],
}

impl FirstKey<'_> {
    /// The hash that begins the transcript: of α, β, γ, δ (still the generators), input points, quotient's points as
    /// τ^(n+i) − τ^i, shares, A, B in G1 and in G2, each list after its length.
    pub(super) fn hash(
        &self,
        elements: &Elements,
        powers: &PowersOfTau<'_>,
        power: u32,
    ) -> Result<CeremonyHash, CeremonyError> {
        let mut hasher = Hasher::default();
        hasher.point(&elements.alpha);
        hasher.point(&elements.beta_g1);
        hasher.point(&elements.beta);
        hasher.point(&G2Affine::generator());
        hasher.point(&G1Affine::generator());
        hasher.point(&G2Affine::generator());
        hasher.points(self.inputs);
        quotient(&mut hasher, powers, 1 << power)?;
        hasher.points(self.l);
        hasher.points(self.a);
        hasher.points(self.b_g1);
        hasher.points(self.b_g2);
        Ok(hasher.finish())
    }
}

/// There are one fewer of them than the domain is large, and the count says so; but of a domain of several pieces
/// snarkjs hashes whole pieces and so one point more, for which the powers must reach further.
fn quotient(hasher: &mut Hasher, powers: &PowersOfTau<'_>, size: usize) -> Result<(), CeremonyError> {
    hasher.count(size - 1);
    let count = if size > PIECE { size } else { size - 1 };
    if size > PIECE && 1_usize << powers.power() == size {
        return Err(CeremonyError::WrongPowers("take those of the next size, twice as many"));
    }
    for first in (0..count).step_by(PIECE) {
        let now = PIECE.min(count - first);
        let (low, high) = (powers.powers(first, now)?, powers.powers(size + first, now)?);
        let differences: Vec<G1Projective> =
            high.iter().zip(&low).map(|(high, low)| high.into_group() - low).collect();
        for point in G1Projective::normalize_batch(&differences) {
            hasher.point(&point);
        }
    }
    Ok(())
}
