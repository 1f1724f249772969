//! The `.wtns` file: an assignment of a circuit's variables, for other provers.

use ark_bn254::Fr;

use crate::{
    container::Writer,
    error::FileKind,
    points::{order, scalar_bytes},
};

/// An assignment as a `.wtns` file of version 2: the constant one, the public inputs, the private variables.
///
/// IMPORTANT: it contains every secret of the statement. It is for comparing provers, with secrets made for that.
#[must_use]
pub fn to_wtns(assignment: &[Fr]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(32_u32.to_le_bytes());
    header.extend(order());
    header.extend(u32::try_from(assignment.len()).unwrap_or(u32::MAX).to_le_bytes());
    let values: Vec<u8> = assignment.iter().flat_map(scalar_bytes).collect();
    let mut file = Writer::new(FileKind::Wtns, 2);
    file.section(1, &header);
    file.section(2, &values);
    file.finish()
}
