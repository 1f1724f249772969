//! The coefficients of a random linear combination.
//!
//! G1 has an endomorphism φ(x, y) = (β·x, y), a multiplication by λ, where 1 + λ + λ² = 0 modulo the order p and β is a
//! cube root of one (Gallant, Lambert and Vanstone, CRYPTO 2001). A coefficient is r = r₁ + λ·r₂ with r₁, r₂ of 64
//! random bits each: multiplying by it takes 64 doublings instead of 128.
//!
//! The 2^128 pairs give 2^128 different coefficients. If two gave the same, their difference (d₁, d₂) would have
//! d₁ + λ·d₂ = 0, hence 0 = (d₁ + λ·d₂)·(d₁ + λ²·d₂) = d₁² − d₁·d₂ + d₂² modulo p. But that number is positive and at
//! most 3·2^128, which is less than p.

use ark_bn254::{Fq, Fr, G1Affine, G1Projective, g1};
use ark_ec::{AffineRepr, scalar_mul::glv::GLVConfig};
use ark_ff::{AdditiveGroup, Field};
use rand_core::CryptoRng;

use crate::pairing::invert_all;

/// r₁ + λ·r₂, not zero.
#[derive(Clone, Copy)]
pub(super) struct Coefficient([u64; 2]);

impl Coefficient {
    /// One that nobody could foresee when the proofs were made.
    pub(super) fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        loop {
            let parts = [rng.next_u64(), rng.next_u64()];
            if parts != [0; 2] {
                return Self(parts);
            }
        }
    }

    /// r₁ and r₂.
    pub(super) const fn parts(self) -> [u64; 2] {
        self.0
    }

    /// The coefficient as an element of the scalar field.
    pub(super) fn scalar(self) -> Fr {
        let Self([r1, r2]) = self;
        Fr::from(r1) + g1::Config::LAMBDA * Fr::from(r2)
    }
}

/// φ(P) = λ·P.
fn endomorphism(point: &G1Affine) -> G1Affine {
    g1::Config::endomorphism_affine(point)
}

/// Each point, not the identity, times its coefficient.
pub(super) fn scale(points: &[(G1Affine, Coefficient)]) -> Vec<G1Projective> {
    let mut inverses: Vec<Fq> = points.iter().map(|(point, _)| point.x).collect();
    invert_all(&mut inverses);
    points.iter().zip(&inverses).map(|((point, r), inverse)| scale_one(point, inverse, *r)).collect()
}

/// `inverse` is that of the point's x, which is not zero: (0, y) would be of order three.
fn scale_one(point: &G1Affine, inverse: &Fq, Coefficient([r1, r2]): Coefficient) -> G1Projective {
    let image = endomorphism(point);
    // P + φ(P) = −φ²(P), and −x(P) − x(φ(P)) = x(φ²(P)).
    let sum = -endomorphism(&image);
    let difference = {
        let slope = point.y * inverse * slope_factor();
        let x = slope.square() + sum.x;
        G1Affine::new_unchecked(x, slope * (point.x - x) - point.y)
    };
    let mut product = G1Projective::ZERO;
    for digits in joint_sparse_form(r1, r2).into_iter().rev() {
        product.double_in_place();
        match digits {
            (1, 0) => product += point,
            (-1, 0) => product -= point,
            (0, 1) => product += &image,
            (0, -1) => product -= &image,
            (1, 1) => product += &sum,
            (-1, -1) => product -= &sum,
            (1, -1) => product += &difference,
            (-1, 1) => product -= &difference,
            _ => {}
        }
    }
    product
}

/// 2/(1 − β), by which y/x becomes the slope of the line through P and −φ(P).
fn slope_factor() -> Fq {
    use std::sync::OnceLock;
    static FACTOR: OnceLock<Fq> = OnceLock::new();
    *FACTOR.get_or_init(|| {
        let beta = endomorphism(&G1Affine::generator()).x / G1Affine::generator().x;
        Fq::from(2u64) / (Fq::ONE - beta)
    })
}

/// Signed binary digits of two numbers at once, half of the pairs zero on average (Solinas, CORR 2001-41); the least
/// significant first.
fn joint_sparse_form(a: u64, b: u64) -> Vec<(i8, i8)> {
    let (mut a, mut b) = (i128::from(a), i128::from(b));
    let mut digits = Vec::with_capacity(65);
    while a != 0 || b != 0 {
        let pair = (joint_digit(a, b), joint_digit(b, a));
        a = (a - i128::from(pair.0)) / 2;
        b = (b - i128::from(pair.1)) / 2;
        digits.push(pair);
    }
    digits
}

/// The digit of `own`, beside that of `other`.
fn joint_digit(own: i128, other: i128) -> i8 {
    let toward_multiple_of_four = match own.rem_euclid(4) {
        1 => 1,
        3 => -1,
        _ => return 0,
    };
    // Where the other is about to be odd, this one shall be too, so that a pair of zeros comes afterwards.
    let away = matches!(own.rem_euclid(8), 3 | 5) && other.rem_euclid(4) == 2;
    if away { -toward_multiple_of_four } else { toward_multiple_of_four }
}

#[cfg(test)]
mod tests {
    use ark_ec::CurveGroup;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_endomorphism_is_a_multiplication_by_a_cube_root_of_one() {
        let lambda = g1::Config::LAMBDA;
        assert_eq!(lambda * lambda + lambda + Fr::ONE, Fr::ZERO);
        let point = (G1Affine::generator() * Fr::from(5u64)).into_affine();
        assert_eq!(endomorphism(&point), (point * lambda).into_affine());
    }

    fn part() -> impl Strategy<Value = u64> {
        prop_oneof![2 => any::<u64>(), 1 => 0u64..4, 1 => (0u64..4).prop_map(|small| u64::MAX - small)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn scaled_points_are_multiples(parts in prop::collection::vec([part(), part()], 0..6), start in 1u64..1000) {
            let points: Vec<(G1Affine, Coefficient)> = parts
                .iter()
                .zip(start..)
                .map(|(parts, k)| ((G1Affine::generator() * Fr::from(k)).into_affine(), Coefficient(*parts)))
                .collect();
            let expected: Vec<G1Projective> = points.iter().map(|(point, r)| *point * r.scalar()).collect();
            prop_assert_eq!(scale(&points), expected);
        }

        #[test]
        fn joint_digits_add_up_and_are_sparse(a in part(), b in part()) {
            let digits = joint_sparse_form(a, b);
            prop_assert!(digits.len() <= 65);
            let sum = |pick: fn(&(i8, i8)) -> i8| {
                digits.iter().rev().fold(0i128, |sum, pair| 2 * sum + i128::from(pick(pair)))
            };
            prop_assert_eq!((sum(|pair| pair.0), sum(|pair| pair.1)), (i128::from(a), i128::from(b)));
            for three in digits.windows(3) {
                prop_assert!(three.contains(&(0, 0)));
            }
        }
    }
}
