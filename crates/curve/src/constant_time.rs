//! Choosing, negating and inverting in a sequence of operations that does not depend on the values.
//!
//! What remains is the field library's: its sums and products subtract the modulus only where the result reached it.

use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fq};
use ark_ff::{AdditiveGroup, BigInt, Field, Fp, FpConfig, PrimeField};
use subtle::{Choice, ConditionallySelectable};

/// The choice that a bit stands for.
pub(crate) fn choice(bit: bool) -> Choice {
    Choice::from(u8::from(bit))
}

/// `a`, or `b` if chosen.
pub(crate) fn select<P: FpConfig<4>>(a: &Fp<P, 4>, b: &Fp<P, 4>, choice: Choice) -> Fp<P, 4> {
    let mut limbs = BigInt([0; 4]);
    for (limb, (a, b)) in limbs.0.iter_mut().zip(a.0.0.iter().zip(&b.0.0)) {
        *limb = u64::conditional_select(a, b, choice);
    }
    Fp(limbs, core::marker::PhantomData)
}

/// The value, or its negative if chosen.
pub(crate) fn negate_if<P: FpConfig<4>>(value: &Fp<P, 4>, choice: Choice) -> Fp<P, 4> {
    select(value, &-*value, choice)
}

/// A point in either form the walks add.
pub(crate) trait Select: Copy {
    /// `a`, or `b` if chosen.
    fn select(a: &Self, b: &Self, choice: Choice) -> Self;

    /// The point, or its negative if chosen.
    fn negate_if(&self, choice: Choice) -> Self;
}

impl Select for EdwardsAffine {
    fn select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self::new_unchecked(select(&a.x, &b.x, choice), select(&a.y, &b.y, choice))
    }

    fn negate_if(&self, choice: Choice) -> Self {
        Self::new_unchecked(negate_if(&self.x, choice), self.y)
    }
}

impl Select for EdwardsProjective {
    fn select(a: &Self, b: &Self, choice: Choice) -> Self {
        let [x, y, t, z] =
            [(a.x, b.x), (a.y, b.y), (a.t, b.t), (a.z, b.z)].map(|(a, b)| select(&a, &b, choice));
        Self { x, y, t, z }
    }

    fn negate_if(&self, choice: Choice) -> Self {
        Self { x: negate_if(&self.x, choice), y: self.y, t: negate_if(&self.t, choice), z: self.z }
    }
}

/// The entry of a table of four, by two bits; reads all of them.
pub(crate) fn select_of_four<T: Select>([a, b, c, d]: &[T; 4], low: Choice, high: Choice) -> T {
    T::select(&T::select(a, b, low), &T::select(c, d, low), high)
}

/// The inverse, zero for zero: by Fermat's theorem, with an exponent that is the same for all values.
pub(crate) fn invert(value: &Fq) -> Fq {
    const WINDOW: usize = 4;
    // value^0 … value^15.
    let mut powers = [Fq::ONE; 1 << WINDOW];
    let mut power = Fq::ONE;
    for slot in powers.iter_mut().skip(1) {
        power *= value;
        *slot = power;
    }
    let mut exponent = Fq::MODULUS;
    // p is odd and larger than two, so nothing is borrowed.
    exponent.0[0] -= 2;
    let mut result = Fq::ONE;
    for limb in exponent.0.iter().rev() {
        for shift in (0..u64::BITS).step_by(WINDOW).rev() {
            for _ in 0..WINDOW {
                result.square_in_place();
            }
            let digit = usize::try_from(limb >> shift & ((1 << WINDOW) - 1)).unwrap_or_default();
            result *= powers.get(digit).copied().unwrap_or(Fq::ZERO);
        }
    }
    result
}

/// The affine form of a point, the identity included.
pub(crate) fn to_affine(point: &EdwardsProjective) -> EdwardsAffine {
    let inverse = invert(&point.z);
    EdwardsAffine::new_unchecked(point.x * inverse, point.y * inverse)
}

#[cfg(test)]
mod tests {
    use ark_ec::{AffineRepr, CurveGroup};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zero_has_zero_for_inverse_and_one_itself() {
        assert_eq!(invert(&Fq::ZERO), Fq::ZERO);
        assert_eq!(invert(&Fq::ONE), Fq::ONE);
        assert_eq!(invert(&-Fq::ONE), -Fq::ONE);
    }

    #[test]
    fn the_identity_has_an_affine_form() {
        assert_eq!(to_affine(&EdwardsProjective::ZERO), EdwardsAffine::zero());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn inverses_and_choices_are_what_they_say(bytes in any::<[u8; 32]>(), index in 0u8..4, negative in any::<bool>()) {
            let value = Fq::from_le_bytes_mod_order(&bytes);
            prop_assert_eq!(invert(&value), value.inverse().unwrap_or(Fq::ZERO));
            let base = EdwardsAffine::generator();
            let table = [1u64, 2, 3, 4].map(|n| base * ark_ed_on_bn254::Fr::from(n));
            let chosen = select_of_four(&table, choice(index & 1 == 1), choice(index & 2 == 2));
            prop_assert_eq!(chosen, table[usize::from(index)]);
            let affine = table.map(|point| point.into_affine());
            let chosen = select_of_four(&affine, choice(index & 1 == 1), choice(index & 2 == 2));
            prop_assert_eq!(chosen, affine[usize::from(index)]);
            let signed = |point: EdwardsProjective| if negative { -point } else { point };
            prop_assert_eq!(chosen.negate_if(choice(negative)).into_group(), signed(chosen.into_group()));
            let point = table[usize::from(index)];
            prop_assert_eq!(point.negate_if(choice(negative)), signed(point));
            prop_assert_eq!(to_affine(&point), point.into_affine());
        }
    }
}
