//! Additions in the base field and the quadratic field without branches.
//!
//! Whether a sum exceeds p is as good as random, and a processor that guesses wrong loses more than the addition costs.

use ark_bn254::{Fq, Fq2};
use ark_ff::{BigInt, PrimeField};

/// A number of 256 bits, the least significant limb first.
pub(super) type Limbs = [u64; 4];

/// The modulus of the base field.
pub(super) const P: Limbs = Fq::MODULUS.0;

/// The element with this Montgomery form, which must be below p.
#[inline(always)]
pub(super) const fn element(limbs: &Limbs) -> Fq {
    Fq::new_unchecked(BigInt(*limbs))
}

/// a + b modulo 2^256.
#[inline(always)]
pub(super) fn add_unreduced(a: &Limbs, b: &Limbs) -> Limbs {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (*a, *b);
    let (s0, carry) = a0.overflowing_add(b0);
    let (s1, carry) = a1.carrying_add(b1, carry);
    let (s2, carry) = a2.carrying_add(b2, carry);
    let (s3, _) = a3.carrying_add(b3, carry);
    [s0, s1, s2, s3]
}

/// a − b modulo 2^256, and whether it is negative.
#[inline(always)]
pub(super) fn subtract_unreduced(a: &Limbs, b: &Limbs) -> (Limbs, bool) {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (*a, *b);
    let (d0, borrow) = a0.overflowing_sub(b0);
    let (d1, borrow) = a1.borrowing_sub(b1, borrow);
    let (d2, borrow) = a2.borrowing_sub(b2, borrow);
    let (d3, borrow) = a3.borrowing_sub(b3, borrow);
    ([d0, d1, d2, d3], borrow)
}

/// The value below 2p that is congruent to this one and below p.
#[inline(always)]
pub(super) fn subtract_modulus(value: &Limbs) -> Limbs {
    let (difference, negative) = subtract_unreduced(value, &P);
    add_unreduced(&difference, &modulus_if(negative))
}

/// p or zero.
#[inline(always)]
pub(super) fn modulus_if(condition: bool) -> Limbs {
    let mask = 0u64.wrapping_sub(u64::from(condition));
    P.map(|limb| limb & mask)
}

/// a + b modulo p.
#[inline(always)]
fn add(a: &Limbs, b: &Limbs) -> Limbs {
    subtract_modulus(&add_unreduced(a, b))
}

/// a − b modulo p.
#[inline(always)]
pub(super) fn subtract(a: &Limbs, b: &Limbs) -> Limbs {
    let (difference, negative) = subtract_unreduced(a, b);
    add_unreduced(&difference, &modulus_if(negative))
}

/// a + b.
#[inline(always)]
pub(super) fn add2(a: &Fq2, b: &Fq2) -> Fq2 {
    Fq2::new(element(&add(&a.c0.0.0, &b.c0.0.0)), element(&add(&a.c1.0.0, &b.c1.0.0)))
}

/// a − b.
#[inline(always)]
pub(crate) fn sub1(a: &Fq, b: &Fq) -> Fq {
    element(&subtract(&a.0.0, &b.0.0))
}

/// a − b.
#[inline(always)]
pub(crate) fn sub2(a: &Fq2, b: &Fq2) -> Fq2 {
    Fq2::new(element(&subtract(&a.c0.0.0, &b.c0.0.0)), element(&subtract(&a.c1.0.0, &b.c1.0.0)))
}

/// 2·a.
#[inline(always)]
pub(super) fn double2(a: &Fq2) -> Fq2 {
    add2(a, a)
}

/// 3·a.
#[inline(always)]
pub(super) fn triple2(a: &Fq2) -> Fq2 {
    add2(&double2(a), a)
}

/// ξ·a = (9 + u)·a.
#[inline(never)]
pub(super) fn times_xi(a: &Fq2) -> Fq2 {
    let (minus_im, _) = subtract_unreduced(&P, &a.c1.0.0);
    Fq2::new(nine_times_plus(&a.c0.0.0, &minus_im), nine_times_plus(&a.c1.0.0, &a.c0.0.0))
}

/// 9·a + b for a below p and b at most p.
#[inline(always)]
fn nine_times_plus(a: &Limbs, b: &Limbs) -> Fq {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (*a, *b);
    let (s0, carry) = a0.carrying_mul_add(9, b0, 0);
    let (s1, carry) = a1.carrying_mul_add(9, b1, carry);
    let (s2, carry) = a2.carrying_mul_add(9, b2, carry);
    let (s3, s4) = a3.carrying_mul_add(9, b3, carry);
    // 1354/2^16 is a little less than 2^248/p, and the sum is below 10p: the quotient is exact or one too small.
    let quotient = (((s4 << 8) | (s3 >> 56)) * 1354) >> 16;
    let [p0, p1, p2, p3] = P;
    let (q0, carry) = p0.carrying_mul(quotient, 0);
    let (q1, carry) = p1.carrying_mul(quotient, carry);
    let (q2, carry) = p2.carrying_mul(quotient, carry);
    let (q3, _) = p3.carrying_mul(quotient, carry);
    let (rest, _) = subtract_unreduced(&[s0, s1, s2, s3], &[q0, q1, q2, q3]);
    element(&subtract_modulus(&rest))
}

#[cfg(test)]
pub(super) mod tests {
    use ark_bn254::Fq6Config;
    use ark_ff::{AdditiveGroup, Fp6Config};
    use proptest::prelude::*;

    use super::*;

    /// Random elements and those next to the ends of the range, where carries and last subtractions happen.
    pub(in super::super) fn fq() -> impl Strategy<Value = Fq> {
        prop_oneof![
            4 => any::<[u8; 32]>().prop_map(|bytes| Fq::from_le_bytes_mod_order(&bytes)),
            1 => (0u64..3).prop_map(|small| element(&[small, 0, 0, 0])),
            1 => (1u64..4).prop_map(|small| element(&[P[0] - small, P[1], P[2], P[3]])),
            1 => Just(element(&[u64::MAX, u64::MAX, u64::MAX, P[3] - 1])),
        ]
    }

    pub(in super::super) fn fq2() -> impl Strategy<Value = Fq2> {
        (fq(), fq()).prop_map(|(c0, c1)| Fq2::new(c0, c1))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn sums_and_differences(a in fq2(), b in fq2()) {
            prop_assert_eq!(add2(&a, &b), a + b);
            prop_assert_eq!(sub2(&a, &b), a - b);
            prop_assert_eq!(double2(&a), a.double());
            prop_assert_eq!(triple2(&a), a.double() + a);
            prop_assert_eq!(times_xi(&a), Fq6Config::mul_fp2_by_nonresidue(a));
        }
    }
}
