//! Linear combinations, constraints, and the matrices they become.

use core::ops::{Add, Mul, Sub};

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use zeroize::Zeroizing;

/// A linear combination of variables together with its value. Without recording it is the value alone.
#[derive(Clone, Default)]
pub(crate) struct Linear {
    value: Fr,
    terms: Vec<(u32, Fr)>,
}

impl Linear {
    pub(crate) const fn value(&self) -> Fr {
        self.value
    }

    /// Adds up terms of one variable and drops those that cancel.
    pub(crate) fn compact(mut self) -> Self {
        // Mostly two or three sorted runs, which the stable sort merges.
        self.terms.sort_by_key(|(variable, _)| *variable);
        self.terms.dedup_by(|(variable, coefficient), (kept, sum)| {
            let same = variable == kept;
            if same {
                *sum += &*coefficient;
            }
            same
        });
        self.terms.retain(|(_, coefficient)| *coefficient != Fr::ZERO);
        self
    }

    /// Σ coefficient·part, without the quadratic cost of repeated addition.
    pub(crate) fn sum<'a>(parts: impl IntoIterator<Item = (Fr, &'a Self)>) -> Self {
        let mut sum = Self::default();
        for (coefficient, part) in parts {
            sum.value += coefficient * part.value;
            sum.terms.extend(part.terms.iter().map(|(variable, own)| (*variable, coefficient * own)));
        }
        sum
    }
}

impl Add for &Linear {
    type Output = Linear;

    fn add(self, other: Self) -> Linear {
        let mut terms = Vec::with_capacity(self.terms.len() + other.terms.len());
        terms.extend_from_slice(&self.terms);
        terms.extend_from_slice(&other.terms);
        Linear { value: self.value + other.value, terms }
    }
}

impl Sub for &Linear {
    type Output = Linear;

    fn sub(self, other: Self) -> Linear {
        let mut terms = Vec::with_capacity(self.terms.len() + other.terms.len());
        terms.extend_from_slice(&self.terms);
        terms.extend(other.terms.iter().map(|(variable, coefficient)| (*variable, -*coefficient)));
        Linear { value: self.value - other.value, terms }
    }
}

impl Mul<Fr> for &Linear {
    type Output = Linear;

    fn mul(self, factor: Fr) -> Linear {
        let terms =
            self.terms.iter().map(|(variable, coefficient)| (*variable, *coefficient * factor)).collect();
        Linear { value: self.value * factor, terms }
    }
}

/// Collects an assignment and, when recording, the constraints it has to satisfy.
pub(crate) struct Builder {
    values: Zeroizing<Vec<Fr>>,
    inputs: usize,
    matrices: Option<Matrices>,
}

impl Builder {
    /// A builder that only computes an assignment.
    pub(crate) fn for_witness(capacity: usize) -> Self {
        Self::new(None, capacity)
    }

    /// A builder that also records the constraints.
    pub(crate) fn recording() -> Self {
        Self::new(Some(Matrices::default()), 0)
    }

    fn new(matrices: Option<Matrices>, capacity: usize) -> Self {
        // With the capacity right, the vector never moves and leaves no unwiped copy behind.
        let mut values = Vec::with_capacity(capacity);
        values.push(Fr::ONE);
        Self { values: Zeroizing::new(values), inputs: 0, matrices }
    }

    /// A new variable.
    pub(crate) fn allocate(&mut self, value: Fr) -> Linear {
        let variable = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(value);
        Linear { value, terms: self.terms(variable, Fr::ONE) }
    }

    /// The variables so far, and the constant one, are the public ones.
    pub(crate) fn end_of_inputs(&mut self) {
        self.inputs = self.values.len();
    }

    pub(crate) fn constant(&self, value: Fr) -> Linear {
        Linear { value, terms: self.terms(0, value) }
    }

    fn terms(&self, variable: u32, coefficient: Fr) -> Vec<(u32, Fr)> {
        if self.matrices.is_some() { vec![(variable, coefficient)] } else { Vec::new() }
    }

    /// Demands a·b = c.
    pub(crate) fn enforce(&mut self, a: &Linear, b: &Linear, c: &Linear) {
        if let Some(matrices) = &mut self.matrices {
            matrices.a.push_row(a);
            matrices.b.push_row(b);
            matrices.c.push_row(c);
        }
    }

    /// A new variable that is demanded to be a·b.
    pub(crate) fn product(&mut self, a: &Linear, b: &Linear) -> Linear {
        let product = self.allocate(a.value * b.value);
        self.enforce(a, b, &product);
        product
    }

    /// The assignment: the constant one, the public variables, the others.
    pub(crate) fn into_values(self) -> Zeroizing<Vec<Fr>> {
        self.values
    }

    /// The recorded constraints, and the assignment they were recorded with.
    pub(crate) fn into_matrices(self) -> (Matrices, Zeroizing<Vec<Fr>>) {
        let mut matrices = self.matrices.unwrap_or_default();
        matrices.inputs = self.inputs;
        matrices.variables = self.values.len();
        (matrices, self.values)
    }
}

/// A rank-1 constraint system: for each row, (A·z)·(B·z) = C·z.
#[derive(Default, Clone)]
pub(crate) struct Matrices {
    pub(crate) a: SparseMatrix,
    pub(crate) b: SparseMatrix,
    pub(crate) c: SparseMatrix,
    /// Public variables, the constant one included.
    pub(crate) inputs: usize,
    /// All variables.
    pub(crate) variables: usize,
}

impl Matrices {
    /// Number of constraints.
    pub(crate) fn constraints(&self) -> usize {
        self.a.rows()
    }

    /// The first constraint an assignment breaks.
    #[cfg(test)]
    pub(crate) fn first_broken(&self, values: &[Fr]) -> Option<usize> {
        (0..self.constraints()).find(|row| {
            self.a.row_times(*row, values) * self.b.row_times(*row, values) != self.c.row_times(*row, values)
        })
    }
}

/// A matrix by rows.
#[derive(Clone)]
pub(crate) struct SparseMatrix {
    /// Row i is entries[ends[i]..ends[i + 1]].
    ends: Vec<u32>,
    columns: Vec<u32>,
    coefficients: Vec<Fr>,
}

impl Default for SparseMatrix {
    fn default() -> Self {
        Self { ends: vec![0], columns: Vec::new(), coefficients: Vec::new() }
    }
}

impl SparseMatrix {
    fn push_row(&mut self, row: &Linear) {
        // Most rows come in order; sorting a copy of the others is what laying down a circuit would else spend on all.
        let ordered = row.terms.is_sorted_by(|(left, _), (right, _)| left < right);
        let compacted = (!ordered).then(|| row.clone().compact());
        for (variable, coefficient) in &compacted.as_ref().unwrap_or(row).terms {
            if *coefficient != Fr::ZERO {
                self.columns.push(*variable);
                self.coefficients.push(*coefficient);
            }
        }
        self.ends.push(u32::try_from(self.columns.len()).unwrap_or(u32::MAX));
    }

    pub(crate) fn rows(&self) -> usize {
        self.ends.len() - 1
    }

    /// The (column, coefficient) pairs of a row.
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = (usize, &Fr)> {
        let bound = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let range = bound(row)..bound(row + 1);
        let columns = self.columns.get(range.clone()).unwrap_or_default();
        let coefficients = self.coefficients.get(range).unwrap_or_default();
        columns.iter().map(|column| *column as usize).zip(coefficients)
    }

    /// A row times an assignment.
    pub(crate) fn row_times(&self, row: usize, values: &[Fr]) -> Fr {
        let mut sum = Fr::ZERO;
        for (column, coefficient) in self.row(row) {
            let value = values.get(column).copied().unwrap_or_default();
            sum += if *coefficient == Fr::ONE { value } else { value * coefficient };
        }
        sum
    }

    /// Marks the columns with an entry.
    pub(crate) fn mark_used(&self, used: &mut [bool]) {
        for column in &self.columns {
            if let Some(mark) = used.get_mut(*column as usize) {
                *mark = true;
            }
        }
    }
}
