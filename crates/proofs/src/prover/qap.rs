//! From constraints to polynomials.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInt, FftField, Field, PrimeField};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use zeroize::Zeroizing;

use crate::{
    circuit::{Builder, Matrices, SparseMatrix, synthesize},
    statement::Statement,
    table::LevelTable,
    tier::Tier,
};

/// Everything about a tier's circuit that does not depend on a key.
pub(super) struct Shape {
    pub(super) matrices: Matrices,
    pub(super) domain: Radix2EvaluationDomain<Fr>,
    /// Variables on the A side of any constraint, ascending; all public ones are.
    pub(super) a_columns: Vec<u32>,
    /// Variables on the B side of any constraint, ascending.
    pub(super) b_columns: Vec<u32>,
}

impl Shape {
    /// Synthesises the circuit of a tier once, on an arbitrary satisfied statement.
    pub(super) fn of(tier: Tier) -> Option<Self> {
        let secret = curve::TreeSecret::from_bytes(&[0; 32]).ok()?;
        let mut builder = Builder::recording();
        let statement = sample_statement(tier, &secret)?;
        synthesize(&mut builder, &statement.expand(LevelTable::batch(statement.siblings())), &secret).ok()?;
        let (matrices, _) = builder.into_matrices();
        let domain = Radix2EvaluationDomain::new(matrices.constraints() + matrices.inputs)?;
        let mut a_columns: Vec<u32> = (0..u32::try_from(matrices.inputs).ok()?).collect();
        a_columns.extend(matrices.a.used_columns());
        a_columns.sort_unstable();
        a_columns.dedup();
        let b_columns = matrices.b.used_columns();
        Some(Self { matrices, domain, a_columns, b_columns })
    }

    /// Variables that are not public.
    pub(super) fn private(&self) -> usize {
        self.matrices.variables - self.matrices.inputs
    }

    /// Coefficients of the quotient polynomial: its degree is two below the domain's size.
    pub(super) fn quotient_len(&self) -> usize {
        self.domain.size() - 1
    }
}

/// A path of the tier's full depth whose siblings are all G, so that anybody knows every key of it.
fn sample_statement(tier: Tier, secret: &curve::TreeSecret) -> Option<Statement> {
    let generator = curve::Point::generator();
    let mut keys = vec![secret.public()];
    let mut current = secret.clone();
    for _ in 0..tier.dh_levels() {
        current = current.dh(&generator).derive();
        keys.push(current.public());
    }
    keys.push(current.dh(&curve::Point::sign_base()).derive().public());
    let digest = protocol::FrameDigest::new([0; 32]);
    Statement::new(digest, keys, vec![generator; tier.dh_levels()]).ok()
}

/// Coefficients of (A·B − C)/Z for an assignment that satisfies the constraints.
///
/// The reduction is the one of libsnark: one row for each constraint and, so that no input goes unbound, one more for
/// each public variable with that variable on the A side.
pub(super) fn quotient(shape: &Shape, values: &[Fr]) -> Zeroizing<Vec<BigInt<4>>> {
    let matrices = &shape.matrices;
    let domain = &shape.domain;
    let mut a = evaluate(&matrices.a, values, domain.size());
    let mut b = evaluate(&matrices.b, values, domain.size());
    for (slot, value) in a.iter_mut().skip(matrices.constraints()).zip(values.iter().take(matrices.inputs)) {
        *slot = *value;
    }
    // On the rows C·z is the product of the other two, or the proof would not verify anyway.
    let mut c = Zeroizing::new(a.iter().zip(b.iter()).map(|(a, b)| *a * b).collect::<Vec<Fr>>());
    // `get_coset` fails for the offset zero only.
    let coset = domain.get_coset(Fr::GENERATOR).unwrap_or(*domain);
    for polynomial in [&mut a, &mut b, &mut c] {
        domain.ifft_in_place(polynomial);
        coset.fft_in_place(polynomial);
    }
    let vanishing = domain.evaluate_vanishing_polynomial(Fr::GENERATOR).inverse().unwrap_or(Fr::ZERO);
    for ((a, b), c) in a.iter_mut().zip(b.iter()).zip(c.iter()) {
        *a = (*a * b - c) * vanishing;
    }
    coset.ifft_in_place(&mut a);
    Zeroizing::new(a.iter().take(shape.quotient_len()).map(|coefficient| coefficient.into_bigint()).collect())
}

fn evaluate(matrix: &SparseMatrix, values: &[Fr], size: usize) -> Zeroizing<Vec<Fr>> {
    let mut rows = Zeroizing::new(vec![Fr::ZERO; size]);
    let work = |(row, slot): (usize, &mut Fr)| *slot = matrix.row_times(row, values);
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        rows.par_iter_mut().take(matrix.rows()).enumerate().with_min_len(1024).for_each(work);
    }
    #[cfg(not(feature = "parallel"))]
    rows.iter_mut().take(matrix.rows()).enumerate().for_each(work);
    rows
}

/// For each variable, its A, B and C polynomial at a point; and the vanishing polynomial there.
pub(super) fn evaluate_at(shape: &Shape, point: Fr) -> ([Vec<Fr>; 3], Fr) {
    let matrices = &shape.matrices;
    let lagrange = shape.domain.evaluate_all_lagrange_coefficients(point);
    let mut columns = [(); 3].map(|()| vec![Fr::ZERO; matrices.variables]);
    for (matrix, sums) in [&matrices.a, &matrices.b, &matrices.c].into_iter().zip(&mut columns) {
        for (row, value) in lagrange.iter().enumerate().take(matrix.rows()) {
            for (column, coefficient) in matrix.row(row) {
                if let Some(sum) = sums.get_mut(column) {
                    *sum += *value * coefficient;
                }
            }
        }
    }
    let [a, ..] = &mut columns;
    for (sum, value) in a.iter_mut().zip(lagrange.iter().skip(matrices.constraints())).take(matrices.inputs) {
        *sum += value;
    }
    (columns, shape.domain.evaluate_vanishing_polynomial(point))
}
