//! Membership in the prime-order subgroup by a pairing with the torsion, after Koshelev (eprint 2022/037).
//!
//! All points of order dividing eight are rational, cyclic, and the base field contains the eighth roots of unity.
//! Hence P ↦ f(P)^((p−1)/8), with f the normalised Miller function of a point T of order eight, is the reduced Tate
//! pairing: a homomorphism to the eighth roots of unity whose kernel is 8·E, which is the subgroup of prime order. One
//! exponentiation in the field takes the place of a multiplication by the group order.

use std::sync::OnceLock;

use ark_ec::twisted_edwards::MontCurveConfig;
use ark_ed_on_bn254::{EdwardsAffine, EdwardsConfig, EdwardsProjective, Fq, Fr};
use ark_ff::{AdditiveGroup, Field, PrimeField};

use crate::digits;

/// The tangents that make up f, on B·v² = u³ + A·u² + u.
struct TorsionLines {
    /// Tangent at T.
    first: Line,
    /// u of 2·T.
    double_u: Fq,
    /// Tangent at 2·T, which meets the curve again in 4·T = (0, 0).
    second: Line,
    /// (p − 1)/8.
    exponent: <Fq as PrimeField>::BigInt,
}

/// v − slope·u − offset.
struct Line {
    slope: Fq,
    offset: Fq,
}

impl Line {
    fn tangent((u, v): (Fq, Fq)) -> Self {
        let a = <EdwardsConfig as MontCurveConfig>::COEFF_A;
        let b = <EdwardsConfig as MontCurveConfig>::COEFF_B;
        let square = u.square();
        let numerator = square.double() + square + (a * u).double() + Fq::ONE;
        // v is zero for the point of order two only, whose tangent is vertical and not used here.
        let slope = numerator * (b * v).double().inverse().unwrap_or(Fq::ZERO);
        Self { slope, offset: v - slope * u }
    }

    fn at(&self, (u, v): (Fq, Fq)) -> Fq {
        v - self.slope * u - self.offset
    }
}

impl TorsionLines {
    fn get() -> &'static Self {
        static LINES: OnceLock<TorsionLines> = OnceLock::new();
        LINES.get_or_init(|| {
            let torsion = torsion_generator();
            let coordinates = digits::to_montgomery(&[torsion, torsion.double()]);
            let at = |index: usize| coordinates.get(index).copied().unwrap_or_default();
            let mut exponent = Fq::MODULUS;
            // p is odd, so shifting drops the one that would be subtracted.
            exponent >>= 3;
            Self { first: Line::tangent(at(0)), double_u: at(1).0, second: Line::tangent(at(1)), exponent }
        })
    }
}

/// A point of order eight: the group order times the first point that yields one.
pub(crate) fn torsion_generator() -> EdwardsProjective {
    let mut y = Fq::ONE;
    loop {
        y += Fq::ONE;
        if let Some(point) = EdwardsAffine::get_point_from_y_unchecked(y, false) {
            let torsion = ark_ec::AffineRepr::mul_bigint(&point, Fr::MODULUS);
            if torsion.double().double() != EdwardsProjective::ZERO {
                return torsion;
            }
        }
    }
}

/// Whether a point of the curve, not the identity, is in the subgroup of prime order.
pub(crate) fn contains(point: &EdwardsAffine) -> bool {
    // The point of order two has no Montgomery coordinates here and comes out as (0, 0), like the identity.
    let Some(inverse) = ((Fq::ONE - point.y) * point.x).inverse() else { return false };
    let scaled = (Fq::ONE + point.y) * inverse;
    pairs_trivially((scaled * point.x, scaled))
}

/// f = l₁⁴·l₂² / (B·u·w⁴), w = u − u(2·T): divisor 8·(T) − 8·(O), leading coefficient one.
///
/// Eighth powers vanish in the exponentiation, so the inverse of a factor is its seventh power.
fn pairs_trivially((u, v): (Fq, Fq)) -> bool {
    let lines = TorsionLines::get();
    let b = <EdwardsConfig as MontCurveConfig>::COEFF_B;
    let fourth = (lines.first.at((u, v)) * (u - lines.double_u)).square().square();
    let divisor = b * u;
    let cube = divisor.square() * divisor;
    let seventh = cube.square() * divisor;
    let f = fourth * lines.second.at((u, v)).square() * seventh;
    f.pow(lines.exponent) == Fq::ONE
}

#[cfg(test)]
mod tests {
    use ark_ec::{AffineRepr, CurveGroup};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn torsion_has_order_eight() {
        let torsion = torsion_generator();
        assert_ne!(torsion.double().double(), EdwardsProjective::ZERO);
        assert_eq!(torsion.double().double().double(), EdwardsProjective::ZERO);
        let two_torsion = torsion.double().double().into_affine();
        assert_eq!((two_torsion.x, two_torsion.y), (Fq::ZERO, -Fq::ONE));
    }

    #[test]
    fn torsion_is_outside() {
        let torsion = torsion_generator();
        let mut point = torsion;
        for multiple in 1..8 {
            assert!(!contains(&point.into_affine()), "{multiple}");
            point += torsion;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn agrees_with_multiplication_by_the_order(scalar in any::<[u8; 32]>(), shift in 0u64..8) {
            let scalar = Fr::from_le_bytes_mod_order(&scalar);
            let inside = EdwardsAffine::generator() * scalar;
            let point = (inside + torsion_generator() * Fr::from(shift)).into_affine();
            prop_assume!(!point.is_zero());
            prop_assert_eq!(contains(&point), shift == 0);
            prop_assert_eq!(contains(&point), point.is_in_correct_subgroup_assuming_on_curve());
        }

        #[test]
        fn agrees_on_points_of_any_kind(y in any::<[u8; 32]>(), greatest in any::<bool>()) {
            let point = EdwardsAffine::get_point_from_y_unchecked(Fq::from_le_bytes_mod_order(&y), greatest);
            if let Some(point) = point {
                prop_assert_eq!(contains(&point), point.is_in_correct_subgroup_assuming_on_curve());
            }
        }
    }
}
