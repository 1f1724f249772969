//! The admin-membership circuit: an opening of some leaf under a public root.

use ark_bn254::Fr;
use ark_ff::Field;

use super::{bits::Bit, builder::Builder, kdf};
use crate::admin::{AdminPath, AdminSecret, AdminStatement, Labels};

/// Secret and path do not lead to the statement's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongRoot;

/// Lays down the circuit for a statement, from the admin's secret and its way to the root.
///
/// The public inputs are digest and root; secret, salt and, for each level, the index bit and the sibling are private.
pub(crate) fn synthesize(
    builder: &mut Builder,
    statement: &AdminStatement,
    secret: &AdminSecret,
    path: &AdminPath,
) -> Result<(), WrongRoot> {
    let labels = Labels::get();
    let [digest, root] = statement.inputs().map(|input| builder.allocate(input));
    builder.end_of_inputs();
    // As in the branch circuit: makes the digest's binding visible.
    let one = builder.constant(Fr::ONE);
    builder.product(&digest, &one);

    let [opening, salt] = [secret.secret, secret.salt].map(|element| builder.allocate(element));
    let mut current = kdf::hash_pair(builder, labels.leaf, opening, salt);
    for (right, sibling) in path.levels() {
        let right = Bit::allocate(builder, right);
        let sibling = builder.allocate(*sibling);
        // One product swaps: with b·(s − c), left is c + b·(s − c) and right s − b·(s − c).
        let difference = &sibling - &current;
        let moved = builder.product(&difference, &right.linear);
        let (left, right) = (&current + &moved, &sibling - &moved);
        current = kdf::hash_pair(builder, labels.node, left.compact(), right.compact());
    }
    let leads = current.value() == root.value();
    builder.enforce(&current, &one, &root);
    if leads { Ok(()) } else { Err(WrongRoot) }
}

#[cfg(test)]
mod tests;
