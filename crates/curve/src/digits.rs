//! The signed-digit scalar encoding shared by native code and circuit.
//!
//! A secret is 249 bits, read as three slices s, m, m′ of 83 bits each. With σ(0) = −1 and σ(1) = +1 it stands for
//!
//! ```text
//! k = 2^84 + Σ_j σ(s_j) · (1 + σ(m_j)·2^83 + σ(m′_j)·2^166) · 2^j        j = 0 … 82
//! ```
//!
//! Three properties carry the soundness of the circuit:
//!
//! - **odd**: every factor 1 ± 2^83 ± 2^166 is odd, so the term j = 0 is odd and all others are even; k is never zero.
//! - **no wrap-around**: |k| < 2^249 + 2^167 while the group order exceeds 2^250, so distinct integers in this range
//!   are distinct scalars.
//! - **injective**: k − 2^84 = A + 2^83·B + 2^166·C with odd A, B, C below 2^83 in absolute value. A is fixed by the
//!   residue modulo 2^84 (two odd candidates differ by 2^83, and only one leaves B odd), then B, then C alike; and 83
//!   signs name each odd integer below 2^83 exactly once.
//!
//! The constant 2^84 is what an accumulator starts from: 2·S doubled 83 times for a variable base S, and 2^84·G for the
//! fixed base. Horner's rule then needs 83 steps of "double and add one of eight points", where the eight points are
//! plus or minus the four entries of a [`DigitTable`].

use std::sync::OnceLock;

use ark_ec::{AffineRepr, CurveGroup};
use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fq, Fr};
use ark_ff::{AdditiveGroup, Field, batch_inversion};

use crate::constant_time::{Select, choice, negate_if, select_of_four};

/// Steps of the scalar walk, and bits in each of the three slices.
pub const STEPS: usize = 83;

/// Bits in a secret.
pub const SECRET_BITS: usize = 3 * STEPS;

/// The digit of one step: the sign, and which of a table's four points.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digit {
    /// True for plus.
    pub positive: bool,
    /// Bit 0 is m (the sign of 2^83), bit 1 is m′ (the sign of 2^166).
    pub index: u8,
}

impl core::fmt::Debug for Digit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Digit(..)")
    }
}

impl Digit {
    /// The digit that step `j` of the walk adds; steps count from the least significant.
    #[must_use]
    pub fn at(bits: &impl Fn(usize) -> bool, j: usize) -> Self {
        let index = u8::from(bits(STEPS + j)) | (u8::from(bits(2 * STEPS + j)) << 1);
        Self { positive: bits(j), index }
    }

    /// The point this digit selects from a table. Reads all four, whichever it is.
    pub fn select(self, table: &[EdwardsProjective; 4]) -> EdwardsProjective {
        self.choose(table)
    }

    fn choose<T: Select>(self, table: &[T; 4]) -> T {
        let [low, high] = [1, 2].map(|bit| choice(self.index & bit != 0));
        select_of_four(table, low, high).negate_if(choice(!self.positive))
    }
}

/// The four points S ± 2^83·S ± 2^166·S of a variable base S.
///
/// Entry `i` takes plus for 2^83·S iff bit 0 of `i` is set, and plus for 2^166·S iff bit 1 is. None of them is the
/// identity when S is of prime order: their multipliers are odd and below the group order.
#[derive(Clone, Debug)]
pub struct DigitTable {
    points: [EdwardsProjective; 4],
}

impl DigitTable {
    /// Computes the table of a base: 166 doublings and 4 additions.
    #[must_use]
    pub fn new(base: &EdwardsAffine) -> Self {
        let base = base.into_group();
        let low = double_times(base, STEPS);
        let high = double_times(low, STEPS);
        Self { points: combine(base, low, high) }
    }

    /// The four points, indexed as [`Digit::index`].
    pub const fn points(&self) -> &[EdwardsProjective; 4] {
        &self.points
    }

    /// k·S by the same walk the circuit makes: start at 2·S, 83 times double and add.
    ///
    /// The sequence of group operations does not depend on the bits.
    pub fn multiply(&self, bits: &impl Fn(usize) -> bool) -> EdwardsProjective {
        let mut accumulator = self.doubled_base();
        for j in (0..STEPS).rev() {
            accumulator.double_in_place();
            accumulator += Digit::at(bits, j).select(&self.points);
        }
        accumulator
    }

    /// 2·S, recovered as the sum of the two entries that differ in every sign.
    pub fn doubled_base(&self) -> EdwardsProjective {
        let [all_minus, .., all_plus] = self.points;
        all_plus + all_minus
    }
}

/// The fixed-base windows of the generator: for each step j the four points 2^j·(G ± 2^83·G ± 2^166·G).
#[derive(Debug)]
pub struct GeneratorWindows {
    start: EdwardsAffine,
    windows: Vec<[EdwardsAffine; 4]>,
}

impl GeneratorWindows {
    /// The table, computed once per process.
    #[must_use]
    pub fn get() -> &'static Self {
        static WINDOWS: OnceLock<GeneratorWindows> = OnceLock::new();
        WINDOWS.get_or_init(Self::compute)
    }

    fn compute() -> Self {
        let generator = EdwardsProjective::from(EdwardsAffine::generator());
        let low = double_times(generator, STEPS);
        let start = low.double().into_affine();
        let mut window = combine(generator, low, double_times(low, STEPS));
        let mut points = Vec::with_capacity(4 * STEPS);
        for _ in 0..STEPS {
            points.extend_from_slice(&window);
            for point in &mut window {
                point.double_in_place();
            }
        }
        let windows = EdwardsProjective::normalize_batch(&points)
            .chunks_exact(4)
            .filter_map(|chunk| <[EdwardsAffine; 4]>::try_from(chunk).ok())
            .collect();
        Self { start, windows }
    }

    /// 2^84·G, where the walk starts.
    pub const fn start(&self) -> &EdwardsAffine {
        &self.start
    }

    /// One window per step, [`STEPS`] of them, the least significant first.
    pub fn windows(&self) -> &[[EdwardsAffine; 4]] {
        &self.windows
    }

    /// k·G: 83 mixed additions, the same for all bits.
    pub fn multiply(&self, bits: &impl Fn(usize) -> bool) -> EdwardsProjective {
        let mut accumulator = self.start.into_group();
        for (j, window) in self.windows.iter().enumerate().rev() {
            accumulator += Digit::at(bits, j).choose(window);
        }
        accumulator
    }
}

/// The scalar a bit string stands for, modulo the group order.
#[must_use]
pub fn scalar(bits: &impl Fn(usize) -> bool) -> Fr {
    let two = Fr::from(2u64);
    let low = two.pow([STEPS as u64]);
    let high = low.square();
    let signed = |positive: bool, value: Fr| negate_if(&value, choice(!positive));
    let mut k = two;
    for j in (0..STEPS).rev() {
        k.double_in_place();
        let term = Fr::ONE + signed(bits(STEPS + j), low) + signed(bits(2 * STEPS + j), high);
        k += signed(bits(j), term);
    }
    k
}

/// Montgomery coordinates (u, v) of Edwards points, one inversion for all of them.
///
/// u = (1 + y)/(1 − y) and v = u/x on 168700·v² = u³ + 168698·u² + u. Points with x = 0 (the identity and the point of
/// order two, neither of which is in the prime-order subgroup but the former) come out as (0, 0), which is no subgroup
/// point's image.
#[must_use]
pub fn to_montgomery(points: &[EdwardsProjective]) -> Vec<(Fq, Fq)> {
    let mut inverses: Vec<Fq> = points.iter().map(|p| (p.z - p.y) * p.x).collect();
    batch_inversion(&mut inverses);
    points
        .iter()
        .zip(&inverses)
        .map(|(p, inverse)| {
            let scaled = (p.z + p.y) * inverse;
            (scaled * p.x, scaled * p.z)
        })
        .collect()
}

fn double_times(mut point: EdwardsProjective, times: usize) -> EdwardsProjective {
    for _ in 0..times {
        point.double_in_place();
    }
    point
}

fn combine(
    base: EdwardsProjective,
    low: EdwardsProjective,
    high: EdwardsProjective,
) -> [EdwardsProjective; 4] {
    let (minus, plus) = (base - low, base + low);
    [minus - high, plus - high, minus + high, plus + high]
}
