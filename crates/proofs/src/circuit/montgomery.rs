//! Incomplete additions on B·v² = u³ + A·u² + u.
//!
//! Each gadget assumes that its operands do not meet: different u, nothing at infinity. The digit encoding guarantees
//! that for all bits and all bases of prime order, so no constraint checks it.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, MontFp};

use super::builder::{Builder, Linear};
use crate::statement::Coordinates;

/// The curve's A.
const A: Fr = MontFp!("168698");
/// The curve's B.
const B: Fr = MontFp!("168700");

/// A point's coordinates as linear combinations.
#[derive(Clone)]
pub(super) struct PointVar {
    pub(super) u: Linear,
    pub(super) v: Linear,
}

impl PointVar {
    pub(super) fn allocate(builder: &mut Builder, (u, v): Coordinates) -> Self {
        Self { u: builder.allocate(u), v: builder.allocate(v) }
    }

    pub(super) fn constant(builder: &Builder, (u, v): Coordinates) -> Self {
        Self { u: builder.constant(u), v: builder.constant(v) }
    }
}

/// Demands sum = p + q, with the slope as the only new variable: three constraints.
pub(super) fn enforce_sum(builder: &mut Builder, p: &PointVar, q: &PointVar, slope: Fr, sum: &PointVar) {
    let slope = builder.allocate(slope);
    // Slopes stay on the B side, so that the other sides, and the keys made from them, need fewer variables.
    builder.enforce(&(&q.u - &p.u), &slope, &(&q.v - &p.v));
    enforce_square(builder, &slope, [&sum.u, &p.u, &q.u]);
    builder.enforce(&(&p.u - &sum.u), &slope, &(&sum.v + &p.v));
}

/// What a prover computes outside the circuit for one double-and-add step.
pub(super) struct StepHint {
    /// Slope through P and Q.
    pub(super) first: Fr,
    /// u of P + Q.
    pub(super) between: Fr,
    /// Slope through P and P + Q.
    pub(super) second: Fr,
    /// 2·P + Q.
    pub(super) result: Coordinates,
}

/// 2·P + Q as (P + Q) + P, without the v-coordinate in between: five constraints.
pub(super) fn double_add(builder: &mut Builder, p: &PointVar, q: &PointVar, hint: &StepHint) -> PointVar {
    let (u, second) = double_add_u(builder, p, q, hint);
    let v = builder.allocate(hint.result.1);
    builder.enforce(&(&p.u - &u), &second, &(&v + &p.v));
    PointVar { u, v }
}

/// The u-coordinate of 2·P + Q and the second slope: four constraints.
pub(super) fn double_add_u(
    builder: &mut Builder,
    p: &PointVar,
    q: &PointVar,
    hint: &StepHint,
) -> (Linear, Linear) {
    let first = builder.allocate(hint.first);
    let between = builder.allocate(hint.between);
    let second = builder.allocate(hint.second);
    let u = builder.allocate(hint.result.0);
    builder.enforce(&(&p.u - &q.u), &first, &(&p.v - &q.v));
    enforce_square(builder, &first, [&between, &p.u, &q.u]);
    // v of P + Q is first·(u_P − between) − v_P; put into the second slope's equation it disappears.
    builder.enforce(&(&p.u - &between), &(&first + &second), &(&p.v + &p.v));
    enforce_square(builder, &second, [&u, &p.u, &between]);
    (u, second)
}

/// B·slope² = A + the three u-coordinates on the line.
fn enforce_square(builder: &mut Builder, slope: &Linear, [x, y, z]: [&Linear; 3]) {
    let sum = &(&(x + y) + z) + &builder.constant(A);
    builder.enforce(&(slope * B), slope, &sum);
}

/// The slopes of P + Q and then (P + Q) + P, from their coordinates and inverted differences.
pub(super) fn step_slopes(p: Coordinates, q: Coordinates, inverses: [Fr; 2]) -> (Fr, Fr) {
    let [to_q, to_between] = inverses;
    let first = (p.1 - q.1) * to_q;
    (first, p.1.double() * to_between - first)
}
