//! The points of a key against the constraints.

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::{AdditiveGroup, Field, PrimeField};
use rand_core::CryptoRng;

use crate::{
    error::{CeremonyError, KeyPart},
    ptau::{Lagrange, PowersOfTau},
    relation::{Relation, Row},
    zkey::Elements,
};

/// From so many terms on, sharing the doublings is worth its overhead.
const LONG_COLUMN: usize = 24;

/// The Lagrange basis of a circuit's domain at tau: as it is, times α, times β.
pub(super) struct Bases {
    plain: Vec<G1Affine>,
    alpha: Vec<G1Affine>,
    beta: Vec<G1Affine>,
}

impl Bases {
    pub(super) fn read(powers: &PowersOfTau<'_>, power: u32) -> Result<Self, CeremonyError> {
        Ok(Self {
            plain: powers.lagrange(Lagrange::Plain, power)?,
            alpha: powers.lagrange(Lagrange::Alpha, power)?,
            beta: powers.lagrange(Lagrange::Beta, power)?,
        })
    }
}

/// The A and B points are Σ coefficient·Lagrange point, column by column.
///
/// Instead of each column, one random combination of all of them: the combination's rows are as many scalars as there
/// are Lagrange points. A key with a wrong point passes with probability 2^-128.
pub(super) fn check_polynomials(
    relation: &Relation,
    bases: &Bases,
    g2: Vec<G2Affine>,
    (a, b_g1, b_g2): (&[G1Affine], &[G1Affine], &[G2Affine]),
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), CeremonyError> {
    let factors = random(relation.variables(), rng);
    let combine = |row: &Row| {
        row.iter().fold(Fr::ZERO, |sum, (variable, coefficient)| {
            sum + factors.get(*variable as usize).copied().unwrap_or_default() * coefficient
        })
    };
    let mut rows_a: Vec<Fr> = relation.rows().iter().map(|[a, ..]| combine(a)).collect();
    // One row for each public variable, in which it stands alone on the A side.
    rows_a.extend(factors.iter().take(relation.public() + 1));
    let rows_b: Vec<Fr> = relation.rows().iter().map(|[_, b, _]| combine(b)).collect();
    if sum(a, &factors) != sum(&bases.plain, &rows_a) {
        return Err(CeremonyError::WrongPoints(KeyPart::A));
    }
    if sum(b_g1, &factors) != sum(&bases.plain, &rows_b) {
        return Err(CeremonyError::WrongPoints(KeyPart::B1));
    }
    if sum(b_g2, &factors) != sum(&g2, &rows_b) {
        return Err(CeremonyError::WrongPoints(KeyPart::B2));
    }
    Ok(())
}

/// Every variable's share before any contribution: β·A + α·B + C of its column. First the public ones.
pub(super) fn first_shares(relation: &Relation, bases: &Bases) -> Vec<G1Affine> {
    let mut columns: Vec<Vec<(G1Affine, Fr)>> = vec![Vec::new(); relation.variables()];
    let mut put = |variable: usize, basis: &[G1Affine], row: usize, coefficient: Fr| {
        if let (Some(column), Some(point)) = (columns.get_mut(variable), basis.get(row)) {
            column.push((*point, coefficient));
        }
    };
    for (row, parts) in relation.rows().iter().enumerate() {
        for (part, basis) in parts.iter().zip([&bases.beta, &bases.alpha, &bases.plain]) {
            for (variable, coefficient) in part {
                put(*variable as usize, basis, row, *coefficient);
            }
        }
    }
    for variable in 0..=relation.public() {
        put(variable, &bases.beta, relation.rows().len() + variable, Fr::ONE);
    }
    let add_up = |column: &Vec<(G1Affine, Fr)>| {
        if column.len() >= LONG_COLUMN {
            let (points, factors): (Vec<_>, Vec<_>) = column.iter().copied().unzip();
            return sum(&points, &factors);
        }
        column.iter().fold(G1Projective::ZERO, |sum, (point, coefficient)| {
            // Most coefficients are small or the negative of something small, and small ones cost little.
            let (plus, minus) = (coefficient.into_bigint(), (-*coefficient).into_bigint());
            if minus < plus { sum - point.mul_bigint(minus) } else { sum + point.mul_bigint(plus) }
        })
    };
    #[cfg(feature = "parallel")]
    let sums: Vec<G1Projective> = {
        use rayon::prelude::*;
        columns.par_iter().with_min_len(64).map(add_up).collect()
    };
    #[cfg(not(feature = "parallel"))]
    let sums: Vec<G1Projective> = columns.iter().map(add_up).collect();
    G1Projective::normalize_batch(&sums)
}

/// The quotient's points before any contribution: of the Lagrange basis of the doubled domain, those that are zero on
/// the domain itself.
pub(super) fn first_quotient(powers: &PowersOfTau<'_>, power: u32) -> Result<Vec<G1Affine>, CeremonyError> {
    let doubled = powers.lagrange(Lagrange::Plain, power + 1)?;
    Ok(doubled.into_iter().skip(1).step_by(2).collect())
}

/// Each point is the first one divided by δ: as a random combination, and one equation of pairings.
pub(super) fn check_divided(
    part: KeyPart,
    first: &[G1Affine],
    last: &[G1Affine],
    elements: &Elements,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), CeremonyError> {
    let factors = random(first.len(), rng);
    let [first_sum, last_sum] = [first, last].map(|points| sum(points, &factors).into_affine());
    let same = Bn254::pairing(last_sum, elements.delta) == Bn254::pairing(first_sum, G2Affine::generator());
    if same && first.len() == last.len() { Ok(()) } else { Err(CeremonyError::WrongPoints(part)) }
}

/// Uniform 128-bit factors.
fn random(count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Fr> {
    let mut draw = || {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Fr::from(u128::from_le_bytes(bytes))
    };
    (0..count).map(|_| draw()).collect()
}

/// Σ factor·point.
fn sum<P>(points: &[P], factors: &[Fr]) -> P::Group
where
    P: AffineRepr<ScalarField = Fr>,
    P::Group: VariableBaseMSM<MulBase = P, ScalarField = Fr>,
{
    let count = points.len().min(factors.len());
    let (points, factors) =
        (points.get(..count).unwrap_or_default(), factors.get(..count).unwrap_or_default());
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        let share = count.div_ceil(rayon::current_num_threads()).max(LONG_COLUMN);
        let shares = points.par_chunks(share).zip(factors.par_chunks(share));
        shares.map(|(points, factors)| P::Group::msm(points, factors).unwrap_or_default()).sum()
    }
    #[cfg(not(feature = "parallel"))]
    P::Group::msm(points, factors).unwrap_or_default()
}
