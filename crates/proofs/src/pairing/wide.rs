//! Products in the quadratic field, whose reductions are put off until they are added up.
//!
//! Elements are 256-bit numbers below p in Montgomery form. As p is below 2^254 there is room for sums before a product
//! and after it, and one reduction serves several products (Aranha et al., eprint 2010/526, section 3).

use ark_bn254::{Fq, Fq2};
use ark_ff::{AdditiveGroup, Field};

use super::limbs::{Limbs, P, add_unreduced, element, modulus_if, subtract, subtract_modulus};

/// −p^-1 modulo 2^64. Newton's iteration doubles the correct bits, of which an odd number's own inverse has three.
const NEGATED_INVERSE: u64 = {
    let mut inverse = P[0];
    let mut doublings = 0;
    while doublings < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(P[0].wrapping_mul(inverse)));
        doublings += 1;
    }
    inverse.wrapping_neg()
};

/// An element of the quadratic field before its reduction: 512-bit numbers, the first in two's complement.
///
/// Karatsuba's tricks add and subtract products as integers, so what is left in the end is what the schoolbook's sum
/// would be: with n products of elements, the first coefficient is between −n·p² and n·p², the second between 0 and
/// 2n·p². Five times p² is less than p·2^256, six times p² is more.
#[derive(Clone, Copy)]
pub(super) struct Wide {
    re: [u64; 8],
    im: [u64; 8],
}

impl Wide {
    #[inline(always)]
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self { re: add_wide(&self.re, &other.re), im: add_wide(&self.im, &other.im) }
    }

    #[inline(always)]
    pub(super) fn minus(&self, other: &Self) -> Self {
        Self { re: subtract_wide(&self.re, &other.re), im: subtract_wide(&self.im, &other.im) }
    }

    /// The reduced element, of a sum of at most two products.
    #[inline(never)]
    pub(super) fn reduce(&self) -> Fq2 {
        Fq2::new(
            element(&subtract_modulus(&self.re_reduced())),
            element(&subtract_modulus(&reduced(&self.im))),
        )
    }

    /// The reduced element, of a sum of at most three products.
    #[inline(never)]
    pub(super) fn reduce_three(&self) -> Fq2 {
        let im = subtract_modulus(&reduced(&self.im));
        Fq2::new(element(&subtract_modulus(&self.re_reduced())), element(&subtract_modulus(&im)))
    }

    /// The first coefficient below 2p. One that is negative becomes positive by p·2^256.
    #[inline(always)]
    fn re_reduced(&self) -> Limbs {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = self.re;
        let [r4, r5, r6, r7] = add_unreduced(&[r4, r5, r6, r7], &modulus_if(r7 >> 63 == 1));
        reduced(&[r0, r1, r2, r3, r4, r5, r6, r7])
    }
}

/// a·b, whose coefficients need not be below p but below 2p, with three long products.
#[inline(never)]
pub(super) fn product2(a: &Loose, b: &Loose) -> Wide {
    let (low, high) = (product(&a.re, &b.re), product(&a.im, &b.im));
    // Below (4p)², hence without a carry; and no less than the other two together.
    let mixed = product(&add_unreduced(&a.re, &a.im), &add_unreduced(&b.re, &b.im));
    let im = subtract_wide(&subtract_wide(&mixed, &low), &high);
    Wide { re: subtract_wide(&low, &high), im }
}

/// An element of the quadratic field with coefficients below 2p, in Montgomery form.
#[derive(Clone, Copy)]
pub(super) struct Loose {
    re: Limbs,
    im: Limbs,
}

impl Loose {
    #[inline(always)]
    pub(super) fn sum(a: &Fq2, b: &Fq2) -> Self {
        Self { re: add_unreduced(&a.c0.0.0, &b.c0.0.0), im: add_unreduced(&a.c1.0.0, &b.c1.0.0) }
    }
}

impl From<&Fq2> for Loose {
    #[inline(always)]
    fn from(value: &Fq2) -> Self {
        Self { re: value.c0.0.0, im: value.c1.0.0 }
    }
}

/// a·b in the quadratic field.
#[inline(never)]
pub(crate) fn mul2(a: &Fq2, b: &Fq2) -> Fq2 {
    product2(&a.into(), &b.into()).reduce()
}

/// a² in the quadratic field.
#[inline(never)]
pub(crate) fn square2(a: &Fq2) -> Fq2 {
    let (a0, a1) = (&a.c0.0.0, &a.c1.0.0);
    Fq2::new(single(&subtract(a0, a1), &add_unreduced(a0, a1)), single(a0, &add_unreduced(a1, a1)))
}

/// The norm, which is the first coefficient squared and the second squared.
#[inline(never)]
pub(super) fn norm(a: &Fq2) -> Fq {
    let (a0, a1) = (&a.c0.0.0, &a.c1.0.0);
    element(&subtract_modulus(&reduced(&add_wide(&product(a0, a0), &product(a1, a1)))))
}

/// a·b for a below p and b below 2p.
#[inline(always)]
fn single(a: &Limbs, b: &Limbs) -> Fq {
    element(&subtract_modulus(&reduced(&product(a, b))))
}

// Straight lines instead of loops over arrays: what never is an array in memory stays in registers.

#[inline(always)]
fn product(a: &Limbs, b: &Limbs) -> [u64; 8] {
    let [b0, b1, b2, b3] = *b;
    let (r0, row) = add_product(a, b0, [0; 4]);
    let (r1, row) = add_product(a, b1, row);
    let (r2, row) = add_product(a, b2, row);
    let (r3, [r4, r5, r6, r7]) = add_product(a, b3, row);
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

/// a·b + row, the lowest limb apart.
#[inline(always)]
fn add_product(a: &Limbs, b: u64, row: Limbs) -> (u64, Limbs) {
    let ([a0, a1, a2, a3], [r0, r1, r2, r3]) = (*a, row);
    let (s0, carry) = a0.carrying_mul_add(b, r0, 0);
    let (s1, carry) = a1.carrying_mul_add(b, r1, carry);
    let (s2, carry) = a2.carrying_mul_add(b, r2, carry);
    let (s3, s4) = a3.carrying_mul_add(b, r3, carry);
    (s0, [s1, s2, s3, s4])
}

/// A number below p·2^256 divided by 2^256 modulo p, below 2p. One below 2p·2^256 gives a number below 3p.
#[inline(always)]
fn reduced(value: &[u64; 8]) -> Limbs {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = *value;
    let (low, carry) = drop_limb([v0, v1, v2, v3], v4, false);
    let (low, carry) = drop_limb(low, v5, carry);
    let (low, carry) = drop_limb(low, v6, carry);
    let (low, _) = drop_limb(low, v7, carry);
    low
}

/// Adds the multiple of p that clears the lowest limb, drops that limb and takes in the next.
#[inline(always)]
fn drop_limb(value: Limbs, next: u64, carry_in: bool) -> (Limbs, bool) {
    let quotient = value[0].wrapping_mul(NEGATED_INVERSE);
    let (_, [s1, s2, s3, carry]) = add_product(&P, quotient, value);
    let (s4, carry_out) = next.carrying_add(carry, carry_in);
    ([s1, s2, s3, s4], carry_out)
}

/// a + b modulo 2^512.
#[inline(always)]
fn add_wide(a: &[u64; 8], b: &[u64; 8]) -> [u64; 8] {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], [b0, b1, b2, b3, b4, b5, b6, b7]) = (*a, *b);
    let (s0, carry) = a0.overflowing_add(b0);
    let (s1, carry) = a1.carrying_add(b1, carry);
    let (s2, carry) = a2.carrying_add(b2, carry);
    let (s3, carry) = a3.carrying_add(b3, carry);
    let (s4, carry) = a4.carrying_add(b4, carry);
    let (s5, carry) = a5.carrying_add(b5, carry);
    let (s6, carry) = a6.carrying_add(b6, carry);
    let (s7, _) = a7.carrying_add(b7, carry);
    [s0, s1, s2, s3, s4, s5, s6, s7]
}

/// a − b modulo 2^512.
#[inline(always)]
fn subtract_wide(a: &[u64; 8], b: &[u64; 8]) -> [u64; 8] {
    let ([a0, a1, a2, a3, a4, a5, a6, a7], [b0, b1, b2, b3, b4, b5, b6, b7]) = (*a, *b);
    let (d0, borrow) = a0.overflowing_sub(b0);
    let (d1, borrow) = a1.borrowing_sub(b1, borrow);
    let (d2, borrow) = a2.borrowing_sub(b2, borrow);
    let (d3, borrow) = a3.borrowing_sub(b3, borrow);
    let (d4, borrow) = a4.borrowing_sub(b4, borrow);
    let (d5, borrow) = a5.borrowing_sub(b5, borrow);
    let (d6, borrow) = a6.borrowing_sub(b6, borrow);
    let (d7, _) = a7.borrowing_sub(b7, borrow);
    [d0, d1, d2, d3, d4, d5, d6, d7]
}

/// Inverts all non-zero elements with one inversion; zeros stay.
pub(crate) fn invert_all(values: &mut [Fq]) {
    let mut product = Fq::ONE;
    let before: Vec<Fq> = values
        .iter()
        .map(|value| {
            let before = product;
            if *value != Fq::ZERO {
                product *= value;
            }
            before
        })
        .collect();
    let Some(mut inverse) = product.inverse() else { return };
    for (value, before) in values.iter_mut().zip(before).rev() {
        if *value != Fq::ZERO {
            let own = inverse * before;
            inverse *= *value;
            *value = own;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::limbs::tests::{fq, fq2},
        *,
    };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn products_and_squares(a in fq2(), b in fq2()) {
            prop_assert_eq!(mul2(&a, &b), a * b);
            prop_assert_eq!(square2(&a), a * a);
            prop_assert_eq!(norm(&a), a.c0 * a.c0 + a.c1 * a.c1);
        }

        #[test]
        fn sums_of_products(a in [fq2(), fq2(), fq2()], b in [fq2(), fq2(), fq2()]) {
            let [c0, c1, c2] = [0, 1, 2].map(|k| product2(&(&a[k]).into(), &(&b[k]).into()));
            prop_assert_eq!(c0.plus(&c1).reduce(), a[0] * b[0] + a[1] * b[1]);
            let expected = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
            prop_assert_eq!(c0.plus(&c1).plus(&c2).reduce_three(), expected);
            let mixed = product2(&Loose::sum(&a[0], &a[1]), &Loose::sum(&b[0], &b[1]));
            prop_assert_eq!(mixed.minus(&c0).minus(&c1).reduce(), a[0] * b[1] + a[1] * b[0]);
        }

        #[test]
        fn inverses(values in prop::collection::vec(fq(), 0..8)) {
            let mut inverses = values.clone();
            invert_all(&mut inverses);
            for (value, inverse) in values.iter().zip(inverses) {
                prop_assert_eq!(inverse, value.inverse().unwrap_or(Fq::ZERO));
            }
        }
    }
}
