//! From constraints to polynomials.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInt, PrimeField};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use zeroize::Zeroizing;

use super::transform::Transform;
use crate::{
    admin::{AdminSecret, AdminStatement, AdminTree},
    circuit::{Builder, Matrices, SparseMatrix, admin, synthesize},
    parallel,
    statement::Statement,
    table::LevelTable,
    tier::{Circuit, Tier},
};

/// Everything about a circuit that does not depend on a key.
pub(super) struct Shape {
    pub(super) matrices: Matrices,
    pub(super) domain: Radix2EvaluationDomain<Fr>,
    /// Variables on the A side of any constraint, ascending; all public ones are.
    pub(super) a_columns: Vec<u32>,
    /// Variables on the B side of any constraint, ascending.
    pub(super) b_columns: Vec<u32>,
}

impl Shape {
    /// Synthesises a circuit once, on an arbitrary satisfied statement.
    pub(super) fn of(circuit: Circuit) -> Option<Self> {
        let mut builder = Builder::recording();
        match circuit {
            Circuit::Branch(tier) => {
                let secret = curve::TreeSecret::from_bytes(&[0; 32]).ok()?;
                let statement = sample_statement(tier, &secret)?;
                let expanded = statement.expand(LevelTable::batch(statement.siblings()));
                synthesize(&mut builder, &expanded, &secret).ok()?;
            }
            Circuit::Admin => {
                let secret = AdminSecret::from_bytes(&[0; AdminSecret::LEN]).ok()?;
                let tree = AdminTree::new(&[secret.commitment()]).ok()?;
                let statement = AdminStatement::new(protocol::FrameDigest::new([0; 32]), tree.root()).ok()?;
                admin::synthesize(&mut builder, &statement, &secret, &tree.path(0)?).ok()?;
            }
        }
        let (matrices, _) = builder.into_matrices();
        let domain = Radix2EvaluationDomain::new(matrices.constraints() + matrices.inputs)?;
        let (mut a_used, mut b_used) = (vec![false; matrices.variables], vec![false; matrices.variables]);
        a_used.iter_mut().take(matrices.inputs).for_each(|mark| *mark = true);
        matrices.a.mark_used(&mut a_used);
        matrices.b.mark_used(&mut b_used);
        let columns = |used: &[bool]| -> Vec<u32> {
            (0u32..).zip(used).filter_map(|(column, used)| used.then_some(column)).collect()
        };
        let (a_columns, b_columns) = (columns(&a_used), columns(&b_used));
        Some(Self { matrices, domain, a_columns, b_columns })
    }

    /// Variables that are not public.
    pub(super) fn private(&self) -> usize {
        self.matrices.variables - self.matrices.inputs
    }

    /// Values that [`quotient`] gives: the size of the domain.
    pub(super) fn quotient_len(&self) -> usize {
        self.domain.size()
    }

    /// The domain of twice the size; its odd elements are the coset on which the quotient is taken.
    fn doubled(&self) -> Option<Radix2EvaluationDomain<Fr>> {
        Radix2EvaluationDomain::new(2 * self.domain.size())
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

/// Values of A·B − C on the odd elements of the doubled domain, for an assignment that satisfies the constraints.
///
/// A·B − C has degree below twice the domain's size and vanishes on the even elements, so its odd values are its
/// coordinates in the Lagrange basis of the doubled domain, in which the key's points are given. Thus it never has to be
/// divided by the vanishing polynomial or transformed back. snarkjs keeps its keys in the same basis.
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
    // There is a doubled domain for every circuit; without it the proof would not verify.
    if let Some(transform) = Transform::new(*domain) {
        parallel::for_each(&mut [&mut a, &mut b, &mut c], |values| transform.to_odd(values));
    }
    Zeroizing::new(
        a.iter().zip(b.iter()).zip(c.iter()).map(|((a, b), c)| (*a * b - c).into_bigint()).collect(),
    )
}

/// The Lagrange polynomials of the doubled domain's odd elements, at a point.
pub(super) fn quotient_basis(shape: &Shape, point: Fr) -> Option<Vec<Fr>> {
    let all = shape.doubled()?.evaluate_all_lagrange_coefficients(point);
    Some(all.into_iter().skip(1).step_by(2).collect())
}

/// Whether a point can be the secret one: in neither domain.
pub(super) fn is_usable(shape: &Shape, point: Fr) -> bool {
    shape.doubled().is_some_and(|doubled| doubled.evaluate_vanishing_polynomial(point) != Fr::ZERO)
}

/// Rows that one thread computes at a time.
const RUN: usize = 1024;

fn evaluate(matrix: &SparseMatrix, values: &[Fr], size: usize) -> Zeroizing<Vec<Fr>> {
    let mut rows = Zeroizing::new(vec![Fr::ZERO; size]);
    let mut runs: Vec<(usize, &mut [Fr])> = rows.chunks_mut(RUN).enumerate().collect();
    parallel::for_each(&mut runs, |(run, slots)| {
        for (slot, row) in slots.iter_mut().zip(*run * RUN..matrix.rows()) {
            *slot = matrix.row_times(row, values);
        }
    });
    rows
}

/// For each variable, its A, B and C polynomial at a point.
pub(super) fn evaluate_at(shape: &Shape, point: Fr) -> [Vec<Fr>; 3] {
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
    columns
}
