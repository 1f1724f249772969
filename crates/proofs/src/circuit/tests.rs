use ark_bn254::Fr;
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use chacha20::ChaCha20Rng;
use curve::{EdwardsProjective, Point, TreeSecret};
use protocol::FrameDigest;
use rand_core::{Rng, SeedableRng};

use super::{
    bits::{self, FIELD_BITS},
    *,
};
use crate::{statement::Statement, table::LevelTable};

mod agreement;
mod attacks;
mod determined;
mod solver;

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

fn point(scalar: curve::Fr) -> Point {
    let affine = (EdwardsProjective::from(*Point::generator().as_affine()) * scalar).into_affine();
    let mut bytes = [0; 32];
    ark_serialize::CanonicalSerialize::serialize_compressed(&affine, &mut bytes[..]).unwrap();
    Point::from_bytes(&bytes).unwrap()
}

/// A statement of any number of levels, without sign level or padding.
fn bare(secret: &TreeSecret, siblings: &[Point]) -> Expanded {
    let mut current = secret.clone();
    let mut keys = vec![current.public()];
    for sibling in siblings {
        current = current.dh(sibling).derive();
        keys.push(current.public());
    }
    let keys: Vec<_> = keys.iter().map(|key| EdwardsProjective::from(*key.as_affine())).collect();
    Expanded {
        digest: Fr::from(7u64),
        keys: curve::digits::to_montgomery(&keys),
        tables: LevelTable::batch(siblings),
    }
}

fn record(statement: &Expanded, secret: &TreeSecret) -> (Matrices, Vec<Fr>) {
    let mut builder = Builder::recording();
    synthesize(&mut builder, statement, secret).unwrap();
    let (matrices, values) = builder.into_matrices();
    (matrices, values.to_vec())
}

#[test]
fn a_level_has_the_documented_number_of_constraints() {
    let secret = TreeSecret::generate(&mut rng(1));
    let siblings = [point(5u64.into()), point(7u64.into()), point(9u64.into())];
    let count = |levels| record(&bare(&secret, &siblings[..levels]), &secret).0.constraints();
    assert_eq!(count(0), 249 + 1 + 415);
    assert_eq!(count(1), count(0) + 1744);
    assert_eq!(count(3), count(0) + 3 * 1744);
}

#[test]
fn recording_and_witness_modes_assign_alike() {
    let secret = TreeSecret::generate(&mut rng(2));
    let statement = bare(&secret, &[point(5u64.into()), point(11u64.into())]);
    let mut witness = Builder::for_witness(0);
    synthesize(&mut witness, &statement, &secret).unwrap();
    let (matrices, values) = record(&statement, &secret);
    assert_eq!(*witness.into_values(), values);
    assert_eq!(values[1..matrices.inputs], statement.inputs());
}

/// Extreme digit strings against siblings whose multiples the walk might meet.
#[test]
fn no_digit_pattern_and_no_sibling_meets_an_exceptional_case() {
    let two = curve::Fr::from(2u64);
    let power = |n: u64| two.pow([n]);
    let inverse = |x: curve::Fr| x.inverse().unwrap();
    let siblings: Vec<Point> = [
        curve::Fr::ONE,
        -curve::Fr::ONE,
        two,
        power(83),
        -power(83),
        power(84),
        -power(84),
        power(166),
        inverse(power(83)),
        inverse(power(84)),
        inverse(power(166)),
        inverse(curve::Fr::from(3u64)),
        inverse(curve::Fr::ONE + power(83)),
        inverse(curve::Fr::ONE - power(83) + power(166)),
    ]
    .map(point)
    .into_iter()
    .chain([Point::sign_base()])
    .collect();
    let mut patterns: Vec<[u8; 32]> = vec![[0; 32], [0xff; 32], [0x55; 32], [0xaa; 32], [0x0f; 32]];
    for bit in [0, 1, 81, 82, 83, 84, 165, 166, 167, 248] {
        let mut single = [0u8; 32];
        single[bit / 8] = 1 << (bit % 8);
        patterns.extend([single, single.map(|byte| !byte)]);
    }
    let (matrices, _) = record(&bare(&secret([0; 32]), &siblings[..1]), &secret([0; 32]));
    for pattern in patterns {
        let secret = secret(pattern);
        for sibling in &siblings {
            let statement = bare(&secret, &[*sibling]);
            let mut builder = Builder::for_witness(0);
            synthesize(&mut builder, &statement, &secret).unwrap();
            assert_eq!(matrices.first_broken(&builder.into_values()), None, "{pattern:?} {sibling:?}");
        }
    }
}

fn secret(mut bytes: [u8; 32]) -> TreeSecret {
    bytes[31] &= 1;
    TreeSecret::from_bytes(&bytes).unwrap()
}

#[test]
fn every_input_and_every_witness_is_constrained() {
    let secret = TreeSecret::generate(&mut rng(4));
    let (matrices, _) = record(&bare(&secret, &[point(23u64.into())]), &secret);
    let mut used = vec![false; matrices.variables];
    [&matrices.a, &matrices.b, &matrices.c].into_iter().for_each(|matrix| matrix.mark_used(&mut used));
    assert_eq!(used.iter().position(|used| !used), None);
}

/// Whether the decomposition accepts these bits for an element.
fn accepts(element: Fr, claim: impl Fn(usize) -> bool) -> bool {
    let mut builder = Builder::recording();
    let variable = builder.allocate(element);
    bits::decompose_as(&mut builder, &variable, claim);
    let (matrices, values) = builder.into_matrices();
    matrices.first_broken(&values).is_none()
}

#[test]
fn aliased_bits_are_refused() {
    let mut rng = rng(5);
    let mut aliased = 0;
    for round in 0..40 {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        // Some small elements, so that x + p surely fits 254 bits.
        let element =
            if round < 8 { Fr::from(u64::from(bytes[0])) } else { Fr::from_le_bytes_mod_order(&bytes) };
        let honest = element.into_bigint();
        assert!(accepts(element, |index| bits::bit(&honest, index)));
        let mut alias = honest;
        alias.add_with_carry(&Fr::MODULUS);
        if alias.num_bits() as usize <= FIELD_BITS {
            aliased += 1;
            assert!(!accepts(element, |index| bits::bit(&alias, index)));
        }
    }
    assert!(aliased > 8, "the test met aliases");
}

#[test]
fn the_modulus_itself_is_no_spelling_of_zero() {
    assert!(accepts(Fr::ZERO, |_| false));
    assert!(!accepts(Fr::ZERO, |index| bits::bit(&Fr::MODULUS, index)));
}

#[test]
fn integers_just_above_the_modulus_prefix_are_refused() {
    // Same leading bits as p but for one zero turned into a one: larger than p whatever follows.
    for position in (FIELD_BITS - 64..FIELD_BITS).filter(|index| !bits::bit(&Fr::MODULUS, *index)) {
        let claim = |index: usize| index == position || (index > position && bits::bit(&Fr::MODULUS, index));
        let integer: Vec<bool> = (0..FIELD_BITS).map(claim).collect();
        let element = Fr::from_le_bytes_mod_order(&ark_ff::BigInt::<4>::from_bits_le(&integer).to_bytes_le());
        assert!(!accepts(element, claim), "bit {position}");
    }
}

#[test]
fn largest_decomposable_integer_is_accepted() {
    let lowest = FIELD_BITS - 64;
    // One less than the modulus' prefix, then all ones.
    let mut prefix = ark_ff::BigInt::<4>::new(Fr::MODULUS.0);
    for index in 0..lowest {
        prefix.0[index / 64] &= !(1 << (index % 64));
    }
    prefix.sub_with_borrow(&ark_ff::BigInt::from(1u64));
    let element = Fr::from_bigint(prefix).unwrap();
    assert!(accepts(element, |index| bits::bit(&prefix, index)));
    let mut builder = Builder::recording();
    let variable = builder.allocate(element);
    assert!(bits::decompose(&mut builder, &variable).is_some());
    // And the next one up, the prefix itself, is the case that is left out.
    let left_out = element + Fr::ONE;
    let mut builder = Builder::recording();
    let variable = builder.allocate(left_out);
    assert!(bits::decompose(&mut builder, &variable).is_none());
    assert!(!accepts(left_out, |index| bits::bit(&left_out.into_bigint(), index)));
}

#[test]
fn a_non_bit_in_place_of_a_bit_is_refused() {
    let secret = TreeSecret::generate(&mut rng(6));
    let (matrices, mut values) = record(&bare(&secret, &[]), &secret);
    values[matrices.inputs] = Fr::from(2u64);
    assert!(matrices.first_broken(&values).is_some());
}

#[test]
fn a_wrong_secret_is_an_error_and_names_the_first_wrong_key() {
    let mut rng = rng(7);
    let (secret, other) = (TreeSecret::generate(&mut rng), TreeSecret::generate(&mut rng));
    let mut statement = bare(&secret, &[point(23u64.into()), point(29u64.into())]);
    let synthesize = |statement: &Expanded, secret: &TreeSecret| {
        synthesize(&mut Builder::for_witness(0), statement, secret)
    };
    assert_eq!(synthesize(&statement, &other), Err(SynthesisError::WrongKey(0)));
    statement.keys[2] = statement.keys[1];
    assert_eq!(synthesize(&statement, &secret), Err(SynthesisError::WrongKey(2)));
}

#[test]
fn padding_keys_are_what_the_circuit_derives() {
    let secret = TreeSecret::generate(&mut rng(8));
    let sibling = point(23u64.into());
    let (mut current, mut keys) = (secret.clone(), vec![secret.public()]);
    for sibling in [sibling, Point::sign_base()] {
        current = current.dh(&sibling).derive();
        keys.push(current.public());
    }
    let statement = Statement::new(FrameDigest::new([1; 32]), keys, vec![sibling]).unwrap();
    let expanded = statement.expand(LevelTable::batch(&[sibling]));
    assert_eq!((expanded.keys.len(), expanded.tables.len()), (9, 8));
    assert_eq!(synthesize(&mut Builder::for_witness(0), &expanded, &secret), Ok(()));
}

/// A row's derivatives by its variables.
fn gradient(matrices: &Matrices, row: usize, values: &[Fr]) -> std::collections::BTreeMap<usize, Fr> {
    let (a, b) = (matrices.a.row_times(row, values), matrices.b.row_times(row, values));
    let mut gradient = std::collections::BTreeMap::<usize, Fr>::new();
    for (matrix, factor) in [(&matrices.a, b), (&matrices.b, a), (&matrices.c, -Fr::ONE)] {
        for (column, coefficient) in matrix.row(row) {
            *gradient.entry(column).or_default() += factor * coefficient;
        }
    }
    gradient
}
