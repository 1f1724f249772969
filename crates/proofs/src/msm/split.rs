//! Scalars split in two of half the length.
//!
//! Both groups have an endomorphism that multiplies the coordinate x by a cube root of one and the point by λ with
//! 1 + λ + λ² = 0 modulo the order (Gallant, Lambert and Vanstone, CRYPTO 2001). The pairs (a, b) with a + λ·b = 0 form
//! a lattice with the basis (−A, B), (−B, −D). From (k, 0) its nearest element, or almost, is subtracted, which leaves
//! (k₁, k₂) with k = k₁ + λ·k₂ and both below 2^127 in absolute value.

use ark_bn254::{Fq, Fq2, Fr, g1, g2};
use ark_ec::{scalar_mul::glv::GLVConfig, short_weierstrass::SWCurveConfig};
use ark_ff::{BigInt, Field, PrimeField};

use crate::pairing::{mul2, square2, sub1, sub2};

const A: u128 = 147_946_756_881_789_319_000_765_030_803_803_410_728;
const B: u128 = 9_931_322_734_385_697_763;
const D: u128 = A + B;

/// ⌊2^256·D/p⌋, least significant limb first.
const D_RECIPROCAL: [u64; 4] = reciprocal(D);
/// ⌊2^256·B/p⌋.
const B_RECIPROCAL: [u64; 4] = reciprocal(B);

/// Long division bit by bit: ⌊2^256·value/p⌋ for a value below p.
const fn reciprocal(value: u128) -> [u64; 4] {
    let [p0, p1, p2, p3] = Fr::MODULUS.0;
    let (p_low, p_high) = (p0 as u128 | (p1 as u128) << 64, p2 as u128 | (p3 as u128) << 64);
    let (mut low, mut high) = (value, 0u128);
    let [mut q0, mut q1, mut q2, mut q3] = [0u64; 4];
    let mut bits = 256;
    while bits > 0 {
        bits -= 1;
        high = high << 1 | low >> 127;
        low <<= 1;
        let fits = high > p_high || (high == p_high && low >= p_low);
        [q0, q1, q2, q3] =
            [q0 << 1 | fits as u64, q1 << 1 | q0 >> 63, q2 << 1 | q1 >> 63, q3 << 1 | q2 >> 63];
        if fits {
            let borrow = low < p_low;
            low = low.wrapping_sub(p_low);
            high = high - p_high - borrow as u128;
        }
    }
    [q0, q1, q2, q3]
}

/// k₁ and k₂ of a scalar below p.
pub(super) fn split(scalar: &BigInt<4>) -> [i128; 2] {
    let [s0, s1, ..] = scalar.0;
    let low = u128::from(s0) | u128::from(s1) << 64;
    let (c1, c2) = (rounded_product(&scalar.0, &D_RECIPROCAL), rounded_product(&scalar.0, &B_RECIPROCAL));
    // The results fit, so arithmetic modulo 2^128 is enough.
    let first = low.wrapping_sub(c1.wrapping_mul(A)).wrapping_sub(c2.wrapping_mul(B));
    let second = c1.wrapping_mul(B).wrapping_sub(c2.wrapping_mul(D));
    [first.cast_signed(), second.cast_signed()]
}

/// ⌊a·b/2^256 + 1/2⌋, which is below 2^128.
fn rounded_product(a: &[u64; 4], b: &[u64; 4]) -> u128 {
    let mut row = [0u64; 4];
    let mut dropped = 0;
    for b in b {
        let [r0, r1, r2, r3] = row;
        let [a0, a1, a2, a3] = *a;
        let carry;
        (dropped, carry) = a0.carrying_mul_add(*b, r0, 0);
        let (s1, carry) = a1.carrying_mul_add(*b, r1, carry);
        let (s2, carry) = a2.carrying_mul_add(*b, r2, carry);
        let (s3, s4) = a3.carrying_mul_add(*b, r3, carry);
        row = [s1, s2, s3, s4];
    }
    let [low, high, ..] = row;
    (u128::from(low) | u128::from(high) << 64).wrapping_add(u128::from(dropped >> 63))
}

/// A curve with an endomorphism that is a multiplication by the λ of [`split`], and the fastest arithmetic there is for
/// its coordinates.
pub(crate) trait Endomorphic: SWCurveConfig {
    /// The coordinate x of the image of a point with this x; y stays.
    fn image(x: &Self::BaseField) -> Self::BaseField;
    /// a − b.
    fn subtract(a: &Self::BaseField, b: &Self::BaseField) -> Self::BaseField;
    /// a·b.
    fn multiply(a: &Self::BaseField, b: &Self::BaseField) -> Self::BaseField;
    /// a².
    fn square(a: &Self::BaseField) -> Self::BaseField;
}

impl Endomorphic for g1::Config {
    fn image(x: &Fq) -> Fq {
        let [beta] = Self::ENDO_COEFFS else { return *x };
        *x * beta
    }

    #[inline(always)]
    fn subtract(a: &Fq, b: &Fq) -> Fq {
        sub1(a, b)
    }

    #[inline(always)]
    fn multiply(a: &Fq, b: &Fq) -> Fq {
        *a * b
    }

    #[inline(always)]
    fn square(a: &Fq) -> Fq {
        a.square()
    }
}

impl Endomorphic for g2::Config {
    fn image(x: &Fq2) -> Fq2 {
        // The same root multiplies the points of G2 by λ², so its square does by λ.
        let [beta] = Self::ENDO_COEFFS else { return *x };
        let square = beta.c0.square();
        Fq2::new(x.c0 * square, x.c1 * square)
    }

    #[inline(always)]
    fn subtract(a: &Fq2, b: &Fq2) -> Fq2 {
        sub2(a, b)
    }

    #[inline(always)]
    fn multiply(a: &Fq2, b: &Fq2) -> Fq2 {
        mul2(a, b)
    }

    #[inline(always)]
    fn square(a: &Fq2) -> Fq2 {
        square2(a)
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::{G1Affine, G2Affine};
    use ark_ec::{AffineRepr, CurveGroup};
    use proptest::prelude::*;

    use super::*;

    fn lambda() -> Fr {
        g1::Config::LAMBDA
    }

    fn joined([first, second]: [i128; 2]) -> Fr {
        let signed = |part: i128| {
            let magnitude = Fr::from(part.unsigned_abs());
            if part < 0 { -magnitude } else { magnitude }
        };
        signed(first) + lambda() * signed(second)
    }

    fn check(scalar: Fr) {
        let parts = split(&scalar.into_bigint());
        assert_eq!(joined(parts), scalar);
        assert!(parts.iter().all(|part| part.unsigned_abs() < 1 << 127), "{parts:?}");
    }

    #[test]
    fn edges_are_split() {
        let one = Fr::ONE;
        for scalar in [Fr::from(0u64), one, -one, lambda(), -lambda(), lambda() * lambda()] {
            for scalar in [scalar - one, scalar, scalar + one] {
                check(scalar);
            }
        }
        // Where a product with a reciprocal is about to round the other way: odd multiples of p/(2D) and of p/(2B).
        for divisor in [D, B] {
            let half = Fr::from(2u64) * Fr::from(divisor);
            for odd in [1u64, 3, 5, 1_000_001] {
                let near = Fr::from(odd) / half;
                for scalar in [near - one, near, near + one] {
                    check(scalar);
                }
            }
        }
    }

    #[test]
    fn parts_become_as_long_as_half_the_order() {
        // In the middle of a cell of the lattice both parts are about as long as they can be.
        let scalar = Fr::from(A / 2) + lambda() * Fr::from(D / 2);
        let parts = split(&scalar.into_bigint());
        check(scalar);
        assert!(parts.iter().any(|part| part.unsigned_abs() > 1 << 125));
    }

    #[test]
    fn small_scalars_stay_small_whatever_their_sign() {
        for small in [1u64, 2, 65_535] {
            assert_eq!(split(&Fr::from(small).into_bigint()), [i128::from(small), 0]);
            assert_eq!(split(&(-Fr::from(small)).into_bigint()), [-i128::from(small), 0]);
        }
    }

    #[test]
    fn the_endomorphisms_multiply_by_lambda() {
        let p = (G1Affine::generator() * Fr::from(9u64)).into_affine();
        let image = G1Affine::new_unchecked(<g1::Config as Endomorphic>::image(&p.x), p.y);
        assert_eq!(image, (p * lambda()).into_affine());
        let q = (G2Affine::generator() * Fr::from(9u64)).into_affine();
        let image = G2Affine::new_unchecked(<g2::Config as Endomorphic>::image(&q.x), q.y);
        assert_eq!(image, (q * lambda()).into_affine());
    }

    proptest! {
        #[test]
        fn parts_add_up_and_are_short(bytes in any::<[u8; 32]>()) {
            check(Fr::from_le_bytes_mod_order(&bytes));
        }
    }
}
