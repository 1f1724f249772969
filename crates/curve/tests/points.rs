//! What is, and what is not, a public key.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use ark_ec::{AffineRepr, CurveGroup};
use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fq};
use ark_ff::{BigInteger, Field, MontFp, PrimeField};
use ark_serialize::CanonicalSerialize;
use curve::{Point, PointError};

fn encode(point: EdwardsAffine) -> [u8; 32] {
    let mut bytes = [0; 32];
    point.serialize_compressed(&mut bytes[..]).unwrap();
    bytes
}

/// A point of order eight: any curve point times the group order.
fn torsion_generator() -> EdwardsAffine {
    let order = ark_ed_on_bn254::Fr::MODULUS;
    (2u64..)
        .filter_map(|y| EdwardsAffine::get_point_from_y_unchecked(Fq::from(y), false))
        .map(|point| point.mul_bigint(order).into_affine())
        .find(|point| !(point.into_group() * ark_ed_on_bn254::Fr::from(4u64)).into_affine().is_zero())
        .unwrap()
}

#[test]
fn constants_have_their_golden_encodings() {
    assert_eq!(
        hex::encode(Point::generator().to_bytes()),
        "1f861a672cfc76c26ae1c0db15117c2a767b27101fedac909e2058a7246caaaa"
    );
    assert_eq!(
        hex::encode(Point::sign_base().to_bytes()),
        "3f49550d522daeb4f7648dd92820d1b6c2b4f04bb4560041c4b9bf6f44038084"
    );
    assert_eq!(Point::from_bytes(Point::generator().as_bytes()), Ok(Point::generator()));
    assert_eq!(Point::from_bytes(Point::sign_base().as_bytes()), Ok(Point::sign_base()));
}

#[test]
fn identity_is_refused() {
    assert_eq!(Point::from_bytes(&encode(EdwardsAffine::zero())), Err(PointError::Identity));
}

#[test]
fn identity_with_the_sign_bit_set_is_refused() {
    let mut bytes = encode(EdwardsAffine::zero());
    bytes[31] |= 0x80;
    assert!(Point::from_bytes(&bytes).is_err());
}

#[test]
fn small_order_points_are_refused() {
    let torsion = torsion_generator().into_group();
    let mut point = torsion;
    for order in 1..8 {
        let outcome = Point::from_bytes(&encode(point.into_affine()));
        assert_eq!(outcome, Err(PointError::NotInSubgroup), "multiple {order} of the torsion generator");
        point += torsion;
    }
    assert!(point.into_affine().is_zero(), "the loop visited the whole torsion subgroup");
}

#[test]
fn mixed_order_points_are_refused() {
    let torsion = torsion_generator().into_group();
    let mut point = EdwardsProjective::from(*Point::generator().as_affine());
    for _ in 1..8 {
        point += torsion;
        assert_eq!(Point::from_bytes(&encode(point.into_affine())), Err(PointError::NotInSubgroup));
    }
}

#[test]
fn bytes_off_the_curve_are_refused() {
    let off =
        (2u64..).find(|y| EdwardsAffine::get_point_from_y_unchecked(Fq::from(*y), false).is_none()).unwrap();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&off.to_le_bytes());
    assert_eq!(Point::from_bytes(&bytes), Err(PointError::NotOnCurve));
    assert_eq!(Point::from_bytes(&[0xff; 32]), Err(PointError::NotOnCurve));
}

#[test]
fn a_coordinate_of_p_or_more_is_refused() {
    // A subgroup point whose y is so small that y + p still fits below the sign bit.
    let mut point = EdwardsProjective::from(*Point::generator().as_affine());
    let base = point;
    let mut tried = 0;
    let mut found = 0;
    while found < 4 {
        tried += 1;
        point += base;
        let bytes = encode(point.into_affine());
        let mut y = point.into_affine().y.into_bigint();
        if y.add_with_carry(&Fq::MODULUS) {
            continue;
        }
        let mut aliased: [u8; 32] = y.to_bytes_le().try_into().unwrap();
        if aliased[31] & 0x80 != 0 {
            continue;
        }
        aliased[31] |= bytes[31] & 0x80;
        found += 1;
        assert!(Point::from_bytes(&aliased).is_err(), "y + p is another spelling of y");
        assert!(tried < 1000);
    }
}

#[test]
fn the_unused_bit_of_the_encoding_must_be_zero() {
    let mut bytes = Point::sign_base().to_bytes();
    bytes[31] ^= 0x40;
    assert!(Point::from_bytes(&bytes).is_err());
}

#[test]
fn every_single_bit_flip_yields_another_point_or_none() {
    let original = Point::sign_base();
    for bit in 0..256 {
        let mut bytes = original.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(point) = Point::from_bytes(&bytes) {
            assert_ne!(point, original);
            assert_eq!(point.to_bytes(), bytes);
        }
    }
}

#[test]
fn generator_sign_base_and_their_negatives_are_reserved() {
    for base in [Point::generator(), Point::sign_base()] {
        assert!(base.is_reserved());
        let negative = Point::from_bytes(&encode(-*base.as_affine())).unwrap();
        assert!(negative.is_reserved());
        let double = (base.as_affine().into_group() + base.as_affine()).into_affine();
        assert!(!Point::from_bytes(&encode(double)).unwrap().is_reserved());
    }
}

#[test]
fn generator_is_the_one_other_tools_use() {
    // Eight times the base point of the curve's other generator convention lies in the same subgroup; what is pinned
    // here is the equation itself, so that a changed curve constant cannot pass unseen.
    let d: Fq = MontFp!("168696") * <Fq as Field>::inverse(&MontFp!("168700")).unwrap();
    let g = Point::generator();
    let (x2, y2) = (g.as_affine().x.square(), g.as_affine().y.square());
    assert_eq!(x2 + y2, Fq::ONE + d * x2 * y2);
}

#[test]
fn debug_shows_a_prefix_only() {
    let text = format!("{:?}", Point::generator());
    assert!(text.len() < 20, "{text}");
}
