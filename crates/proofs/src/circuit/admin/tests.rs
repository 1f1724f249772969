use std::collections::BTreeMap;

use ark_ff::{AdditiveGroup, PrimeField};
use chacha20::ChaCha20Rng;
use protocol::{AdminRoot, FrameDigest};
use rand_core::{Rng, SeedableRng};

use super::{
    super::{Matrices, kdf},
    *,
};
use crate::admin::{ADMIN_LEVELS, AdminTree, node};

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

struct Scene {
    secrets: Vec<AdminSecret>,
    tree: AdminTree,
    statement: AdminStatement,
}

fn scene(seed: u8, admins: usize) -> Scene {
    let mut rng = rng(seed);
    let secrets: Vec<_> = (0..admins).map(|_| AdminSecret::generate(&mut rng)).collect();
    let commitments: Vec<_> = secrets.iter().map(AdminSecret::commitment).collect();
    let tree = AdminTree::new(&commitments).unwrap();
    let statement = AdminStatement::new(FrameDigest::new([9; 32]), tree.root()).unwrap();
    Scene { secrets, tree, statement }
}

impl Scene {
    fn path(&self, position: usize) -> AdminPath {
        self.tree.path(position).unwrap()
    }

    /// The constraints, and what an admin assigns to the variables.
    fn record(&self, position: usize) -> (Matrices, Vec<Fr>) {
        let mut builder = Builder::recording();
        synthesize(&mut builder, &self.statement, &self.secrets[position], &self.path(position)).unwrap();
        let (matrices, values) = builder.into_matrices();
        (matrices, values.to_vec())
    }

    /// What the circuit says to a witness, honest or not, for this scene's statement.
    fn accepts(&self, secret: &AdminSecret, path: &AdminPath) -> bool {
        let mut builder = Builder::recording();
        let outcome = synthesize(&mut builder, &self.statement, secret, path);
        let (matrices, values) = builder.into_matrices();
        let holds = matrices.first_broken(&values).is_none();
        assert_eq!(outcome.is_ok(), holds, "the error and the constraints say the same");
        holds
    }
}

#[test]
fn the_circuit_has_the_documented_size() {
    let (matrices, _) = scene(1, 1).record(0);
    assert_eq!(matrices.constraints(), 1 + 11 * 240 + 10 * 2 + 1);
    assert_eq!(matrices.inputs, 3);
    assert!(matrices.constraints() + matrices.inputs <= 1 << 12);
}

#[test]
fn the_hash_inside_is_the_hash_outside() {
    let mut builder = Builder::recording();
    let [left, right] = [5u64, 7].map(|value| builder.allocate(Fr::from(value)));
    let hash = kdf::hash_pair(&mut builder, Fr::from(3u64), left, right);
    let expected = curve::poseidon::hash_pair(Fr::from(3u64), Fr::from(5u64), Fr::from(7u64));
    assert_eq!(hash.value(), expected);
    let (matrices, values) = builder.into_matrices();
    assert_eq!((matrices.constraints(), matrices.first_broken(&values)), (240, None));
}

#[test]
fn every_admin_has_a_witness_and_all_the_same_circuit() {
    let scene = scene(2, 5);
    let (matrices, _) = scene.record(0);
    for position in 0..5 {
        let (of_this, values) = scene.record(position);
        assert_eq!(matrices.first_broken(&values), None, "admin {position}");
        assert_eq!((of_this.constraints(), of_this.variables), (matrices.constraints(), matrices.variables));
        for row in 0..matrices.constraints() {
            for (this, that) in
                [(&of_this.a, &matrices.a), (&of_this.b, &matrices.b), (&of_this.c, &matrices.c)]
            {
                assert!(this.row(row).eq(that.row(row)), "row {row} knows the admin");
            }
        }
    }
}

#[test]
fn recording_and_witness_modes_assign_alike() {
    let scene = scene(3, 3);
    let mut witness = Builder::for_witness(0);
    synthesize(&mut witness, &scene.statement, &scene.secrets[2], &scene.path(2)).unwrap();
    let (matrices, values) = scene.record(2);
    assert_eq!(*witness.into_values(), values);
    assert_eq!(values[1..matrices.inputs], scene.statement.inputs());
}

#[test]
fn a_wrong_secret_path_or_root_is_refused() {
    let scene = scene(4, 4);
    let stranger = AdminSecret::generate(&mut rng(5));
    assert!(scene.accepts(&scene.secrets[1], &scene.path(1)));
    assert!(!scene.accepts(&stranger, &scene.path(1)));
    // Somebody else's place, which differs in the index bits, the siblings or both.
    for position in [0, 2, 3] {
        assert!(!scene.accepts(&scene.secrets[1], &scene.path(position)), "{position}");
    }
    // The right halves in the wrong order.
    let swapped = AdminSecret { secret: scene.secrets[1].salt, salt: scene.secrets[1].secret };
    assert!(!scene.accepts(&swapped, &scene.path(1)));
    // The root of the same admins and one more.
    let commitments: Vec<_> = scene.secrets.iter().chain([&stranger]).map(AdminSecret::commitment).collect();
    let other = AdminTree::new(&commitments).unwrap();
    assert!(!scene.accepts(&scene.secrets[1], &other.path(1).unwrap()));
    assert!(!scene.accepts(&stranger, &other.path(4).unwrap()));
}

#[test]
fn padding_cannot_be_opened_with_a_node_or_a_leaf() {
    let scene = scene(6, 1);
    // A node is a hash of two elements like a leaf; only the tag keeps a path from stopping one level short.
    let below = AdminSecret { secret: scene.secrets[0].leaf(), salt: Labels::get().padding };
    let first_node = node(below.secret, below.salt);
    assert_ne!(below.leaf(), first_node, "leaf and node hash apart");
    assert!(!scene.accepts(&below, &scene.path(0)));
    let padding = AdminSecret { secret: Labels::get().padding, salt: Fr::ZERO };
    assert!(!scene.accepts(&padding, &scene.path(0)));
}

#[test]
fn a_statement_needs_a_root() {
    let digest = FrameDigest::new([1; 32]);
    let new = |root| AdminStatement::new(digest, AdminRoot::new(root));
    assert!(new([0; 32]).is_err());
    assert!(new([0xff; 32]).is_err());
    assert!(new([1; 32]).is_ok());
}

/// The digest stands in no other constraint than its own, and a witness for one digest is none for another.
#[test]
fn the_digest_is_bound_by_its_own_constraint() {
    let (matrices, mut values) = scene(7, 2).record(1);
    values[1] += Fr::ONE;
    assert_eq!(matrices.first_broken(&values), Some(0));
}

#[test]
fn index_bits_must_be_bits() {
    let (matrices, values) = scene(8, 6).record(5);
    // A bit b stands on a row of its own as (b − 1)·b = 0: that row must break for all but zero and one.
    let mut bits = Vec::new();
    for row in 0..matrices.constraints() {
        let (b, c) = (matrices.b.row(row).collect::<Vec<_>>(), matrices.c.row(row).count());
        if let ([(variable, _)], 0) = (&b[..], c) {
            bits.push((row, *variable));
        }
    }
    assert_eq!(bits.len(), 10);
    for (row, bit) in bits {
        assert!(values[bit] == Fr::ZERO || values[bit] == Fr::ONE);
        for wrong in [Fr::from(2u64), -Fr::ONE, Fr::from(2u64).inverse().unwrap(), Fr::from(1u64 << 32)] {
            let mut changed = values.clone();
            changed[bit] = wrong;
            let (a, b) = (matrices.a.row_times(row, &changed), matrices.b.row_times(row, &changed));
            assert_ne!(a * b, Fr::ZERO);
        }
    }
}

/// What a bit that is none would allow, were it not refused: a way from a non-member's leaf to the root.
#[test]
fn without_the_bit_constraint_anybody_were_an_admin() {
    let scene = scene(9, 2);
    let [_, root] = scene.statement.inputs();
    // At the topmost level, left = c + b(s − c) and right = s − b(s − c) only fix left + right = s + c: so any c leads
    // to given children by s = left + right − c and b = (left − c)/(s − c).
    let path = scene.path(0);
    let (children, _) = path.levels().fold(([Fr::ZERO; 2], scene.secrets[0].leaf()), |(_, c), (right, s)| {
        let pair = if right { [*s, c] } else { [c, *s] };
        (pair, node(pair[0], pair[1]))
    });
    assert_eq!(node(children[0], children[1]), root);
    let stranger = AdminSecret::generate(&mut rng(10)).leaf();
    let sibling = children[0] + children[1] - stranger;
    let bit = (children[0] - stranger) * (sibling - stranger).inverse().unwrap();
    let moved = bit * (sibling - stranger);
    assert_eq!(node(stranger + moved, sibling - moved), root);
    assert_ne!(bit * (bit - Fr::ONE), Fr::ZERO);
}

#[test]
fn no_single_variable_can_be_changed_alone() {
    let (matrices, mut values) = scene(11, 3).record(2);
    assert_eq!(matrices.first_broken(&values), None);
    let mut rows_of = vec![Vec::new(); matrices.variables];
    for row in 0..matrices.constraints() {
        for matrix in [&matrices.a, &matrices.b, &matrices.c] {
            for (column, _) in matrix.row(row) {
                rows_of[column].push(row);
            }
        }
    }
    let mut random = [0; 32];
    rng(12).fill_bytes(&mut random);
    for variable in 1..matrices.variables {
        let original = values[variable];
        for delta in [Fr::ONE, -Fr::ONE, -original.double(), Fr::from_le_bytes_mod_order(&random)] {
            if delta == Fr::ZERO {
                continue;
            }
            values[variable] = original + delta;
            let broken = rows_of[variable].iter().any(|row| {
                matrices.a.row_times(*row, &values) * matrices.b.row_times(*row, &values)
                    != matrices.c.row_times(*row, &values)
            });
            assert!(broken, "variable {variable} is free");
        }
        values[variable] = original;
    }
}

/// With inputs, secret, salt, bits and siblings given, every other variable follows.
#[test]
fn the_witness_is_a_function_of_opening_and_path() {
    let (matrices, values) = scene(13, 3).record(1);
    let mut open: Vec<bool> = (0..matrices.variables).map(|variable| variable >= matrices.inputs).collect();
    // The digest's copy follows; the next two are secret and salt.
    open[matrices.inputs + 1] = false;
    open[matrices.inputs + 2] = false;
    let rows: Vec<Vec<usize>> =
        (0..matrices.constraints()).map(|row| sensitive(&matrices, row, &values)).collect();
    let mut given = 0;
    loop {
        let mut progress = false;
        for row in &rows {
            let mut left = row.iter().filter(|variable| open[**variable]);
            if let (Some(variable), None) = (left.next(), left.next()) {
                open[*variable] = false;
                progress = true;
            }
        }
        if !progress {
            // A sibling is the prover's choice, the root decides about it: give the lowest open one and go on.
            let Some(next) = open.iter().position(|open| *open) else { break };
            open[next] = false;
            given += 1;
        }
    }
    assert_eq!(given, ADMIN_LEVELS, "the siblings, and nothing else, were given");
}

/// The variables of a row whose change alone, in the first order, breaks it.
fn sensitive(matrices: &Matrices, row: usize, values: &[Fr]) -> Vec<usize> {
    let (a, b) = (matrices.a.row_times(row, values), matrices.b.row_times(row, values));
    let mut gradient = BTreeMap::<usize, Fr>::new();
    for (matrix, factor) in [(&matrices.a, b), (&matrices.b, a), (&matrices.c, -Fr::ONE)] {
        for (column, coefficient) in matrix.row(row) {
            *gradient.entry(column).or_default() += factor * coefficient;
        }
    }
    gradient.into_iter().filter(|(_, slope)| *slope != Fr::ZERO).map(|(column, _)| column).collect()
}
