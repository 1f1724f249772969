//! The two scalar multiplications of a level: k·G and the u-coordinate of k·S.

use std::sync::OnceLock;

use ark_bn254::Fr;
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field, batch_inversion};
use curve::{
    EdwardsAffine, EdwardsProjective,
    digits::{self, Digit, GeneratorWindows, STEPS},
};
use zeroize::Zeroizing;

use super::{
    bits::Bit,
    builder::{Builder, Linear},
    montgomery::{self, PointVar, StepHint},
};
use crate::{statement::Coordinates, table::LevelTable};

/// The three bits of a step.
struct Step<'a> {
    sign: &'a Bit,
    low: &'a Bit,
    high: &'a Bit,
}

impl Step<'_> {
    fn index(&self) -> usize {
        usize::from(self.low.value) | usize::from(self.high.value) << 1
    }

    fn digit(&self) -> Digit {
        Digit { positive: self.sign.value, index: u8::from(self.low.value) | u8::from(self.high.value) << 1 }
    }

    /// The Montgomery coordinates of this step's point.
    fn select(&self, table: &[Coordinates; 4]) -> Coordinates {
        let (u, v) = table.get(self.index()).copied().unwrap_or_default();
        (u, if self.sign.value { v } else { -v })
    }
}

/// The steps of a bit string in the order of the walk, the most significant first.
fn steps(bits: &[Bit]) -> impl DoubleEndedIterator<Item = Step<'_>> + ExactSizeIterator {
    let (signs, rest) = bits.split_at(STEPS.min(bits.len()));
    let (lows, highs) = rest.split_at(STEPS.min(rest.len()));
    signs.iter().zip(lows).zip(highs).map(|((sign, low), high)| Step { sign, low, high }).rev()
}

/// Demands key = k·G: five constraints a step. Fails if the key is another point.
pub(super) fn fixed_base(builder: &mut Builder, bits: &[Bit], key: &PointVar) -> Result<(), ()> {
    let windows = MontgomeryWindows::get();
    let walk: Vec<_> = steps(bits).zip(windows.windows.iter().rev()).collect();
    let addends: Zeroizing<Vec<Coordinates>> =
        Zeroizing::new(walk.iter().map(|(step, window)| step.select(window)).collect());
    let sums = fixed_base_sums(bits);
    if sums.last() != Some(&(key.u.value(), key.v.value())) {
        return Err(());
    }
    let mut slopes: Zeroizing<Vec<Fr>> =
        Zeroizing::new(sums.iter().zip(addends.iter()).map(|(sum, addend)| addend.0 - sum.0).collect());
    batch_inversion(&mut slopes);
    for (slope, (sum, addend)) in slopes.iter_mut().zip(sums.iter().zip(addends.iter())) {
        *slope *= addend.1 - sum.1;
    }

    let mut accumulator = PointVar::constant(builder, windows.start);
    let last = walk.len().saturating_sub(1);
    for (position, ((step, window), slope)) in walk.iter().zip(slopes.iter()).enumerate() {
        let addend = select_constant(builder, step, window);
        let sum = match sums.get(position + 1) {
            Some(sum) if position != last => PointVar::allocate(builder, *sum),
            _ => key.clone(),
        };
        montgomery::enforce_sum(builder, &accumulator, &addend, *slope, &sum);
        accumulator = sum;
    }
    Ok(())
}

/// The accumulator before each step and after the last.
fn fixed_base_sums(bits: &[Bit]) -> Zeroizing<Vec<Coordinates>> {
    let windows = GeneratorWindows::get();
    let mut points = Zeroizing::new(Vec::with_capacity(STEPS + 1));
    let mut sum = windows.start().into_group();
    points.push(sum);
    for (step, window) in steps(bits).zip(windows.windows().iter().rev()) {
        let point = window.get(step.index()).copied().unwrap_or_else(EdwardsAffine::zero);
        sum += if step.sign.value { point } else { -point };
        points.push(sum);
    }
    Zeroizing::new(digits::to_montgomery(&points))
}

/// One of four constant points and its sign: two constraints, since u and |v| are linear in m, m′ and m·m′.
fn select_constant(builder: &mut Builder, step: &Step<'_>, window: &[Coordinates; 4]) -> PointVar {
    let both = builder.product(&step.low.linear, &step.high.linear);
    let one = builder.constant(Fr::ONE);
    let select = |t: [Fr; 4]| {
        let [t0, t1, t2, t3] = t;
        let parts = [(t0, &one), (t1 - t0, &step.low.linear), (t2 - t0, &step.high.linear)];
        Linear::sum(parts.into_iter().chain([(t3 - t1 - t2 + t0, &both)]))
    };
    let u = select(window.map(|point| point.0));
    let unsigned = select(window.map(|point| point.1));
    let sign = step.sign.sign(builder);
    PointVar { u, v: builder.product(&unsigned, &sign) }
}

/// The u-coordinate of k·S, from the table of S: ten constraints a step and eight more. `None` for a degenerate table.
pub(super) fn variable_base(
    builder: &mut Builder,
    bits: &[Bit],
    variables: &[PointVar; 4],
    table: &LevelTable,
) -> Option<Linear> {
    let walk: Vec<_> = steps(bits).collect();
    let (start, hints) = variable_base_hints(&walk, table);
    let [all_minus, .., all_plus] = variables;
    let [(u0, v0), .., (u3, v3)] = table.coordinates;
    // 2·S is the sum of the entries that differ in every sign.
    let mut accumulator = PointVar::allocate(builder, start);
    let slope = (v0 - v3) * (u0 - u3).inverse()?;
    montgomery::enforce_sum(builder, all_plus, all_minus, slope, &accumulator);

    let selector_u = Selector::new(builder, variables.each_ref().map(|point| &point.u))?;
    let selector_v = Selector::new(builder, variables.each_ref().map(|point| &point.v))?;
    let addend = |builder: &mut Builder, step: &Step<'_>| {
        let u = selector_u.select(builder, step);
        let unsigned = selector_v.select(builder, step);
        let sign = step.sign.sign(builder);
        PointVar { u, v: builder.product(&unsigned, &sign) }
    };
    let (last, others) = walk.split_last()?;
    let (last_hint, other_hints) = hints.split_last()?;
    for (step, hint) in others.iter().zip(other_hints) {
        let q = addend(builder, step);
        accumulator = montgomery::double_add(builder, &accumulator, &q, hint);
    }
    // Only u of the result is hashed, so the last step leaves out v.
    let q = addend(builder, last);
    Some(montgomery::double_add_u(builder, &accumulator, &q, last_hint).0)
}

/// Chooses one of four values by two bits with two constraints a choice.
///
/// t(m, m′) = c₀ + c₁·m + c₂·m′ + c₃·m·m′ = (c₃·m′ + c₁)·(m + e) + (c₀ − c₁·e) with e = c₂/c₃. The three constraints
/// spent once also demand c₃ ≠ 0; it vanishes for no sibling anybody can find.
struct Selector {
    c1: Linear,
    c3: Linear,
    e: Linear,
    rest: Linear,
}

impl Selector {
    fn new(builder: &mut Builder, [t0, t1, t2, t3]: [&Linear; 4]) -> Option<Self> {
        let (c1, c2) = (t1 - t0, t2 - t0);
        let c3 = &(t3 - t1) - &c2;
        let inverse = builder.allocate(c3.value().inverse()?);
        let one = builder.constant(Fr::ONE);
        builder.enforce(&c3, &inverse, &one);
        let e = builder.product(&c2, &inverse);
        let product = builder.product(&c1, &e);
        Some(Self { c1, c3, e, rest: t0 - &product })
    }

    fn select(&self, builder: &mut Builder, step: &Step<'_>) -> Linear {
        let scaled = builder.product(&self.c3, &step.high.linear);
        let product = builder.product(&(&scaled + &self.c1), &(&step.low.linear + &self.e));
        &product + &self.rest
    }
}

/// 2·S and what each step needs, with two inversions for all of them.
fn variable_base_hints(walk: &[Step<'_>], table: &LevelTable) -> (Coordinates, Vec<StepHint>) {
    let mut points: Zeroizing<Vec<EdwardsProjective>> =
        Zeroizing::new(Vec::with_capacity(2 * walk.len() + 1));
    let mut accumulator = table.table.doubled_base();
    points.push(accumulator);
    for step in walk {
        let between = accumulator + step.digit().select(table.table.points());
        accumulator += between;
        points.extend([between, accumulator]);
    }
    let coordinates = Zeroizing::new(digits::to_montgomery(&points));
    let start = coordinates.first().copied().unwrap_or_default();
    let triples: Vec<_> = coordinates
        .windows(3)
        .step_by(2)
        .zip(walk)
        .filter_map(|(window, step)| match window {
            [p, between, result] => Some((*p, step.select(&table.coordinates), *between, *result)),
            _ => None,
        })
        .collect();
    let mut inverses: Zeroizing<Vec<Fr>> =
        Zeroizing::new(triples.iter().flat_map(|(p, q, between, _)| [p.0 - q.0, p.0 - between.0]).collect());
    batch_inversion(&mut inverses);
    let (pairs, _) = inverses.as_chunks::<2>();
    let hints = triples
        .iter()
        .zip(pairs)
        .map(|((p, q, between, result), inverses)| {
            let (first, second) = montgomery::step_slopes(*p, *q, *inverses);
            StepHint { first, between: between.0, second, result: *result }
        })
        .collect();
    (start, hints)
}

/// [`GeneratorWindows`] in Montgomery coordinates.
struct MontgomeryWindows {
    start: Coordinates,
    windows: Vec<[Coordinates; 4]>,
}

impl MontgomeryWindows {
    fn get() -> &'static Self {
        static WINDOWS: OnceLock<MontgomeryWindows> = OnceLock::new();
        WINDOWS.get_or_init(|| {
            let edwards = GeneratorWindows::get();
            let points: Vec<_> = core::iter::once(edwards.start())
                .chain(edwards.windows().iter().flatten())
                .map(|p| p.into_group())
                .collect();
            let coordinates = digits::to_montgomery(&points);
            let start = coordinates.first().copied().unwrap_or((Fr::ZERO, Fr::ZERO));
            let (windows, _) = coordinates.get(1..).unwrap_or_default().as_chunks::<4>();
            Self { start, windows: windows.to_vec() }
        })
    }
}
