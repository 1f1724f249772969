//! Products of BN254 pairings, arranged for many pairs at a time.
//!
//! The optimal ate pairing (Vercauteren, eprint 2008/096) multiplies up lines through multiples of the point of G2,
//! evaluated at the point of G1. Three things make the product of many cheaper than its parts:
//!
//! - One accumulator serves all pairs, so it is squared once for each digit of the loop and not once for each pair.
//! - Every line is divided by its value's first coefficient, which lies in a subfield that the final exponentiation
//!   maps to one. A line is then 1 + a·w + b·w³, and the accumulator's product with it is a sum of two products in the
//!   quadratic field for each coefficient; see [`tower::mul_by_line`].
//! - Slopes are affine and computed for all points in lock-step, with one inversion for each step; see [`Lines`].
//!
//! The Miller values differ from other implementations' by factors that the final exponentiation kills; after it the
//! results are the same elements.

mod exponentiation;
mod limbs;
mod lines;
mod tower;
mod wide;

use ark_bn254::{Config, Fq, Fq12, G1Projective};
use ark_ec::bn::BnConfig;
use ark_ff::{AdditiveGroup, Field};

use crate::parallel;

pub(crate) use self::{
    exponentiation::final_exponentiation,
    limbs::{sub1, sub2},
    lines::Lines,
    wide::{invert_all, mul2, square2},
};

/// The digits of 6x + 2 below the leading one, the most significant first.
fn digits() -> impl Iterator<Item = i8> {
    Config::ATE_LOOP_COUNT.iter().rev().skip(1).copied()
}

/// What a line's coefficients are multiplied by to evaluate it at a point (x, y) of G1: −x/y and 1/y.
struct Evaluation {
    slope: Fq,
    constant: Fq,
}

/// The Miller value of Π e(point, lines' point), without the final exponentiation.
///
/// Pairs with an identity count as one. In a pool each thread takes a share of the pairs.
pub(crate) fn miller_product(pairs: &[(G1Projective, &Lines)]) -> Fq12 {
    let mut inverses: Vec<Fq> =
        pairs.iter().map(|(point, _)| if point.z == Fq::ZERO { Fq::ZERO } else { point.y }).collect();
    invert_all(&mut inverses);
    let evaluated: Vec<(Evaluation, &Lines)> = pairs
        .iter()
        .zip(&inverses)
        .filter(|((point, lines), _)| point.z != Fq::ZERO && !lines.is_identity())
        .map(|((point, lines), inverse)| {
            // In Jacobian coordinates x = X/Z² and y = Y/Z³, so neither needs an inverse of Z.
            let scaled = point.z * inverse;
            (Evaluation { slope: -(point.x * scaled), constant: point.z.square() * scaled }, *lines)
        })
        .collect();
    shares(&evaluated, share_product)
}

/// Fewer pairs than this are not worth a thread of their own: its squarings cost as much as the lines of two pairs.
const LEAST_SHARE: usize = 8;

fn shares<T: Sync>(pairs: &[T], work: impl Fn(&[T]) -> Fq12 + Send + Sync) -> Fq12 {
    let products = parallel::map_shares(pairs, LEAST_SHARE, work);
    products.into_iter().reduce(|left, right| tower::mul(&left, &right)).unwrap_or(Fq12::ONE)
}

fn share_product(pairs: &[(Evaluation, &Lines)]) -> Fq12 {
    let mut product = Fq12::ONE;
    let mut step = 0;
    let mut multiply = |product: &mut Fq12| {
        for (at, lines) in pairs {
            if let Some(line) = lines.at(step) {
                tower::mul_by_line(product, &line.evaluate(at));
            }
        }
        step += 1;
    };
    for (position, digit) in digits().enumerate() {
        if position > 0 {
            product = tower::square(&product);
        }
        multiply(&mut product);
        if digit != 0 {
            multiply(&mut product);
        }
    }
    // The two lines through the Frobenius images of the point.
    multiply(&mut product);
    multiply(&mut product);
    product
}

#[cfg(test)]
mod tests {
    use ark_bn254::{Bn254, Fr, G1Affine, G2Affine, G2Projective};
    use ark_ec::{AffineRepr, CurveGroup, pairing::Pairing};
    use ark_ff::PrimeField;
    use proptest::prelude::*;

    use super::*;

    /// Mostly different multipliers; zero gives the identity, small ones repeat.
    fn multiplier() -> impl Strategy<Value = Fr> {
        prop_oneof![
            1 => Just(Fr::ZERO),
            2 => (1u64..4).prop_map(Fr::from),
            1 => (1u64..4).prop_map(|small| -Fr::from(small)),
            6 => any::<[u8; 32]>().prop_map(|bytes| Fr::from_le_bytes_mod_order(&bytes)),
        ]
    }

    fn product(g1: &[G1Projective], g2: &[G2Affine]) -> Fq12 {
        let lines = Lines::batch(g2);
        let pairs: Vec<_> = g1.iter().copied().zip(&lines).collect();
        final_exponentiation(&miller_product(&pairs)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn products_are_those_of_the_reference(
            pairs in prop::collection::vec((multiplier(), multiplier()), 0..=70),
        ) {
            let (p, q): (Vec<_>, Vec<_>) = pairs
                .iter()
                .map(|(p, q)| (G1Affine::generator() * p, (G2Affine::generator() * q).into_affine()))
                .unzip();
            let expected = Bn254::multi_pairing(G1Projective::normalize_batch(&p), &q).0;
            prop_assert_eq!(product(&p, &q), expected);
        }
    }

    #[test]
    fn every_number_of_pairs_at_which_the_method_changes() {
        let g1: Vec<G1Projective> = (1..20u64).map(|k| G1Affine::generator() * Fr::from(k)).collect();
        let g2: Vec<G2Projective> = (1..20u64).map(|k| G2Affine::generator() * Fr::from(k * k + 7)).collect();
        let g2 = G2Projective::normalize_batch(&g2);
        for count in 0..20 {
            let expected = Bn254::multi_pairing(G1Projective::normalize_batch(&g1[..count]), &g2[..count]).0;
            assert_eq!(product(&g1[..count], &g2[..count]), expected, "{count}");
        }
    }

    #[test]
    fn a_pairing_and_its_inverse_cancel_out() {
        let (p, q) = (G1Projective::from(G1Affine::generator()), G2Affine::generator());
        assert_eq!(product(&[p, -p], &[q, q]), Fq12::ONE);
        assert_eq!(product(&[p, p], &[q, -q]), Fq12::ONE);
        assert_ne!(product(&[p, p], &[q, q]), Fq12::ONE);
    }
}
