//! From values on a domain to values on the odd half of the domain of twice the size.

use ark_bn254::Fr;
use ark_ff::Field;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use zeroize::Zeroizing;

use crate::parallel;

/// The two domains, and those of half the size for sharing a transform among threads.
pub(super) struct Transform {
    domain: Radix2EvaluationDomain<Fr>,
    odd: Radix2EvaluationDomain<Fr>,
    half: Radix2EvaluationDomain<Fr>,
    half_odd: Radix2EvaluationDomain<Fr>,
    half_inverse: Fr,
}

impl Transform {
    /// `None` if the field has no domain of twice the size.
    pub(super) fn new(domain: Radix2EvaluationDomain<Fr>) -> Option<Self> {
        let doubled = Radix2EvaluationDomain::<Fr>::new(2 * domain.size())?;
        let half = Radix2EvaluationDomain::<Fr>::new(domain.size() / 2)?;
        let offset = doubled.group_gen();
        Some(Self {
            domain,
            odd: domain.get_coset(offset)?,
            half,
            half_odd: half.get_coset(offset.square())?,
            half_inverse: Fr::from(2u64).inverse()?,
        })
    }

    /// Replaces the values of a polynomial on the domain by those on the odd elements of the doubled one.
    pub(super) fn to_odd(&self, values: &mut Vec<Fr>) {
        if parallel::shared() && self.half.size() > 1 {
            self.to_odd_by_halves(values);
        } else {
            self.domain.ifft_in_place(values);
            self.odd.fft_in_place(values);
        }
    }

    /// The same with one more step of decimation in time, so that two threads can work on one polynomial.
    fn to_odd_by_halves(&self, values: &mut [Fr]) {
        let (mut even, mut odd) = split(values);
        parallel::join(|| self.half.ifft_in_place(&mut even), || self.half.ifft_in_place(&mut odd));
        butterflies(values, &even, &odd, self.half_inverse, self.domain.group_gen_inv(), self.half_inverse);
        // Now the coefficients, and the other way round.
        let (mut even, mut odd) = split(values);
        parallel::join(|| self.half_odd.fft_in_place(&mut even), || self.half_odd.fft_in_place(&mut odd));
        butterflies(values, &even, &odd, Fr::ONE, self.domain.group_gen(), self.odd.coset_offset());
    }
}

/// Elements at even and at odd positions.
fn split(values: &[Fr]) -> (Zeroizing<Vec<Fr>>, Zeroizing<Vec<Fr>>) {
    let half = |skip: usize| Zeroizing::new(values.iter().skip(skip).step_by(2).copied().collect::<Vec<_>>());
    (half(0), half(1))
}

/// values[i] = scale·even[i] + start·step^i·odd[i], and with a minus in the upper half.
fn butterflies(values: &mut [Fr], even: &[Fr], odd: &[Fr], scale: Fr, step: Fr, start: Fr) {
    let (lower, upper) = values.split_at_mut(even.len());
    let mut factor = start;
    for (((low, high), even), odd) in lower.iter_mut().zip(upper).zip(even).zip(odd) {
        let (even, odd) = (scale * even, factor * odd);
        *low = even + odd;
        *high = even - odd;
        factor *= step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_give_what_the_whole_gives() {
        for size in [2usize, 4, 64, 1024] {
            let domain = Radix2EvaluationDomain::<Fr>::new(size).unwrap();
            let transform = Transform::new(domain).unwrap();
            let values: Vec<Fr> = (0..size as u64).map(|i| Fr::from(i * i + 7).pow([5])).collect();
            let mut whole = values.clone();
            transform.to_odd(&mut whole);
            let mut halves = values.clone();
            transform.to_odd_by_halves(&mut halves);
            assert_eq!(whole, halves);
            // And both are the polynomial's values on the odd elements.
            let mut coefficients = values;
            domain.ifft_in_place(&mut coefficients);
            let generator = Radix2EvaluationDomain::<Fr>::new(2 * size).unwrap().group_gen();
            for (index, value) in whole.iter().enumerate().step_by(size / 2) {
                let x = generator.pow([2 * index as u64 + 1]);
                let expected = coefficients.iter().rev().fold(Fr::from(0u64), |sum, c| sum * x + c);
                assert_eq!(*value, expected);
            }
        }
    }
}
