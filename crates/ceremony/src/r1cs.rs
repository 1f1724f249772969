//! The `.r1cs` file: a circuit's constraints for other tools.

use crate::{
    container::Writer,
    error::FileKind,
    points::{order, scalar_bytes},
    relation::{Relation, Row},
};

/// The constraints as an `.r1cs` file of version 1: header, constraints, and a map of every variable to itself.
///
/// All public variables are inputs and none an output. The private ones are counted as no inputs, since which of them
/// are is of no meaning for keys and proofs.
#[must_use]
pub fn to_r1cs(relation: &Relation) -> Vec<u8> {
    // A relation is bounded far below 2^32.
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut header = Vec::new();
    header.extend(32_u32.to_le_bytes());
    header.extend(order());
    header.extend(small(relation.variables()));
    header.extend(0_u32.to_le_bytes());
    header.extend(small(relation.public()));
    header.extend(0_u32.to_le_bytes());
    header.extend((relation.variables() as u64).to_le_bytes());
    header.extend(small(relation.rows().len()));

    let entries: usize = relation.rows().iter().flatten().map(Row::len).sum();
    let mut constraints = Vec::with_capacity(entries * 36 + relation.rows().len() * 12);
    for row in relation.rows().iter().flatten() {
        constraints.extend(small(row.len()));
        for (variable, coefficient) in row {
            constraints.extend(variable.to_le_bytes());
            constraints.extend(scalar_bytes(coefficient));
        }
    }
    let map: Vec<u8> = (0..relation.variables() as u64).flat_map(u64::to_le_bytes).collect();

    let mut file = Writer::new(FileKind::R1cs, 3);
    file.section(1, &header);
    file.section(2, &constraints);
    file.section(3, &map);
    file.finish()
}
