//! Nothing in the circuit is left to the prover but the leaf's secret.
//!
//! Three ways to look at the same question, from the matrices alone: the solver completes the public siblings and a
//! secret to exactly one assignment, keys included; the Jacobian at an honest assignment has full column rank; no single
//! variable can be changed. Each is run on whole circuits, and on circuits with a constraint taken away, to show that it
//! would notice.

use std::collections::BTreeMap;

use super::{
    solver::{Outcome, System},
    *,
};
use crate::{
    admin::{AdminSecret, AdminStatement, AdminTree},
    tier::Tier,
};

/// A circuit with an honest assignment, and which of its variables are given.
pub(super) struct Case {
    pub(super) system: System,
    pub(super) matrices: Matrices,
    pub(super) values: Vec<Fr>,
    levels: usize,
}

impl Case {
    pub(super) fn new(statement: &Expanded, secret: &TreeSecret) -> Self {
        let (matrices, values) = record(statement, secret);
        let system = System::new(&matrices);
        Self { system, matrices, values, levels: statement.tables.len() }
    }

    /// A bare path of so many levels.
    pub(super) fn bare(levels: u64, seed: u8) -> Self {
        let secret = TreeSecret::generate(&mut rng(seed));
        let siblings: Vec<Point> = (0..levels).map(|n| point((2 * n + 23).into())).collect();
        Self::new(&bare(&secret, &siblings), &secret)
    }

    /// A full path of a tier, sign level included.
    fn tier(tier: Tier, seed: u8) -> Self {
        let mut rng = rng(seed);
        let secret = TreeSecret::generate(&mut rng);
        let siblings: Vec<Point> =
            (0..tier.dh_levels()).map(|_| TreeSecret::generate(&mut rng).public()).collect();
        let (mut current, mut keys) = (secret.clone(), vec![secret.public()]);
        for sibling in siblings.iter().chain([&Point::sign_base()]) {
            current = current.dh(sibling).derive();
            keys.push(current.public());
        }
        let statement = Statement::new(FrameDigest::new([3; 32]), keys, siblings).unwrap();
        Self::new(&statement.expand(LevelTable::batch(statement.siblings())), &secret)
    }

    /// The variables of the keys.
    pub(super) fn keys(&self) -> core::ops::Range<usize> {
        2..2 + 2 * (self.levels + 1)
    }

    /// The variables of the leaf secret's bits, behind the one that copies the digest.
    pub(super) fn secret_bits(&self) -> core::ops::Range<usize> {
        let first = self.matrices.inputs + 1;
        first..first + SECRET_BITS
    }

    /// Digest, tables and the leaf's secret; not the keys, which are what all that leads to.
    pub(super) fn given(&self) -> Vec<Option<Fr>> {
        let mut known = vec![None; self.matrices.variables];
        for variable in
            (1..self.matrices.inputs).filter(|v| !self.keys().contains(v)).chain(self.secret_bits())
        {
            known[variable] = Some(self.values[variable]);
        }
        known
    }

    pub(super) fn solve(&self, known: &[Option<Fr>], without: &[usize]) -> Outcome {
        self.system.solve(known, without, &self.values, &mut |_| None)
    }

    /// Whether the solver is satisfied with the circuit, or with what is left of it.
    fn is_determined(&self, without: &[usize]) -> bool {
        let outcome = self.solve(&self.given(), without);
        outcome.is_unique() && self.secret_bits().all(|variable| outcome.boolean[variable])
    }

    /// The rows of the Jacobian at the honest assignment, without the columns of digest and tables.
    fn jacobian(&self, without: &[usize]) -> Vec<BTreeMap<usize, Fr>> {
        let given = |v: &usize| *v < self.matrices.inputs && !self.keys().contains(v);
        (0..self.matrices.constraints())
            .filter(|row| !without.contains(row))
            .map(|row| gradient(&self.matrices, row, &self.values))
            .map(|row| row.into_iter().filter(|(v, slope)| !given(v) && *slope != Fr::ZERO).collect())
            .collect()
    }

    fn unknowns(&self) -> usize {
        self.matrices.variables - self.matrices.inputs + self.keys().len()
    }
}

/// The rank of a sparse matrix: rows with a single entry are struck out with their column as long as there are any, and
/// what remains is eliminated as usual.
fn rank(mut rows: Vec<BTreeMap<usize, Fr>>) -> usize {
    let mut rows_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        for column in row.keys() {
            rows_of.entry(*column).or_default().push(index);
        }
    }
    let mut rank = 0;
    let mut single: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].len() == 1).collect();
    while let Some(row) = single.pop() {
        let Some((column, _)) = rows[row].pop_first() else { continue };
        rank += 1;
        for other in &rows_of[&column] {
            if rows[*other].remove(&column).is_some() && rows[*other].len() == 1 {
                single.push(*other);
            }
        }
    }
    let mut pivots: BTreeMap<usize, BTreeMap<usize, Fr>> = BTreeMap::new();
    for mut row in rows {
        while let Some((column, value)) = row.first_key_value().map(|(c, v)| (*c, *v)) {
            let Some(pivot) = pivots.get(&column) else {
                let inverse = value.inverse().unwrap();
                pivots.insert(column, row.into_iter().map(|(c, v)| (c, v * inverse)).collect());
                rank += 1;
                break;
            };
            for (column, slope) in pivot {
                let entry = row.entry(*column).or_default();
                *entry -= value * slope;
                if *entry == Fr::ZERO {
                    row.remove(column);
                }
            }
        }
    }
    rank
}

/// Siblings and secret leave one assignment, which therefore is the honest one. Counts what this rests on.
#[test]
fn every_circuit_is_a_function_of_siblings_and_secret() {
    for tier in Tier::ALL {
        let case = Case::tier(tier, 20);
        let outcome = case.solve(&case.given(), &[]);
        assert!(outcome.is_unique(), "{tier}: {:?} {:?}", outcome.open, outcome.contradiction);
        assert!(outcome.solutions[0] == case.values);
        assert!(case.system.booleans(&[])[case.secret_bits().start..].iter().filter(|b| **b).count() > 249);
        // Slopes, whose divisors are differences of u-coordinates; the selectors' inverses, whose rows say that their
        // divisors are not zero; and three times a level the inverse of a number of zeros, which is in no other row.
        let mut divisions = outcome.divisions;
        divisions.sort_unstable();
        divisions.dedup();
        let levels = tier.levels();
        assert_eq!(divisions.len(), 83 * (levels + 1) + (2 * 83 + 1 + 2 + 3) * levels);
        let inverses = divisions.iter().filter(|row| case.system.rows[**row].c == [(0, Fr::ONE)]).count();
        assert_eq!(inverses, 2 * levels);
    }
}

/// The row that demands e = 0 of a decomposition: its sides are one variable, one and nothing.
fn comparisons(system: &System) -> Vec<usize> {
    let one = |terms: &[(usize, Fr)]| matches!(terms, [(variable, _)] if *variable != 0);
    (0..system.rows.len())
        .filter(|row| {
            let row = &system.rows[*row];
            one(&row.a) && row.b == [(0, Fr::ONE)] && row.c.is_empty()
        })
        .collect()
}

/// The solver misses every constraint that is taken away, but for one it cannot miss here: that a hash does not have the
/// leading bits of p. Integers with those bits that are below p are spelt right, and the others stand for elements below
/// 2^190, which nobody finds a preimage of. The decomposition alone, below, is asked with such an element.
#[test]
fn the_solver_notices_any_missing_constraint() {
    let case = Case::bare(1, 3);
    assert!(case.is_determined(&[]));
    let unnoticed: Vec<usize> =
        (0..case.matrices.constraints()).filter(|row| case.is_determined(&[*row])).collect();
    assert_eq!(unnoticed, comparisons(&case.system));
    assert_eq!(unnoticed.len(), 1);
}

/// All assignments of a decomposition of an element.
fn decompositions(element: Fr, without: &[usize], choice: Option<Fr>) -> (System, Outcome) {
    let mut builder = Builder::recording();
    let variable = builder.allocate(element);
    let integer = element.into_bigint();
    bits::decompose_as(&mut builder, &variable, |index| bits::bit(&integer, index));
    let (matrices, values) = builder.into_matrices();
    let system = System::new(&matrices);
    let mut known = vec![None; matrices.variables];
    known[1] = Some(element);
    let outcome = system.solve(&known, without, &values, &mut |_| choice);
    (system, outcome)
}

#[test]
fn a_decomposition_misses_any_of_its_constraints() {
    // x + p has the leading bits of p, so that all of the comparison is needed to tell the two apart.
    let element = Fr::from(5u64);
    let (system, outcome) = decompositions(element, &[], None);
    assert!(outcome.is_unique());
    for row in 0..system.rows.len() {
        let (_, outcome) = decompositions(element, &[row], None);
        assert!(!outcome.is_unique(), "row {row}");
    }
    let [comparison] = comparisons(&system)[..] else { panic!("one comparison") };
    let (_, outcome) = decompositions(element, &[comparison], Some(Fr::ZERO));
    assert_eq!(outcome.solutions.len(), 2, "x and x + p");
}

/// One value is free, and harmless: where a run of ones equals p's, "the number of zeros is zero" has no inverse to
/// show, and the variable for it is in no other row.
#[test]
fn what_is_open_in_a_decomposition_is_in_no_other_row() {
    let lowest = FIELD_BITS - 64;
    let mut prefix = Fr::MODULUS;
    for index in 0..lowest {
        prefix.0[index / 64] &= !(1 << (index % 64));
    }
    prefix.sub_with_borrow(&ark_ff::BigInt::from(1u64));
    let (system, outcome) = decompositions(Fr::from_bigint(prefix).unwrap(), &[], None);
    assert!(!outcome.open.is_empty(), "the element was chosen for this");
    for variable in &outcome.open {
        assert_eq!(system.rows_of(*variable).len(), 1);
        assert!(outcome.vacuous.contains(&system.rows_of(*variable)[0]));
    }
}

/// A secret that is not the one behind the public keys leads to a contradiction, whichever bit of it is wrong.
#[test]
fn no_other_secret_fits_the_keys() {
    let case = Case::bare(0, 4);
    let mut known = case.given();
    for variable in case.keys() {
        known[variable] = Some(case.values[variable]);
    }
    assert!(case.solve(&known, &[]).is_unique());
    for variable in case.secret_bits() {
        let mut other = known.clone();
        other[variable] = Some(Fr::ONE - case.values[variable]);
        assert!(case.solve(&other, &[]).is_impossible(), "variable {variable}");
    }
    // Nor do any of some hundred others, drawn at random.
    let mut rng = rng(5);
    for _ in 0..200 {
        let secret = TreeSecret::generate(&mut rng);
        let mut other = known.clone();
        for (index, variable) in case.secret_bits().enumerate() {
            other[variable] = Some(Fr::from(secret.bit(index)));
        }
        assert!(case.solve(&other, &[]).is_impossible());
    }
}

/// Without a secret the solver gets nowhere: what is open is all that comes from it.
#[test]
fn the_secret_is_what_a_prover_chooses() {
    let case = Case::bare(1, 6);
    let mut known = case.given();
    for variable in case.secret_bits() {
        known[variable] = None;
    }
    let outcome = case.solve(&known, &[]);
    let closed: Vec<usize> =
        (1..case.matrices.variables).filter(|variable| !outcome.open.contains(variable)).collect();
    // Inputs without the keys, the digest's copy, what is computed from the table alone, and that a hash is smaller
    // than p.
    assert!(case.secret_bits().all(|variable| outcome.open.contains(&variable)));
    assert_eq!(closed.len(), case.matrices.inputs - 1 - case.keys().len() + 1 + 3 + 2 * 3 + 1);
}

#[test]
fn the_jacobian_has_full_column_rank() {
    for tier in Tier::ALL {
        let case = Case::tier(tier, 21);
        assert_eq!(rank(case.jacobian(&[])), case.unknowns(), "{tier}");
    }
}

/// The Jacobian sees no choice between two values. With the choice of all bits given, and the rows that speak of bits
/// alone or add them up set aside, there are as many rows as variables and the matrix is invertible: none is too many.
#[test]
fn with_the_bits_given_the_jacobian_is_square_and_invertible() {
    for tier in Tier::ALL {
        let case = Case::tier(tier, 24);
        let boolean = case.system.booleans(&[]);
        let mut rows = case.jacobian(&[]);
        for (row, terms) in rows.iter_mut().zip(&case.system.rows) {
            row.retain(|variable, _| !boolean[*variable] && terms.a.len() != FIELD_BITS);
        }
        rows.retain(|row| !row.is_empty());
        let bits = boolean.iter().filter(|bit| **bit).count();
        assert_eq!((rows.len(), rank(rows)), (case.unknowns() - bits, case.unknowns() - bits), "{tier}");
    }
}

/// Every variable of a whole tier, with the neighbouring values, the negative and a random one.
#[test]
fn no_single_variable_of_a_tier_can_be_changed_alone() {
    let mut case = Case::tier(Tier::T8, 22);
    assert_eq!(case.matrices.first_broken(&case.values), None);
    let random = TreeSecret::generate(&mut rng(23)).to_bytes();
    for variable in 1..case.matrices.variables {
        let original = case.values[variable];
        for delta in [Fr::ONE, -Fr::ONE, -original.double(), Fr::from_le_bytes_mod_order(&random[..])] {
            if delta == Fr::ZERO {
                continue;
            }
            case.values[variable] = original + delta;
            let rows = case.system.rows_of(variable);
            assert!(rows.iter().any(|row| !case.system.holds(*row, &case.values)), "variable {variable}");
        }
        case.values[variable] = original;
    }
}

/// The admin circuit, and an assignment of the third of five admins.
fn admin() -> (Matrices, Vec<Fr>) {
    let mut rng = rng(30);
    let secrets: Vec<_> = (0..5).map(|_| AdminSecret::generate(&mut rng)).collect();
    let commitments: Vec<_> = secrets.iter().map(AdminSecret::commitment).collect();
    let tree = AdminTree::new(&commitments).unwrap();
    let statement = AdminStatement::new(FrameDigest::new([9; 32]), tree.root()).unwrap();
    let mut builder = Builder::recording();
    admin::synthesize(&mut builder, &statement, &secrets[2], &tree.path(2).unwrap()).unwrap();
    let (matrices, values) = builder.into_matrices();
    (matrices, values.to_vec())
}

/// The admin circuit is a function of secret, salt, index and siblings; it misses every constraint taken away: those of
/// the leaf's hash, of the first level and of the end, and every seventh between them, which repeat the first level's.
#[test]
fn the_admin_circuit_is_a_function_of_opening_and_path() {
    let (matrices, values) = admin();
    let system = System::new(&matrices);
    // The digest; its copy is the first private variable, secret and salt are the next two.
    let (digest, root, copy) = (1, 2, matrices.inputs);
    let mut known = vec![None; matrices.variables];
    let index: Vec<usize> = (0..system.rows.len())
        .filter(|row| system.rows[*row].c.is_empty())
        .map(|row| system.rows[row].b[0].0)
        .collect();
    assert_eq!(index.len(), 10);
    // Each level allocates its index bit and then the sibling.
    let siblings = index.iter().map(|bit| bit + 1);
    for variable in [digest, copy + 1, copy + 2].into_iter().chain(index.iter().copied()).chain(siblings) {
        known[variable] = Some(values[variable]);
    }
    let is_determined = |without: &[usize]| {
        let outcome = system.solve(&known, without, &values, &mut |_| None);
        assert!(outcome.divisions.is_empty(), "no lemma is needed");
        outcome.is_unique() && index.iter().all(|bit| outcome.boolean[*bit])
    };
    assert!(is_determined(&[]));
    let rows = system.rows.len();
    let tried = (0..rows).filter(|row| *row < 490 || *row % 7 == 0 || *row > rows - 10);
    let unnoticed: Vec<usize> = tried.filter(|row| is_determined(&[*row])).collect();
    assert_eq!(unnoticed, []);
    known[root] = Some(values[root] + Fr::ONE);
    assert!(system.solve(&known, &[], &values, &mut |_| None).is_impossible());
}
