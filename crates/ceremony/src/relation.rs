//! A circuit's constraints.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

/// A sparse row: variables and their coefficients.
pub type Row = Vec<(u32, Fr)>;

/// Why rows are no relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelationError {
    /// A row names a variable there is not.
    #[error("row {0} names an unknown variable")]
    UnknownVariable(usize),
    /// More public variables than variables, or sizes beyond 2^20.
    #[error("sizes are inconsistent or too large")]
    Sizes,
}

/// Most rows and variables a relation may have.
const MOST: usize = 1 << 20;

/// A rank-1 constraint system: for each row (A·z)·(B·z) = C·z.
///
/// Variable 0 is the constant one, then come the public inputs, then the private variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    public: usize,
    variables: usize,
    rows: Vec<[Row; 3]>,
}

impl Relation {
    /// Constraints over so many public inputs (the constant one not counted) and variables in all.
    ///
    /// # Errors
    /// [`RelationError`].
    pub fn new(public: usize, variables: usize, rows: Vec<[Row; 3]>) -> Result<Self, RelationError> {
        if public >= variables || variables > MOST || rows.len() > MOST {
            return Err(RelationError::Sizes);
        }
        let known = |row: &Row| row.iter().all(|(variable, _)| (*variable as usize) < variables);
        match rows.iter().position(|row| !row.iter().all(known)) {
            Some(position) => Err(RelationError::UnknownVariable(position)),
            None => Ok(Self { public, variables, rows }),
        }
    }

    /// Public inputs, the constant one not counted.
    #[must_use]
    pub const fn public(&self) -> usize {
        self.public
    }

    /// All variables, the constant one included.
    #[must_use]
    pub const fn variables(&self) -> usize {
        self.variables
    }

    /// The rows, each as A, B and C.
    #[must_use]
    pub fn rows(&self) -> &[[Row; 3]] {
        &self.rows
    }

    /// Size of the evaluation domain: the smallest power of two above the rows and the public inputs together.
    #[must_use]
    pub const fn domain(&self) -> usize {
        (self.rows.len() + self.public + 1).next_power_of_two()
    }

    /// The first row an assignment breaks.
    #[must_use]
    pub fn first_broken(&self, assignment: &[Fr]) -> Option<usize> {
        let value = |row: &Row| {
            row.iter().fold(Fr::ZERO, |sum, (variable, coefficient)| {
                sum + assignment.get(*variable as usize).copied().unwrap_or_default() * coefficient
            })
        };
        self.rows.iter().position(|[a, b, c]| value(a) * value(b) != value(c))
    }

    /// The matrices A and B with the rows that bind the public inputs: (is it B, row, variable, coefficient), in the
    /// order in which a key lists them.
    pub(crate) fn coefficients(&self) -> impl Iterator<Item = (bool, usize, u32, Fr)> {
        let rows = self.rows.iter().enumerate().flat_map(|(number, [a, b, _])| {
            let entries = move |is_b: bool, row: &'_ Row| {
                row.iter().map(move |(variable, value)| (is_b, number, *variable, *value)).collect::<Vec<_>>()
            };
            entries(false, a).into_iter().chain(entries(true, b))
        });
        let inputs = (0_u32..).take(self.public + 1).zip(self.rows.len()..);
        rows.chain(inputs.map(|(variable, row)| (false, row, variable, Fr::ONE)))
    }
}
