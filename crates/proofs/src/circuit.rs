//! The branch-update circuit, constraint by constraint.
//!
//! Synthesis runs in two modes over the same code: with recording it yields the constraint matrices, without it the
//! witness alone. The book's page on proofs has the argument for each gadget.

pub(crate) mod admin;
mod bits;
mod builder;
mod kdf;
mod montgomery;
mod scalar;

use ark_bn254::Fr;
use ark_ff::Field;
use curve::{TreeSecret, digits::SECRET_BITS};
use zeroize::Zeroizing;

pub(crate) use self::builder::{Builder, Matrices, SparseMatrix};
use self::{bits::Bit, montgomery::PointVar};
use crate::statement::Expanded;

/// Why a secret and a statement have no witness together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SynthesisError {
    /// The key at this position is not the one the secret leads to.
    WrongKey(usize),
    /// A derived hash has the leading 64 bits of the modulus, or a table is degenerate: about 2^-62, not provable.
    Unlucky,
}

/// Lays down the circuit for a statement, from the leaf's secret.
///
/// All public inputs are allocated before any witness, in the order of [`Expanded::inputs`].
pub(crate) fn synthesize(
    builder: &mut Builder,
    statement: &Expanded,
    secret: &TreeSecret,
) -> Result<(), SynthesisError> {
    let digest = builder.allocate(statement.digest);
    let keys: Vec<PointVar> = statement.keys.iter().map(|key| PointVar::allocate(builder, *key)).collect();
    let tables: Vec<[PointVar; 4]> = statement
        .tables
        .iter()
        .map(|table| table.coordinates.map(|point| PointVar::allocate(builder, point)))
        .collect();
    builder.end_of_inputs();
    // The reduction to polynomials binds every input anyway; this makes the digest's binding visible in the circuit.
    let one = builder.constant(Fr::ONE);
    builder.product(&digest, &one);

    let first: Zeroizing<Vec<bool>> =
        Zeroizing::new((0..SECRET_BITS).map(|index| secret.bit(index)).collect());
    let mut bits: Vec<Bit> = first.iter().map(|bit| Bit::allocate(builder, *bit)).collect();
    let mut siblings = tables.iter().zip(&statement.tables);
    for (level, key) in keys.iter().enumerate() {
        let products = scalar::fixed_base(builder, &bits, key);
        products.map_err(|()| SynthesisError::WrongKey(level))?;
        let Some((variables, table)) = siblings.next() else { break };
        let shared =
            scalar::variable_base(builder, &bits, variables, table).ok_or(SynthesisError::Unlucky)?;
        let hash = kdf::hash(builder, shared);
        bits = bits::decompose(builder, &hash).ok_or(SynthesisError::Unlucky)?;
        bits.truncate(SECRET_BITS);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
