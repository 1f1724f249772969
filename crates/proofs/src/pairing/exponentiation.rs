//! The final exponentiation.

use ark_bn254::{Config, Fq12};
use ark_ec::bn::BnConfig;
use ark_ff::Field;

use super::tower::{cyclotomic_square, mul};

/// f to the power (p^12 − 1)/r, times a factor prime to r; `None` for zero, which no Miller loop gives.
///
/// The hard part's exponent is 2x·(6x² + 3x + 1)·(p⁴ − p² + 1)/r, which is
/// (1 + 6x + 12x² + 12x³) + (4x + 6x² + 12x³)·p + (6x + 6x² + 12x³)·p² + (−1 + 4x + 6x² + 12x³)·p³
/// (Fuentes-Castañeda, Knapp and Rodríguez-Henríquez, SAC 2011, section 5).
pub(crate) fn final_exponentiation(f: &Fq12) -> Option<Fq12> {
    let unitary = mul(&conjugate(f), &f.inverse()?);
    let f = mul(&frobenius(&unitary, 2), &unitary);
    let x2 = cyclotomic_square(&power_x(&f));
    let x4 = cyclotomic_square(&x2);
    let xx6 = power_x(&mul(&x4, &x2));
    let xxx12 = power_x(&cyclotomic_square(&xx6));
    let p1 = mul(&mul(&xx6, &xxx12), &x4);
    let p2 = mul(&p1, &x2);
    let p3 = mul(&p1, &conjugate(&f));
    let p0 = mul(&mul(&p2, &xx6), &f);
    let low = mul(&p0, &frobenius(&p1, 1));
    let high = mul(&frobenius(&p2, 2), &frobenius(&p3, 3));
    Some(mul(&low, &high))
}

fn conjugate(f: &Fq12) -> Fq12 {
    let mut conjugate = *f;
    conjugate.conjugate_in_place();
    conjugate
}

fn frobenius(f: &Fq12, power: usize) -> Fq12 {
    let mut image = *f;
    image.frobenius_map_in_place(power);
    image
}

/// f^x for the curve's parameter x, with signed digits in windows of four bits.
fn power_x(f: &Fq12) -> Fq12 {
    let square = cyclotomic_square(f);
    let cube = mul(f, &square);
    let fifth = mul(&cube, &square);
    let odd = [*f, cube, fifth, mul(&fifth, &square)];
    let mut power = Fq12::ONE;
    for digit in signed_windows().into_iter().rev() {
        power = cyclotomic_square(&power);
        if let (true, Some(factor)) = (digit != 0, odd.get(usize::from(digit.unsigned_abs() / 2))) {
            power = if digit > 0 { mul(&power, factor) } else { mul(&power, &conjugate(factor)) };
        }
    }
    power
}

/// The digits of x to base 2, each zero or odd and below eight in absolute value; the least significant first.
fn signed_windows() -> Vec<i8> {
    let &[mut rest] = Config::X else { return Vec::new() };
    let mut digits = Vec::with_capacity(65);
    while rest != 0 {
        let [low, ..] = rest.to_le_bytes();
        let digit = match (rest % 2, low % 16) {
            (0, _) => 0,
            (_, low @ 0..8) => low.cast_signed(),
            (_, low) => low.cast_signed() - 16,
        };
        // x has 63 bits, so adding at most seven does not overflow.
        rest = rest.wrapping_add_signed(-i64::from(digit)) / 2;
        digits.push(digit);
    }
    digits
}

#[cfg(test)]
mod tests {
    use ark_bn254::Bn254;
    use ark_ec::pairing::{MillerLoopOutput, Pairing};
    use ark_ff::{AdditiveGroup, UniformRand};

    use super::*;

    #[test]
    fn it_is_the_references() {
        let mut rng = ark_std::test_rng();
        for _ in 0..16 {
            let f = Fq12::rand(&mut rng);
            let expected = Bn254::final_exponentiation(MillerLoopOutput(f)).unwrap().0;
            assert_eq!(final_exponentiation(&f), Some(expected));
        }
        assert_eq!(final_exponentiation(&Fq12::ONE), Some(Fq12::ONE));
        assert_eq!(final_exponentiation(&Fq12::ZERO), None);
    }
}
