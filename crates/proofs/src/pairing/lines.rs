//! The lines of the Miller loop.

use ark_bn254::{Config, Fq, Fq2, G2Affine, g2};
use ark_ec::{AffineRepr, bn::BnConfig, short_weierstrass::SWCurveConfig};
use ark_ff::Field;

use super::{
    Evaluation, digits,
    limbs::{add2, double2, sub2, triple2},
    tower::LineValue,
    wide::{invert_all, mul2, norm, square2},
};
use crate::parallel;

/// Lines of a loop: one for each doubling, one for each digit that is not zero, two for the Frobenius images.
const STEPS: usize = {
    let digits = Config::ATE_LOOP_COUNT;
    let mut steps = digits.len() + 1;
    let mut rest = digits.split_at(digits.len() - 1).0;
    while let [digit, others @ ..] = rest {
        steps += (*digit != 0) as usize;
        rest = others;
    }
    steps
};

/// Fewer points than this go through the loop in projective coordinates, one after the other.
///
/// In lock-step every line has an inversion to share, which costs as much as thirty multiplications in Fq2; projective
/// coordinates cost about six more for each line and need one inversion for all.
const LOCK_STEP_FROM: usize = 16;

/// A line y − λ·x + (λ·x₀ − y₀) through points (x₀, y₀) of the twist.
#[derive(Clone, Copy)]
pub(super) struct Line {
    slope: Fq2,
    constant: Fq2,
}

impl Line {
    /// Its value, divided by the coordinate y of the point of G1.
    #[inline(always)]
    pub(super) fn evaluate(&self, at: &Evaluation) -> LineValue {
        LineValue {
            w: Fq2::new(self.slope.c0 * at.slope, self.slope.c1 * at.slope),
            w3: Fq2::new(self.constant.c0 * at.constant, self.constant.c1 * at.constant),
        }
    }
}

/// Everything about a point of G2 that pairing it with any point of G1 needs; about 11 kB.
///
/// The point must be of order r, or the identity. Then no step of the loop meets the exceptions of the addition
/// formulas: multiples of the point occur as kQ with 2 ≤ k < r − 1 before Q or −Q is added, and the last two additions
/// have operands of different multiplicity as well.
#[derive(Clone)]
pub(crate) struct Lines {
    /// Empty for the identity.
    lines: Vec<Line>,
}

impl Lines {
    /// The lines of one point.
    pub(crate) fn of(point: &G2Affine) -> Self {
        projective(core::slice::from_ref(point)).pop().unwrap_or(Self { lines: Vec::new() })
    }

    /// The lines of many points, cheaper together. In a pool each thread takes a share.
    pub(crate) fn batch(points: &[G2Affine]) -> Vec<Self> {
        parallel::map_shares(points, LOCK_STEP_FROM, Self::share).into_iter().flatten().collect()
    }

    fn share(points: &[G2Affine]) -> Vec<Self> {
        if points.len() < LOCK_STEP_FROM { projective(points) } else { lock_step(points) }
    }

    pub(super) const fn is_identity(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn at(&self, step: usize) -> Option<&Line> {
        self.lines.get(step)
    }
}

#[derive(Clone, Copy)]
struct Xy {
    x: Fq2,
    y: Fq2,
}

impl Xy {
    const fn of(point: &G2Affine) -> Self {
        Self { x: point.x, y: point.y }
    }

    fn negated(self) -> Self {
        Self { x: self.x, y: -self.y }
    }

    /// The p-power Frobenius, taken through the twist.
    fn frobenius(self) -> Self {
        let conjugate = |value: Fq2| Fq2::new(value.c0, -value.c1);
        Self {
            x: mul2(&conjugate(self.x), &Config::TWIST_MUL_BY_Q_X),
            y: mul2(&conjugate(self.y), &Config::TWIST_MUL_BY_Q_Y),
        }
    }

    /// What is added for each digit that is not zero, and at the end.
    fn addends(self) -> Addends {
        let image = self.frobenius();
        Addends { plus: self, minus: self.negated(), last: [image, image.frobenius().negated()] }
    }
}

struct Addends {
    plus: Xy,
    minus: Xy,
    last: [Xy; 2],
}

impl Addends {
    const fn of_digit(&self, digit: i8) -> &Xy {
        if digit > 0 { &self.plus } else { &self.minus }
    }
}

/// A point on its way through the loop in affine coordinates.
struct Walk<'a> {
    at: Xy,
    addends: Addends,
    lines: &'a mut Vec<Line>,
}

/// All points at once, each step with one inversion.
fn lock_step(points: &[G2Affine]) -> Vec<Lines> {
    let mut results: Vec<Lines> = points
        .iter()
        .map(|point| Lines { lines: Vec::with_capacity(if point.is_zero() { 0 } else { STEPS }) })
        .collect();
    let mut walks: Vec<Walk<'_>> = points
        .iter()
        .zip(&mut results)
        .filter(|(point, _)| !point.is_zero())
        .map(|(point, result)| {
            let at = Xy::of(point);
            Walk { at, addends: at.addends(), lines: &mut result.lines }
        })
        .collect();
    let mut inverses = Vec::with_capacity(walks.len());
    for digit in digits() {
        double(&mut walks, &mut inverses);
        if digit != 0 {
            add(&mut walks, &mut inverses, |addends| addends.of_digit(digit));
        }
    }
    for last in 0..2 {
        add(&mut walks, &mut inverses, |addends| if last == 0 { &addends.last[0] } else { &addends.last[1] });
    }
    results
}

fn double(walks: &mut [Walk<'_>], inverses: &mut Vec<Fq2>) {
    inverses.clear();
    inverses.extend(walks.iter().map(|walk| double2(&walk.at.y)));
    invert_all2(inverses);
    for (walk, inverse) in walks.iter_mut().zip(inverses) {
        let slope = mul2(&triple2(&square2(&walk.at.x)), inverse);
        let x = walk.at.x;
        step(walk, slope, x, &Xy { x, y: walk.at.y });
    }
}

fn add(walks: &mut [Walk<'_>], inverses: &mut Vec<Fq2>, addend: impl Fn(&Addends) -> &Xy) {
    inverses.clear();
    inverses.extend(walks.iter().map(|walk| sub2(&walk.at.x, &addend(&walk.addends).x)));
    invert_all2(inverses);
    for (walk, inverse) in walks.iter_mut().zip(inverses) {
        let through = *addend(&walk.addends);
        let slope = mul2(&sub2(&walk.at.y, &through.y), inverse);
        let x = walk.at.x;
        step(walk, slope, x, &through);
    }
}

/// Notes the line of a slope through a point, and goes on to the negative of its third intersection.
#[inline]
fn step(walk: &mut Walk<'_>, slope: Fq2, x: Fq2, through: &Xy) {
    let constant = sub2(&mul2(&slope, &through.x), &through.y);
    walk.lines.push(Line { slope, constant });
    let x = sub2(&sub2(&square2(&slope), &x), &through.x);
    walk.at = Xy { x, y: sub2(&constant, &mul2(&slope, &x)) };
}

/// Homogeneous coordinates, as in Aranha et al. (eprint 2010/526, section 4) and scaled to have no halves.
struct Homogeneous {
    x: Fq2,
    y: Fq2,
    z: Fq2,
}

/// A line's two coefficients before they are divided by the third.
struct Fraction {
    slope: Fq2,
    constant: Fq2,
}

impl Homogeneous {
    /// Doubles, and gives the tangent's fraction and denominator.
    fn double(&mut self) -> (Fraction, Fq2) {
        let (xx, yy) = (square2(&self.x), square2(&self.y));
        let e = triple2(&mul2(&g2::Config::COEFF_B, &square2(&self.z)));
        let f = triple2(&e);
        let denominator = double2(&mul2(&self.y, &self.z));
        let line = Fraction { slope: triple2(&xx), constant: sub2(&yy, &e) };
        self.x = mul2(&double2(&mul2(&self.x, &self.y)), &sub2(&yy, &f));
        self.y = sub2(&square2(&add2(&yy, &f)), &triple2(&square2(&double2(&e))));
        self.z = mul2(&double2(&double2(&yy)), &denominator);
        (line, denominator)
    }

    /// Adds a point, and gives the fraction and denominator of the line through both.
    fn add(&mut self, q: &Xy) -> (Fraction, Fq2) {
        let theta = sub2(&self.y, &mul2(&q.y, &self.z));
        let denominator = sub2(&self.x, &mul2(&q.x, &self.z));
        let constant = sub2(&mul2(&theta, &q.x), &mul2(&denominator, &q.y));
        let line = Fraction { slope: theta, constant };
        let d = square2(&denominator);
        let e = mul2(&denominator, &d);
        let g = mul2(&self.x, &d);
        let h = sub2(&add2(&e, &mul2(&self.z, &square2(&theta))), &double2(&g));
        self.x = mul2(&denominator, &h);
        self.y = sub2(&mul2(&theta, &sub2(&g, &h)), &mul2(&e, &self.y));
        self.z = mul2(&self.z, &e);
        (line, denominator)
    }
}

/// One point after the other, and one inversion for all lines.
fn projective(points: &[G2Affine]) -> Vec<Lines> {
    let mut fractions = Vec::with_capacity(points.len() * STEPS);
    let mut inverses = Vec::with_capacity(points.len() * STEPS);
    for point in points.iter().filter(|point| !point.is_zero()) {
        let start = Xy::of(point);
        let addends = start.addends();
        let mut at = Homogeneous { x: start.x, y: start.y, z: Fq2::ONE };
        let mut push = |(line, denominator)| {
            fractions.push(line);
            inverses.push(denominator);
        };
        for digit in digits() {
            push(at.double());
            if digit != 0 {
                push(at.add(addends.of_digit(digit)));
            }
        }
        for last in &addends.last {
            push(at.add(last));
        }
    }
    invert_all2(&mut inverses);
    let mut lines = fractions.iter().zip(&inverses).map(|(line, inverse)| Line {
        slope: mul2(&line.slope, inverse),
        constant: mul2(&line.constant, inverse),
    });
    let steps = |point: &G2Affine| if point.is_zero() { 0 } else { STEPS };
    points.iter().map(|point| Lines { lines: lines.by_ref().take(steps(point)).collect() }).collect()
}

/// Inverts all non-zero elements with one inversion; zeros stay. An inverse is the conjugate over the norm.
fn invert_all2(values: &mut [Fq2]) {
    let mut norms: Vec<Fq> = values.iter().map(norm).collect();
    invert_all(&mut norms);
    for (value, norm) in values.iter_mut().zip(norms) {
        *value = Fq2::new(value.c0 * norm, -(value.c1 * norm));
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::Fr;
    use ark_ec::CurveGroup;
    use ark_ff::UniformRand;

    use super::*;

    #[test]
    fn both_ways_through_the_loop_give_the_same_lines() {
        let mut rng = ark_std::test_rng();
        let mut points: Vec<G2Affine> =
            (0..5).map(|_| (G2Affine::generator() * Fr::rand(&mut rng)).into_affine()).collect();
        points.insert(2, G2Affine::identity());
        for (left, right) in lock_step(&points).iter().zip(projective(&points)) {
            assert!([0, STEPS].contains(&left.lines.len()));
            assert_eq!(left.lines.len(), right.lines.len());
            for (left, right) in left.lines.iter().zip(&right.lines) {
                assert_eq!((left.slope, left.constant), (right.slope, right.constant));
            }
        }
    }
}
