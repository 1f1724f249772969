//! Bits, and the decomposition of a field element that leaves a prover no choice.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField};

use super::builder::{Builder, Linear};

/// Bits of the field's modulus.
pub(super) const FIELD_BITS: usize = 254;

/// Leading bits compared with the modulus.
const COMPARED: usize = 64;

/// A variable that is demanded to be zero or one.
#[derive(Clone)]
pub(crate) struct Bit {
    pub(super) linear: Linear,
    pub(super) value: bool,
}

impl Bit {
    /// A free bit: one constraint.
    pub(super) fn allocate(builder: &mut Builder, value: bool) -> Self {
        let linear = builder.allocate(Fr::from(value));
        let less_one = &linear - &builder.constant(Fr::ONE);
        builder.enforce(&less_one, &linear, &Linear::default());
        Self { linear, value }
    }

    /// A bit that must be zero where `bound` is one: a·(1 − bound − a) = 0, for a `bound` that is zero or one.
    fn allocate_below(builder: &mut Builder, value: bool, bound: Option<&Linear>) -> Self {
        let linear = builder.allocate(Fr::from(value));
        let mut rest = &builder.constant(Fr::ONE) - &linear;
        if let Some(bound) = bound {
            rest = &rest - bound;
        }
        builder.enforce(&rest, &linear, &Linear::default());
        Self { linear, value }
    }

    /// The sign σ: −1 or +1.
    pub(super) fn sign(&self, builder: &Builder) -> Linear {
        &(&self.linear + &self.linear) - &builder.constant(Fr::ONE)
    }
}

/// The 254 bits of a field element, least significant first; `None` in the rare case that the element's leading 64 bits
/// equal the modulus'.
///
/// x and x + p both fit 254 bits for small x, so the bits must be shown to spell an integer below p. Comparing the
/// leading 64 bits only is sound (strictly smaller there means smaller) and leaves out one element in 2^62.
pub(super) fn decompose(builder: &mut Builder, element: &Linear) -> Option<Vec<Bit>> {
    let integer = element.value().into_bigint();
    let lowest = FIELD_BITS - COMPARED;
    if (lowest..FIELD_BITS).all(|index| bit(&integer, index) == bit(&Fr::MODULUS, index)) {
        return None;
    }
    Some(decompose_as(builder, element, |index| bit(&integer, index)))
}

/// As [`decompose`], with the bits a prover claims.
pub(super) fn decompose_as(
    builder: &mut Builder,
    element: &Linear,
    claim: impl Fn(usize) -> bool,
) -> Vec<Bit> {
    let lowest = FIELD_BITS - COMPARED;
    let mut descending: Vec<Bit> = Vec::with_capacity(FIELD_BITS);
    // One iff all bits so far where the modulus has a one are ones. Where it has a zero, `allocate_below` forces a zero
    // as long as that holds, so it says that the prefix equals the modulus'.
    let mut equal: Option<Linear> = None;
    let mut index = FIELD_BITS;
    while index > lowest {
        let top = index;
        while index > lowest && bit(&Fr::MODULUS, index - 1) {
            index -= 1;
        }
        if index < top {
            let mut factors: Vec<Linear> = equal.into_iter().collect();
            for position in (index..top).rev() {
                let bit = Bit::allocate(builder, claim(position));
                factors.push(bit.linear.clone());
                descending.push(bit);
            }
            equal = Some(conjunction(builder, &factors));
        } else {
            index -= 1;
            descending.push(Bit::allocate_below(builder, claim(index), equal.as_ref()));
        }
    }
    if let Some(equal) = &equal {
        let one = builder.constant(Fr::ONE);
        builder.enforce(equal, &one, &Linear::default());
    }
    for index in (0..lowest).rev() {
        descending.push(Bit::allocate(builder, claim(index)));
    }
    descending.reverse();
    let mut power = Fr::ONE;
    let sum = Linear::sum(descending.iter().map(|bit| {
        let coefficient = power;
        power.double_in_place();
        (coefficient, &bit.linear)
    }));
    let one = builder.constant(Fr::ONE);
    builder.enforce(&sum, &one, element);
    descending
}

/// The product of zeros and ones: by multiplication for up to three, else as "the number of zeros is zero".
fn conjunction(builder: &mut Builder, factors: &[Linear]) -> Linear {
    if let [first, rest @ ..] = factors
        && rest.len() <= 2
    {
        return rest.iter().fold(first.clone(), |product, factor| builder.product(&product, factor));
    }
    let mut zeros = builder.constant(Fr::from(factors.len() as u64));
    for factor in factors {
        zeros = &zeros - factor;
    }
    // z·w = 1 − e and z·e = 0: e = 1 iff z = 0.
    let inverse = zeros.value().inverse();
    let equal = builder.allocate(Fr::from(inverse.is_none()));
    let witness = builder.allocate(inverse.unwrap_or(Fr::ZERO));
    let complement = &builder.constant(Fr::ONE) - &equal;
    builder.enforce(&zeros, &witness, &complement);
    builder.enforce(&zeros, &equal, &Linear::default());
    equal
}

pub(super) fn bit(integer: &BigInt<4>, index: usize) -> bool {
    integer.0.get(index / 64).is_some_and(|limb| limb >> (index % 64) & 1 == 1)
}
