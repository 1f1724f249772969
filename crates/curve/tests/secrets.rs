//! Secrets, what they derive, and the promises of their encoding.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "test helpers"
)]

use ark_ec::CurveGroup;
use ark_ed_on_bn254::{EdwardsProjective, Fr};
use ark_ff::{BigInteger, Field, PrimeField, Zero};
use chacha20::ChaCha20Rng;
use curve::{Point, SecretError, TreeSecret, digits};
use proptest::prelude::*;
use rand_core::SeedableRng;

fn secret(mut bytes: [u8; 32]) -> TreeSecret {
    bytes[31] &= 1;
    TreeSecret::from_bytes(&bytes).unwrap()
}

fn any_secret() -> impl Strategy<Value = TreeSecret> {
    any::<[u8; 32]>().prop_map(secret)
}

/// The digit walk on big integers: k + 2^250, which is positive for every digit string.
fn shifted_integer(secret: &TreeSecret) -> [u64; 5] {
    let power = |n: usize| {
        let mut limbs = [0u64; 5];
        limbs[n / 64] = 1 << (n % 64);
        limbs
    };
    let add = |a: [u64; 5], b: [u64; 5]| {
        let mut carry = 0u128;
        std::array::from_fn(|i| {
            carry += u128::from(a[i]) + u128::from(b[i]);
            let limb = carry as u64;
            carry >>= 64;
            limb
        })
    };
    let negate = |a: [u64; 5]| add(a.map(|limb| !limb), power(0));
    let mut sum = add(power(250), power(84));
    for j in 0..83 {
        let signs = [true, secret.bit(83 + j), secret.bit(166 + j)];
        for (slice, sign) in signs.into_iter().enumerate() {
            let term = power(83 * slice + j);
            sum = add(sum, if sign == secret.bit(j) { term } else { negate(term) });
        }
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scalar_is_odd_and_below_the_order(secret in any_secret()) {
        let shifted = shifted_integer(&secret);
        prop_assert_eq!(shifted[0] & 1, 1, "odd");
        prop_assert_eq!(shifted[4], 0);
        // |k| < 2^250 means 0 < k + 2^250 < 2^251, and 2^250 is below the order.
        prop_assert!(shifted[3] < 1 << 59);
        prop_assert!(!secret.scalar().is_zero());
        let order = Fr::MODULUS;
        prop_assert!(order.num_bits() == 251);
        let expected = Fr::from_le_bytes_mod_order(&shifted.iter().flat_map(|limb| limb.to_le_bytes()).collect::<Vec<_>>())
            - Fr::from(2u64).pow([250]);
        prop_assert_eq!(secret.scalar(), expected);
    }

    #[test]
    fn scalar_encoding_is_injective(a in any_secret(), flip in 0..digits::SECRET_BITS) {
        let mut bytes = *a.to_bytes();
        bytes[flip / 8] ^= 1 << (flip % 8);
        let b = TreeSecret::from_bytes(&bytes).unwrap();
        prop_assert!(a != b);
        prop_assert_ne!(a.scalar(), b.scalar());
        prop_assert_ne!(shifted_integer(&a), shifted_integer(&b));
    }

    #[test]
    fn public_key_is_the_scalar_times_the_generator(secret in any_secret()) {
        let expected = EdwardsProjective::from(*Point::generator().as_affine()) * secret.scalar();
        prop_assert_eq!(*secret.public().as_affine(), expected.into_affine());
        prop_assert_eq!(Point::from_bytes(secret.public().as_bytes()), Ok(secret.public()));
    }

    #[test]
    fn both_sides_of_a_node_derive_the_same_secret(a in any_secret(), b in any_secret()) {
        let (left, right) = (a.dh(&b.public()), b.dh(&a.public()));
        prop_assert!(left == right);
        prop_assert!(left.derive() == right.derive());
        prop_assert_eq!(left.derive().public(), right.derive().public());
    }

    #[test]
    fn dh_is_the_montgomery_coordinate_of_the_product(a in any_secret(), b in any_secret()) {
        let product = EdwardsProjective::from(*b.public().as_affine()) * a.scalar();
        let (u, _) = digits::to_montgomery(&[product])[0];
        prop_assert_eq!(*a.dh(&b.public()).as_field(), u);
        prop_assert_eq!(u.into_bigint().to_bytes_le(), a.dh(&b.public()).to_bytes().to_vec());
    }

    #[test]
    fn sibling_g_makes_a_level_public(secret in any_secret()) {
        prop_assert!(secret.dh(&Point::generator()) == curve::SharedU::with_generator(&secret.public()));
    }

    #[test]
    fn bytes_round_trip(secret in any_secret()) {
        prop_assert!(TreeSecret::from_bytes(&secret.to_bytes()).unwrap() == secret);
    }
}

#[test]
fn every_bit_above_the_digits_is_refused() {
    for bit in digits::SECRET_BITS..256 {
        let mut bytes = [0; 32];
        bytes[bit / 8] |= 1 << (bit % 8);
        assert_eq!(TreeSecret::from_bytes(&bytes).unwrap_err(), SecretError::TooLong);
    }
}

#[test]
fn extreme_secrets_have_keys_and_agree() {
    let extremes = [[0x00; 32], [0xff; 32], [0x55; 32], [0xaa; 32]].map(secret);
    for a in &extremes {
        for b in &extremes {
            assert!(a.dh(&b.public()) == b.dh(&a.public()));
        }
        // dh with G itself: u(k·G), which anybody can compute from the public key.
        let (u, _) = digits::to_montgomery(&[EdwardsProjective::from(*a.public().as_affine())])[0];
        assert_eq!(*a.dh(&Point::generator()).as_field(), u);
    }
}

#[test]
fn generated_secrets_use_all_digits() {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let (mut ones, mut zeros) = ([0u8; 32], [0xffu8; 32]);
    for _ in 0..64 {
        let bytes = *TreeSecret::generate(&mut rng).to_bytes();
        assert_eq!(bytes[31] & 0xfe, 0);
        for i in 0..32 {
            ones[i] |= bytes[i];
            zeros[i] &= bytes[i];
        }
    }
    assert_eq!((ones[31], zeros[31]), (1, 0));
    assert!(ones[..31].iter().all(|byte| *byte == 0xff) && zeros[..31].iter().all(|byte| *byte == 0));
}

#[test]
fn one_level_has_its_golden_values() {
    let a = secret(std::array::from_fn(|i| i as u8));
    let b = secret(std::array::from_fn(|i| 0xa0 ^ i as u8));
    let shared = a.dh(&b.public());
    assert_eq!(
        hex::encode(a.public().to_bytes()),
        "ae2d771d9f4cf611e87fa3c70a8e8bbea3014063c704f812486b99125a15290b"
    );
    assert_eq!(
        hex::encode(*shared.to_bytes()),
        "18ea7fdf18a0ff2103b4bad32a3bdedd8df743d76185bb44e40f74873ea66c06"
    );
    assert_eq!(
        hex::encode(*shared.derive().to_bytes()),
        "369285ddb95049290aa30cf3cb74ce4a42bd6ba2b87f36ef9791cab835483100"
    );
}

#[test]
fn debug_shows_no_content() {
    let a = secret([0xff; 32]);
    assert_eq!(format!("{a:?} {:?}", a.dh(&Point::generator())), "TreeSecret(..) SharedU(..)");
}
