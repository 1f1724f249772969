//! Poseidon inside the circuit: three constraints for each S-box.

use ark_bn254::Fr;
use ark_ff::Field;
use curve::poseidon::Parameters;

use super::builder::{Builder, Linear};

/// [`curve::poseidon::hash`] of a variable: 213 constraints.
pub(super) fn hash(builder: &mut Builder, input: Linear) -> Linear {
    let parameters = Parameters::get();
    let [[m00, m01], [m10, m11]] = *parameters.matrix();
    let mut state = [Linear::default(), input];
    for (round, [c0, c1]) in parameters.round_constants().iter().enumerate() {
        let [a, b] = &state;
        let a = if round == 0 {
            // The first element starts as the constant zero, so its first S-box needs no constraint.
            builder.constant(c0.square().square() * c0)
        } else {
            let shifted = (a + &builder.constant(*c0)).compact();
            power_five(builder, &shifted)
        };
        let mut b = (b + &builder.constant(*c1)).compact();
        if Parameters::is_full(round) {
            b = power_five(builder, &b);
        }
        state = [mix(m00, &a, m01, &b), mix(m10, &a, m11, &b)];
    }
    let [output, _] = state;
    output
}

fn mix(m0: Fr, a: &Linear, m1: Fr, b: &Linear) -> Linear {
    Linear::sum([(m0, a), (m1, b)]).compact()
}

fn power_five(builder: &mut Builder, x: &Linear) -> Linear {
    let square = builder.product(x, x);
    let fourth = builder.product(&square, &square);
    // x is on the B side already; this way round x⁴ stays off it, and off the costly points of G2.
    builder.product(&fourth, x)
}
