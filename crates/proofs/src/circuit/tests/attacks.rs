//! A prover who cheats, with a witness of its own for each trap.
//!
//! Each attack comes in two halves: with one defence taken away it goes through, to the end and with the result the
//! attacker wants; with the defence in place no assignment is left. The solver completes the attacker's witness, so what
//! an attack needs is only the one value that the attacker lies about.

use core::ops::ControlFlow;
use std::collections::BTreeSet;

use curve::digits::{DigitTable, to_montgomery};

use super::{
    determined::Case,
    solver::{Outcome, System},
    *,
};
use crate::{
    prover::{assemble_unchecked, setup_development},
    statement::Coordinates,
    tier::Tier,
    verifier::{ProofError, VerifyingKeys},
};

/// The row that adds up the first hash's bits.
fn sum_of_bits(case: &Case) -> usize {
    (0..case.system.rows.len()).find(|row| case.system.rows[*row].a.len() == FIELD_BITS).unwrap()
}

/// The rows that only compare a hash with p: b·(1 − e − b) = 0 where b is free otherwise, and e = 0.
fn comparison_rows(case: &Case) -> Vec<usize> {
    (0..case.system.rows.len())
        .filter(|row| {
            let row = &case.system.rows[*row];
            let bounds = row.a.len() == 3 && row.b.len() == 1;
            let ends = row.a.len() == 1 && row.b == [(0, Fr::ONE)];
            row.c.is_empty() && (bounds || ends)
        })
        .collect()
}

/// Trap 2. The bits of x + p in place of those of x lead to a second key for one shared value.
#[test]
fn aliased_bits_give_a_second_key_only_without_the_comparison() {
    let (case, alias) = (1..)
        .map(|seed| Case::bare(1, seed))
        .find_map(|case| {
            let mut hash = case.matrices.c.row_times(sum_of_bits(&case), &case.values).into_bigint();
            hash.add_with_carry(&Fr::MODULUS);
            (hash.num_bits() as usize <= FIELD_BITS).then_some((case, hash))
        })
        .unwrap();
    let mut known = case.given();
    for (variable, power) in &case.system.rows[sum_of_bits(&case)].a {
        let position = power.into_bigint().num_bits() as usize - 1;
        known[*variable] = Some(Fr::from(bits::bit(&alias, position)));
    }
    assert!(case.solve(&known, &[]).is_impossible(), "the comparison refuses it");

    let outcome = case.solve(&known, &comparison_rows(&case));
    let open = BTreeSet::from_iter(&outcome.open);
    assert!(open.iter().all(|variable| !case.keys().contains(variable)));
    let [key, next] = [2, 4].map(|u| (case.values[u], case.values[u + 1]));
    let outcome = case.system.solve(&known, &comparison_rows(&case), &case.values, &mut |_| Some(Fr::ZERO));
    let [cheat] = &outcome.solutions[..] else { panic!("{:?}", outcome.contradiction) };
    assert_eq!((cheat[2], cheat[3]), key, "the same secret");
    assert_ne!((cheat[4], cheat[5]), next, "and the same sibling, but another key above them");
    // The other key is not just any pair of numbers: it is the public key of the aliased bits.
    let mut bytes: [u8; 32] = alias.to_bytes_le().try_into().unwrap();
    bytes[31] &= 1;
    let public = TreeSecret::from_bytes(&bytes).unwrap().public();
    let [coordinates] = to_montgomery(&[(*public.as_affine()).into()])[..] else { panic!("one point") };
    assert_eq!((cheat[4], cheat[5]), coordinates);
}

/// Trap 2, to the end. A prover who takes the aliased bits in a path of a whole tier has keys that are all well-formed, a
/// witness that breaks nothing but the comparison, and what the prover's arithmetic makes of it, which is no proof.
#[test]
fn a_proof_made_from_aliased_bits_is_refused() {
    let tier = Tier::T8;
    let siblings: Vec<Point> = (0..tier.dh_levels() as u64).map(|n| point((2 * n + 23).into())).collect();
    let (secret, alias) = (1..)
        .map(|seed| TreeSecret::generate(&mut rng(seed)))
        .find_map(|secret| {
            let mut hash = curve::poseidon::hash(*secret.dh(&siblings[0]).as_field()).into_bigint();
            hash.add_with_carry(&Fr::MODULUS);
            (hash.num_bits() as usize <= FIELD_BITS).then_some((secret, hash))
        })
        .unwrap();
    let mut bytes: [u8; 32] = alias.to_bytes_le().try_into().unwrap();
    bytes[31] &= 1;
    let cheat = TreeSecret::from_bytes(&bytes).unwrap();
    let statement_from = |second: TreeSecret| {
        let (mut current, mut keys) = (second, vec![secret.public()]);
        for sibling in siblings[1..].iter().chain([&Point::sign_base()]) {
            keys.push(current.public());
            current = current.dh(sibling).derive();
        }
        keys.push(current.public());
        Statement::new(FrameDigest::new([5; 32]), keys, siblings.clone()).unwrap()
    };
    let honest = statement_from(secret.dh(&siblings[0]).derive());
    let lie = statement_from(cheat);
    let expand = |statement: &Statement| statement.expand(LevelTable::batch(statement.siblings()));
    let case = Case::new(&expand(&honest), &secret);
    let mut known = case.given();
    for (variable, input) in expand(&lie).inputs().into_iter().enumerate() {
        known[variable + 1] = Some(input);
    }
    for (variable, power) in &case.system.rows[sum_of_bits(&case)].a {
        let position = power.into_bigint().num_bits() as usize - 1;
        known[*variable] = Some(Fr::from(bits::bit(&alias, position)));
    }
    let level: Vec<usize> =
        comparison_rows(&case).into_iter().filter(|row| *row < sum_of_bits(&case)).collect();
    let outcome = case.system.solve(&known, &level, &case.values, &mut |_| Some(Fr::ZERO));
    let witness = &outcome.solutions[0];
    let broken: Vec<usize> =
        (0..case.system.rows.len()).filter(|row| !case.system.holds(*row, witness)).collect();
    assert!(!broken.is_empty() && broken.iter().all(|row| level.contains(row)));

    let key = setup_development(tier.into(), |_| {}).unwrap();
    let keys = VerifyingKeys::development();
    let verify = |statement: &Statement, values: &[Fr]| {
        keys.verify(&statement.clone().into(), &assemble_unchecked(&key, values).unwrap())
    };
    assert_eq!(verify(&honest, &case.values), Ok(()));
    assert_eq!(verify(&lie, witness), Err(ProofError::Mismatch));
    assert_eq!(verify(&lie, &case.values), Err(ProofError::Mismatch));
    assert_eq!(verify(&honest, witness), Err(ProofError::Mismatch));
    // A single slope, bit or coordinate that is wrong is as bad.
    for variable in [case.secret_bits().start, case.secret_bits().end + 1, case.values.len() - 1] {
        let mut values = case.values.clone();
        values[variable] += Fr::ONE;
        assert_eq!(verify(&honest, &values), Err(ProofError::Mismatch), "variable {variable}");
    }
}

/// Trap 3, the gadget alone. Where P = Q any slope satisfies an addition, and with it any sum.
#[test]
fn an_addition_of_equal_points_takes_any_slope() {
    let [p] = to_montgomery(&[(*point(77u64.into()).as_affine()).into()])[..] else { panic!("one point") };
    let sum_with = |slope: Fr| {
        let mut builder = Builder::recording();
        let operands = [p, p].map(|point| PointVar::allocate(&mut builder, point));
        let u = Fr::from(168_700u64) * slope.square() - Fr::from(168_698u64) - p.0.double();
        let sum = (u, slope * (p.0 - u) - p.1);
        let variable = PointVar::allocate(&mut builder, sum);
        montgomery::enforce_sum(&mut builder, &operands[0], &operands[1], slope, &variable);
        let (matrices, values) = builder.into_matrices();
        assert_eq!(matrices.first_broken(&values), None, "no constraint objects");
        sum
    };
    let sums: BTreeSet<_> = (0..50u64).map(|slope| sum_with(slope.into()).0).collect();
    assert_eq!(sums.len(), 50);
}

/// A level over four table points that are not those of any sibling: the first step adds 2·S to itself.
fn table_of_the_provers_choice() -> [Coordinates; 4] {
    let [p, q, r] =
        [1001u64, 2002, 3003].map(|scalar| EdwardsProjective::from(*point(scalar.into()).as_affine()));
    let points = to_montgomery(&[p, p + q, r, q]);
    points.try_into().unwrap()
}

/// Traps 3 and 6. With a table of its choice a prover makes operands meet, chooses the slope, and derives whatever key it
/// likes from one secret. The verifier's own table leaves it no such step.
#[test]
fn a_chosen_slope_needs_a_table_that_no_sibling_has() {
    let case = Case::bare(1, 7);
    let mut known = case.given();
    let table = case.keys().end;
    for (index, (u, v)) in table_of_the_provers_choice().into_iter().enumerate() {
        (known[table + 2 * index], known[table + 2 * index + 1]) = (Some(u), Some(v));
    }
    // The first step takes plus the second entry, which is the accumulator.
    let first = case.secret_bits().start;
    for (bit, value) in [(82, true), (83 + 82, true), (166 + 82, false)] {
        known[first + bit] = Some(Fr::from(value));
    }
    let with_slope = |known: &[Option<Fr>], slope: u64| -> Outcome {
        let mut next = slope;
        case.system.solve(known, &[], &case.values, &mut |variable| {
            // Keys are what follows; the first private variable that is open is the slope.
            (variable >= case.matrices.inputs).then(|| {
                next += 1;
                Fr::from(next)
            })
        })
    };
    let cheats: Vec<Vec<Fr>> = (0..3)
        .map(|n| {
            let outcome = with_slope(&known, 1_000 * n);
            assert!(!outcome.vacuous.is_empty(), "a row holds for any slope");
            outcome.solutions.into_iter().next().unwrap()
        })
        .collect();
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        assert_eq!(cheats[one][2..4], cheats[other][2..4], "one secret");
        assert_ne!(cheats[one][4..6], cheats[other][4..6], "and several keys above it");
    }
    // Against the verifier's table of a point the same witness is broken,
    for cheat in &cheats {
        let mut values = cheat.clone();
        values[table..table + 8].copy_from_slice(&case.values[table..table + 8]);
        assert!(case.matrices.first_broken(&values).is_some());
    }
    // and the same bits leave no slope to choose.
    for (given, value) in known.iter_mut().zip(&case.values).skip(table).take(8) {
        *given = Some(*value);
    }
    assert!(case.solve(&known, &[]).is_unique());
}

/// A point of order eight.
fn torsion() -> EdwardsProjective {
    use curve::EdwardsAffine;
    (2u64..)
        .filter_map(|y| EdwardsAffine::get_point_from_y_unchecked(Fr::from(y), false))
        .map(|point| ark_ec::AffineRepr::mul_bigint(&point, curve::Fr::MODULUS))
        .find(|point| point.double().double() != EdwardsProjective::ZERO)
        .unwrap()
}

fn encode(point: EdwardsProjective) -> [u8; 32] {
    let mut bytes = [0; 32];
    ark_serialize::CanonicalSerialize::serialize_compressed(&point.into_affine(), &mut bytes[..]).unwrap();
    bytes
}

/// The table of a point that `Point` refuses, as a verifier without the check would compute it.
fn unchecked_table(point: EdwardsProjective) -> [Coordinates; 4] {
    to_montgomery(DigitTable::new(&point.into_affine()).points()).try_into().unwrap()
}

fn with_table(case: &Case, table: [Coordinates; 4]) -> Vec<Option<Fr>> {
    let mut known = case.given();
    let start = case.keys().end;
    for (index, (u, v)) in table.into_iter().enumerate() {
        (known[start + 2 * index], known[start + 2 * index + 1]) = (Some(u), Some(v));
    }
    known
}

/// Trap 5. A sibling of small order, or the identity, would make all members' secrets lead to one of two values, which
/// anybody can try. Decoding refuses it; and had it slipped through, the selectors' inverses would not exist.
#[test]
fn a_sibling_of_small_order_is_refused_and_has_no_witness_either() {
    let case = Case::bare(1, 8);
    let mut rng = rng(9);
    let mut sibling = EdwardsProjective::ZERO;
    for order in 0..8 {
        assert!(Point::from_bytes(&encode(sibling)).is_err(), "{order}");
        let shared: BTreeSet<Fr> = (0..40)
            .map(|_| {
                let secret = TreeSecret::generate(&mut rng);
                let product = DigitTable::new(&sibling.into_affine()).multiply(&|index| secret.bit(index));
                to_montgomery(&[product])[0].0
            })
            .collect();
        assert!(shared.len() <= 2, "forty secrets, {} shared values", shared.len());
        let outcome = case.solve(&with_table(&case, unchecked_table(sibling)), &[]);
        assert!(outcome.is_impossible(), "{order}");
        sibling += torsion();
    }
}

/// Trap 5, the other half. A sibling with a component of small order keeps the circuit sound, but tells its owner the
/// secret modulo eight. Decoding refuses it.
#[test]
fn a_sibling_of_mixed_order_would_tell_three_bits_of_a_secret() {
    let case = Case::bare(1, 10);
    let secret = {
        let bits = case.secret_bits().map(|variable| case.values[variable] == Fr::ONE);
        let mut bytes = [0u8; 32];
        bits.enumerate().filter(|(_, bit)| *bit).for_each(|(index, _)| bytes[index / 8] |= 1 << (index % 8));
        TreeSecret::from_bytes(&bytes).unwrap()
    };
    let own = curve::Fr::from(123_456_789u64);
    let mixed = EdwardsProjective::from(*Point::generator().as_affine()) * own + torsion();
    assert!(Point::from_bytes(&encode(mixed)).is_err());
    let outcome = case.solve(&with_table(&case, unchecked_table(mixed)), &[]);
    assert!(outcome.is_unique(), "nothing is left to the prover");
    // The attacker sees K₁, knows its own scalar and the victim's K₀, and tries the multiples of the torsion.
    let seen = (outcome.solutions[0][4], outcome.solutions[0][5]);
    let public = EdwardsProjective::from(*secret.public().as_affine());
    let fitting: Vec<u64> = (0..8)
        .filter(|residue| {
            let product = public * own + torsion() * curve::Fr::from(*residue);
            let hash = curve::poseidon::hash(to_montgomery(&[product])[0].0).into_bigint();
            let next = (0..SECRET_BITS).filter(|index| bits::bit(&hash, *index));
            let mut bytes = [0u8; 32];
            next.for_each(|index| bytes[index / 8] |= 1 << (index % 8));
            let key = TreeSecret::from_bytes(&bytes).unwrap().public();
            to_montgomery(&[(*key.as_affine()).into()])[0] == seen
        })
        .collect();
    let integer = secret.scalar().into_bigint();
    // The scalar is a signed integer; a negative one is the order minus its absolute value.
    let order = curve::Fr::MODULUS.0[0] % 8;
    let residue = if integer > curve::Fr::MODULUS_MINUS_ONE_DIV_TWO {
        (integer.0[0] % 8 + 8 - order) % 8
    } else {
        integer.0[0] % 8
    };
    assert_eq!(fitting, [residue]);
}

/// Trap 9. Were v not demanded of a key, its negative would do as well.
#[test]
fn a_negated_key_needs_the_constraint_on_v() {
    let case = Case::bare(0, 11);
    let mut known = case.given();
    (known[2], known[3]) = (Some(case.values[2]), Some(-case.values[3]));
    assert!(case.solve(&known, &[]).is_impossible());
    let last = case.system.rows.len() - 1;
    assert!(case.solve(&known, &[last]).is_unique(), "the last row is what binds v");
}

/// Trap 4. Keys that only a zero or a wrapped scalar has: the identity, in any spelling (0, 0) might stand for.
#[test]
fn no_secret_has_the_key_zero() {
    let case = Case::bare(0, 12);
    for (u, v) in [(0u64, 0u64), (0, 1), (1, 0)] {
        let mut known = case.given();
        (known[2], known[3]) = (Some(u.into()), Some(v.into()));
        assert!(case.solve(&known, &[]).is_impossible());
    }
}

/// Trap 2, a bit that is none: two for one secret bit is as good as a choice of the addend.
#[test]
fn a_bit_that_is_no_bit_needs_its_row_to_be_gone() {
    let case = Case::bare(0, 13);
    let mut known = case.given();
    let bit = case.secret_bits().start + 40;
    known[bit] = Some(Fr::from(2u64));
    assert!(case.solve(&known, &[]).is_impossible());
    let row = case.system.rows_of(bit)[0];
    let outcome = case.solve(&known, &[row]);
    assert!(outcome.is_unique());
    assert_ne!(outcome.solutions[0][2..4], case.values[2..4]);
}

/// The walks of the encoding on plain integers, with slices of a few bits instead of 83.
struct SmallWalk {
    /// Bits in a slice.
    n: u32,
    /// What the variable-base walk starts from: 2, which after n doublings is 2^(n+1).
    start: i64,
}

impl SmallWalk {
    fn digit(&self, pattern: u32, step: u32) -> i64 {
        let sign = |slice: u32| if pattern >> (slice * self.n + step) & 1 == 1 { 1i64 } else { -1 };
        sign(0) * (1 + (sign(1) << self.n) + (sign(2) << (2 * self.n)))
    }

    /// Calls `visit` with the operands of every addition of both walks; returns k.
    fn walk(&self, pattern: u32, mut visit: impl FnMut(i64, i64) -> ControlFlow<()>) -> Option<i64> {
        let mut a = self.start;
        for step in (0..self.n).rev() {
            let q = self.digit(pattern, step);
            visit(a, q).is_continue().then_some(())?;
            visit(a + q, a).is_continue().then_some(())?;
            a = 2 * a + q;
        }
        let mut fixed = self.start << self.n;
        for step in (0..self.n).rev() {
            let q = self.digit(pattern, step) << step;
            visit(fixed, q).is_continue().then_some(())?;
            fixed += q;
        }
        assert_eq!(a, fixed, "both walks reach the same multiple");
        Some(a)
    }

    /// Whether no addition of any pattern has an operand that is zero, or operands that are equal up to sign.
    fn is_complete(&self) -> bool {
        (0..1u32 << (3 * self.n)).all(|pattern| {
            let meets = |a: i64, b: i64| a == 0 || b == 0 || a == b || a == -b;
            let visit = |a, b| if meets(a, b) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            self.walk(pattern, visit).is_some()
        })
    }
}

/// Trap 3, the argument itself, for every pattern of short slices: no two operands meet, scalars are odd, different and
/// small. With another start they meet, so that the start is what the argument rests on.
#[test]
fn the_argument_holds_for_every_pattern_of_short_slices() {
    for n in 2..=5 {
        assert!(SmallWalk { n, start: 2 }.is_complete(), "{n}");
        let walk = SmallWalk { n, start: 2 };
        let scalars: BTreeSet<i64> = (0..1u32 << (3 * n))
            .map(|pattern| walk.walk(pattern, |_, _| ControlFlow::Continue(())).unwrap())
            .collect();
        assert_eq!(scalars.len(), 1 << (3 * n), "injective");
        assert!(scalars.iter().all(|k| k % 2 != 0 && k.abs() < 1 << (3 * n + 1)));
        for start in [0, 1 + (1 << n) + (1 << (2 * n)), 1 + (1 << n) - (1 << (2 * n))] {
            assert!(!SmallWalk { n, start }.is_complete(), "{n} {start}");
        }
    }
}

/// A witness against another statement's inputs: each public input that is changed alone breaks a row, but for the
/// digest's, whose copy the prover changes along; a proof binds it all the same, see the tests of whole proofs.
#[test]
fn each_input_but_the_digest_stands_against_the_private_witness() {
    let case = Case::bare(2, 14);
    let system: &System = &case.system;
    for variable in 1..case.matrices.inputs {
        let mut values = case.values.clone();
        values[variable] += Fr::ONE;
        let broken: Vec<&usize> =
            system.rows_of(variable).iter().filter(|row| !system.holds(**row, &values)).collect();
        if variable == 1 {
            assert_eq!(broken, [&0], "D·1 = w");
        } else {
            assert!(!broken.is_empty(), "input {variable}");
        }
    }
}
