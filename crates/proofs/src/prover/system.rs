//! A circuit's constraints for those who make keys for it elsewhere.

use core::fmt;

use ark_bn254::Fr;

use super::qap::Shape;
use crate::{
    circuit::{Matrices, SparseMatrix},
    prover::SetupError,
    tier::Circuit,
};

/// A rank-1 constraint system: for an assignment z, each row demands (A·z)·(B·z) = C·z.
///
/// Variable 0 is the constant one, then come the public inputs in the order of the statement, then the private
/// variables in the order in which they are computed.
pub struct ConstraintSystem {
    circuit: Circuit,
    matrices: Matrices,
}

/// One row's linear combinations A, B and C as (variable, coefficient), ascending by variable, no coefficient zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// The left factor.
    pub a: Vec<(u32, Fr)>,
    /// The right factor.
    pub b: Vec<(u32, Fr)>,
    /// The product.
    pub c: Vec<(u32, Fr)>,
}

impl ConstraintSystem {
    /// The circuit it is of.
    #[must_use]
    pub const fn circuit(&self) -> Circuit {
        self.circuit
    }

    /// Public inputs, the constant one not counted.
    #[must_use]
    pub const fn public_inputs(&self) -> usize {
        self.matrices.inputs - 1
    }

    /// All variables, the constant one included.
    #[must_use]
    pub const fn variables(&self) -> usize {
        self.matrices.variables
    }

    /// Number of constraints.
    #[must_use]
    pub fn len(&self) -> usize {
        self.matrices.constraints()
    }

    /// Whether there is no constraint; true of no circuit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All constraints in order.
    pub fn constraints(&self) -> impl ExactSizeIterator<Item = Constraint> + '_ {
        let Matrices { a, b, c, .. } = &self.matrices;
        (0..self.len()).map(move |row| Constraint { a: terms(a, row), b: terms(b, row), c: terms(c, row) })
    }
}

fn terms(matrix: &SparseMatrix, row: usize) -> Vec<(u32, Fr)> {
    matrix
        .row(row)
        .filter_map(|(column, coefficient)| Some((u32::try_from(column).ok()?, *coefficient)))
        .collect()
}

impl fmt::Debug for ConstraintSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConstraintSystem({}, {} constraints)", self.circuit, self.len())
    }
}

/// Lays down a circuit: tens of milliseconds for the largest.
///
/// # Errors
///
/// [`SetupError`] if this crate's circuit is inconsistent, which the tests rule out.
pub fn constraint_system(circuit: Circuit) -> Result<ConstraintSystem, SetupError> {
    let Shape { matrices, .. } = Shape::of(circuit).ok_or(SetupError(circuit))?;
    Ok(ConstraintSystem { circuit, matrices })
}
