//! Finding every assignment that satisfies a constraint system, from its matrices alone.
//!
//! The solver knows nothing of curves and hashes. It starts from the variables it is given and draws conclusions until
//! none is left, by these rules, each of which holds for every satisfying assignment:
//!
//! 1. A row with one unknown in which it occurs linearly, with a coefficient that is not zero at the values known,
//!    gives that unknown one value. Where the coefficient is a constant this holds for all values; where it is not, the
//!    row is counted as a *division*, and why its divisor is never zero has to be said elsewhere. A row with a factor
//!    that is known to be zero speaks of its third side alone.
//! 2. Some variables are zero or one by the form of their rows alone: b·(b − 1) = 0; b·(1 − e − b) = 0 and a·b = e for
//!    such variables; and z·w = 1 − e with z·e = 0.
//! 3. A row that adds up variables of rule 2 with different powers of two to a known value is followed for every
//!    integer the value may stand for: x, and x + p where that fits. The solver tries each of them to the end.
//!
//! What no rule reaches is *open*. A malicious prover chooses it, and so can a test, to see what follows.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};

use super::{Matrices, bits};

type Terms = Vec<(usize, Fr)>;

/// One constraint: a times b equals c.
pub(super) struct Row {
    pub(super) a: Terms,
    pub(super) b: Terms,
    pub(super) c: Terms,
}

impl Row {
    fn sides(&self) -> [&Terms; 3] {
        [&self.a, &self.b, &self.c]
    }

    fn variables(&self) -> Vec<usize> {
        let mut variables: Vec<usize> =
            self.sides().into_iter().flatten().map(|(variable, _)| *variable).filter(|v| *v != 0).collect();
        variables.sort_unstable();
        variables.dedup();
        variables
    }
}

/// A constraint system in a form that is convenient to reason about.
pub(super) struct System {
    pub(super) rows: Vec<Row>,
    pub(super) variables: usize,
    rows_of: Vec<Vec<usize>>,
    /// By row: how many variables it has.
    widths: Vec<usize>,
}

/// What is known of an assignment on the way.
#[derive(Clone)]
struct State {
    values: Vec<Option<Fr>>,
    /// By row: variables without a value.
    unknown: Vec<usize>,
    /// Rows with few unknowns that were not looked at since.
    due: Vec<usize>,
}

/// What the solver found.
#[derive(Default)]
pub(super) struct Outcome {
    /// Every assignment that satisfies all rows.
    pub(super) solutions: Vec<Vec<Fr>>,
    /// Variables that are zero or one by the form of their rows.
    pub(super) boolean: Vec<bool>,
    /// Variables without a value on the way that got furthest without a contradiction; empty if all have one.
    pub(super) open: Vec<usize>,
    /// Rows that gave a value by dividing by something that is no constant.
    pub(super) divisions: Vec<usize>,
    /// Rows whose one unknown dropped out at the values known: they hold whatever it is.
    pub(super) vacuous: Vec<usize>,
    /// The row that was found broken last.
    pub(super) contradiction: Option<usize>,
}

impl Outcome {
    /// Whether there is exactly one assignment.
    pub(super) fn is_unique(&self) -> bool {
        self.open.is_empty() && self.solutions.len() == 1
    }

    pub(super) fn is_impossible(&self) -> bool {
        self.open.is_empty() && self.solutions.is_empty()
    }
}

/// A value for a variable that nothing determines, or none to leave it open.
pub(super) type Choice<'a> = &'a mut dyn FnMut(usize) -> Option<Fr>;

impl System {
    pub(super) fn new(matrices: &Matrices) -> Self {
        let terms = |matrix: &super::SparseMatrix, row| {
            matrix.row(row).map(|(column, coefficient)| (column, *coefficient)).collect()
        };
        let rows: Vec<Row> = (0..matrices.constraints())
            .map(|row| Row {
                a: terms(&matrices.a, row),
                b: terms(&matrices.b, row),
                c: terms(&matrices.c, row),
            })
            .collect();
        let mut rows_of = vec![Vec::new(); matrices.variables];
        let mut widths = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let variables = row.variables();
            widths.push(variables.len());
            for variable in variables {
                rows_of[variable].push(index);
            }
        }
        Self { rows, variables: matrices.variables, rows_of, widths }
    }

    /// The rows a variable occurs in.
    pub(super) fn rows_of(&self, variable: usize) -> &[usize] {
        &self.rows_of[variable]
    }

    /// Whether an assignment satisfies a row.
    pub(super) fn holds(&self, row: usize, values: &[Fr]) -> bool {
        let [a, b, c] =
            self.rows[row].sides().map(|side| side.iter().map(|(v, k)| values[*v] * k).sum::<Fr>());
        a * b == c
    }

    /// Rule 2: the variables that are zero or one in every satisfying assignment. `without` are rows left out.
    pub(super) fn booleans(&self, without: &[usize]) -> Vec<bool> {
        let mut boolean = vec![false; self.variables];
        let one = |terms: &Terms| match terms[..] {
            [(variable, coefficient)] if coefficient == Fr::ONE && variable != 0 => Some(variable),
            _ => None,
        };
        let rows = || self.rows.iter().enumerate().filter(|(index, _)| !without.contains(index));
        loop {
            let mut progress = false;
            for (index, row) in rows() {
                let Some(factor) = one(&row.b) else { continue };
                let found = if row.c.is_empty() {
                    (!boolean[factor] && bounds_a_bit(&row.a, factor, &boolean))
                        .then_some(factor)
                        .or_else(|| self.says_whether_zero(&row.a, factor, index, without).then_some(factor))
                } else {
                    one(&row.a)
                        .zip(one(&row.c))
                        .filter(|(other, _)| boolean[factor] && boolean[*other])
                        .map(|(_, product)| product)
                };
                if let Some(variable) = found.filter(|variable| !boolean[*variable]) {
                    boolean[variable] = true;
                    progress = true;
                }
            }
            if !progress {
                return boolean;
            }
        }
    }

    /// Whether z·e = 0, at this row, has its fellow z·w = 1 − e in the row before.
    fn says_whether_zero(&self, z: &Terms, e: usize, index: usize, without: &[usize]) -> bool {
        let Some(before) = index.checked_sub(1).filter(|before| !without.contains(before)) else {
            return false;
        };
        let row = &self.rows[before];
        row.a == *z && row.b.len() == 1 && row.c == [(0, Fr::ONE), (e, -Fr::ONE)]
    }

    /// Finds all assignments that extend `known`.
    ///
    /// `without` leaves rows out. `hint` is an assignment that satisfies all rows, used only to save inversions:
    /// where a value is determined and the hint fits, it is the value.
    pub(super) fn solve(
        &self,
        known: &[Option<Fr>],
        without: &[usize],
        hint: &[Fr],
        choice: Choice<'_>,
    ) -> Outcome {
        let boolean = self.booleans(without);
        let mut outcome = Outcome { boolean: boolean.clone(), ..Outcome::default() };
        let mut state = State { values: vec![None; self.variables], unknown: Vec::new(), due: Vec::new() };
        state.unknown.clone_from(&self.widths);
        state.due = (0..self.rows.len()).filter(|row| state.unknown[*row] <= 2).collect();
        state.values[0] = Some(Fr::ONE);
        for (variable, value) in known.iter().enumerate().skip(1) {
            if let Some(value) = value {
                self.set(&mut state, variable, *value);
            }
        }
        let sums: Vec<usize> =
            (0..self.rows.len()).filter(|row| is_sum_of_bits(&self.rows[*row], &boolean)).collect();
        let mut ways = vec![state];
        while let Some(mut state) = ways.pop() {
            if let Err(row) = self.conclude(&mut state, without, &boolean, hint, &mut outcome) {
                outcome.contradiction = Some(row);
                continue;
            }
            let open: Vec<usize> =
                (1..self.variables).filter(|variable| state.values[*variable].is_none()).collect();
            if open.is_empty() {
                outcome.solutions.push(state.values.into_iter().flatten().collect());
                continue;
            }
            let ready = |row: &&usize| !without.contains(*row) && self.is_ready(&state, **row, &boolean);
            if let Some(row) = sums.iter().find(ready) {
                for claim in self.readings(&state, *row) {
                    let mut way = state.clone();
                    for (variable, value) in claim {
                        self.set(&mut way, variable, value);
                    }
                    ways.push(way);
                }
            } else if let Some((variable, value)) = open.iter().find_map(|v| Some((*v, choice(*v)?))) {
                self.set(&mut state, variable, value);
                ways.push(state);
            } else {
                outcome.open = open;
                return outcome;
            }
        }
        outcome
    }

    fn set(&self, state: &mut State, variable: usize, value: Fr) {
        if state.values[variable].replace(value).is_some() {
            return;
        }
        for row in &self.rows_of[variable] {
            state.unknown[*row] -= 1;
            if state.unknown[*row] <= 2 {
                state.due.push(*row);
            }
        }
    }

    /// Applies rule 1 until nothing follows; fails with a row that cannot hold.
    fn conclude(
        &self,
        state: &mut State,
        without: &[usize],
        boolean: &[bool],
        hint: &[Fr],
        outcome: &mut Outcome,
    ) -> Result<(), usize> {
        while let Some(index) = state.due.pop() {
            if without.contains(&index) {
                continue;
            }
            let row = &self.rows[index];
            if state.unknown[index] > 1 {
                // A factor that is zero leaves the other one out of the row.
                let zero = |side: &Terms| {
                    let value: Option<Fr> = side.iter().map(|(v, k)| Some(state.values[*v]? * k)).sum();
                    value == Some(Fr::ZERO)
                };
                if (zero(&row.a) || zero(&row.b))
                    && let [(0, constant), (variable, coefficient)] = row.c[..]
                    && state.values[variable].is_none()
                {
                    self.set(state, variable, -constant * coefficient.inverse().unwrap_or_default());
                }
                continue;
            }
            let mut unknown = None;
            // Each side as constant + slope·unknown.
            let [(a, a1), (b, b1), (c, c1)] = row.sides().map(|side| {
                let (mut sum, mut slope) = (Fr::ZERO, Fr::ZERO);
                for (variable, coefficient) in side {
                    match state.values[*variable] {
                        Some(value) => sum += value * coefficient,
                        None => {
                            unknown = Some(*variable);
                            slope += coefficient;
                        }
                    }
                }
                (sum, slope)
            });
            let Some(variable) = unknown else {
                if a * b != c {
                    return Err(index);
                }
                continue;
            };
            let (square, slope, constant) = (a1 * b1, a * b1 + a1 * b - c1, a * b - c);
            if square != Fr::ZERO {
                // Two roots. Which it is, another row says; but a bit may have one of its values excluded.
                let fits = [Fr::ZERO, Fr::ONE].map(|x| (square * x + slope) * x + constant == Fr::ZERO);
                match fits {
                    [false, false] if boolean[variable] => return Err(index),
                    [true, false] if boolean[variable] => self.set(state, variable, Fr::ZERO),
                    [false, true] if boolean[variable] => self.set(state, variable, Fr::ONE),
                    _ => {}
                }
                continue;
            }
            if slope == Fr::ZERO {
                if constant != Fr::ZERO {
                    return Err(index);
                }
                outcome.vacuous.push(index);
                continue;
            }
            let is_constant = |side: &Terms| side.iter().all(|(variable, _)| *variable == 0);
            // A bit's divisor is made of bits, whose values are followed one by one.
            let divides =
                (b1 != Fr::ZERO && !is_constant(&row.a)) || (a1 != Fr::ZERO && !is_constant(&row.b));
            if divides && !boolean[variable] {
                outcome.divisions.push(index);
            }
            let hint = hint.get(variable).copied().unwrap_or_default();
            let value = if hint * slope == -constant {
                hint
            } else {
                -constant * slope.inverse().unwrap_or_default()
            };
            self.set(state, variable, value);
        }
        Ok(())
    }

    /// Whether all that is missing in a sum of bits is bits.
    fn is_ready(&self, state: &State, row: usize, boolean: &[bool]) -> bool {
        let row = &self.rows[row];
        let has = |terms: &Terms| terms.iter().all(|(variable, _)| state.values[*variable].is_some());
        has(&row.b)
            && has(&row.c)
            && !has(&row.a)
            && row.a.iter().all(|(variable, _)| boolean[*variable] || state.values[*variable].is_some())
    }

    /// Rule 3: the values of the missing bits, for each integer the sum may stand for.
    fn readings(&self, state: &State, row: usize) -> Vec<Vec<(usize, Fr)>> {
        let row = &self.rows[row];
        let sum = |terms: &Terms| -> Fr {
            terms.iter().filter_map(|(variable, k)| state.values[*variable].map(|value| value * k)).sum()
        };
        let missing: Vec<(usize, u32)> = row
            .a
            .iter()
            .filter(|(variable, _)| state.values[*variable].is_none())
            .map(|(variable, coefficient)| (*variable, coefficient.into_bigint().num_bits() - 1))
            .collect();
        let mut integer = (sum(&row.c) - sum(&row.a)).into_bigint();
        let mut readings = Vec::new();
        loop {
            let claim: Vec<(usize, Fr)> = missing
                .iter()
                .map(|(variable, power)| (*variable, Fr::from(bits::bit(&integer, *power as usize))))
                .collect();
            let ones = claim.iter().filter(|(_, value)| *value == Fr::ONE).count();
            let all: u32 = integer.0.iter().map(|limb| limb.count_ones()).sum();
            if ones == all as usize {
                readings.push(claim);
            }
            if integer.add_with_carry(&Fr::MODULUS) || integer.num_bits() > Fr::MODULUS_BIT_SIZE {
                return readings;
            }
        }
    }
}

/// Whether `side` is, up to sign, 1 − factor or 1 − factor − bound with a bound that is zero or one.
fn bounds_a_bit(side: &Terms, factor: usize, boolean: &[bool]) -> bool {
    let sign = match side.first() {
        Some((0, coefficient)) if *coefficient == Fr::ONE || *coefficient == -Fr::ONE => *coefficient,
        _ => return false,
    };
    let rest: Vec<usize> = side[1..]
        .iter()
        .filter(|(_, coefficient)| *coefficient == -sign)
        .map(|(variable, _)| *variable)
        .collect();
    rest.len() == side.len() - 1
        && rest.contains(&factor)
        && rest.len() <= 2
        && rest.iter().all(|variable| *variable == factor || boolean[*variable])
}

/// Whether a row adds up at least two bits with different powers of two, and nothing else of unknown size.
fn is_sum_of_bits(row: &Row, boolean: &[bool]) -> bool {
    if row.a.len() < 2 || row.b != [(0, Fr::ONE)] {
        return false;
    }
    let mut powers: Vec<u32> = Vec::new();
    for (variable, coefficient) in &row.a {
        let integer = coefficient.into_bigint();
        let ones: u32 = integer.0.iter().map(|limb| limb.count_ones()).sum();
        if !boolean[*variable] || ones != 1 {
            return false;
        }
        powers.push(integer.num_bits());
    }
    powers.sort_unstable();
    powers.dedup();
    powers.len() == row.a.len()
}
