//! Poseidon inside the circuit: three constraints for each S-box.

use core::array;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use curve::poseidon::{PAIR_WIDTH, Parameters, WIDTH};

use super::builder::{Builder, Linear};

/// [`curve::poseidon::hash`] of a variable: 213 constraints.
pub(super) fn hash(builder: &mut Builder, input: Linear) -> Linear {
    let state = [Linear::default(), input];
    permute(builder, Parameters::<WIDTH>::get(), Fr::ZERO, state)
}

/// [`curve::poseidon::hash_pair`] of two variables: 240 constraints.
pub(super) fn hash_pair(builder: &mut Builder, tag: Fr, left: Linear, right: Linear) -> Linear {
    let state: [Linear; PAIR_WIDTH] = [Linear::default(), left, right];
    permute(builder, Parameters::of_pairs(), tag, state)
}

/// The first element of the permuted state. `capacity` is what the state's first element, the constant, is.
fn permute<const W: usize>(
    builder: &mut Builder,
    parameters: &Parameters<W>,
    capacity: Fr,
    mut state: [Linear; W],
) -> Linear {
    for (round, constants) in parameters.round_constants().iter().enumerate() {
        let full = parameters.is_full(round);
        for (index, (element, constant)) in state.iter_mut().zip(constants).enumerate() {
            if (round, index) == (0, 0) {
                // The first element starts as a constant, so its first S-box needs no constraint.
                let shifted = capacity + constant;
                *element = builder.constant(shifted.square().square() * shifted);
                continue;
            }
            let shifted = (&*element + &builder.constant(*constant)).compact();
            *element = if full || index == 0 { power_five(builder, &shifted) } else { shifted };
        }
        let mixed = array::from_fn(|index| match parameters.matrix().get(index) {
            Some(row) => Linear::sum(row.iter().copied().zip(&state)).compact(),
            None => Linear::default(),
        });
        state = mixed;
    }
    state.into_iter().next().unwrap_or_default()
}

fn power_five(builder: &mut Builder, x: &Linear) -> Linear {
    let square = builder.product(x, x);
    let fourth = builder.product(&square, &square);
    // x is on the B side already; this way round x⁴ stays off it, and off the costly points of G2.
    builder.product(&fourth, x)
}
