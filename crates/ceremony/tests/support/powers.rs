//! Powers of tau whose secrets everybody knows, in an instant. For tests alone.

use ark_bn254::{Fq, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr as _, CurveGroup as _, PrimeGroup as _, scalar_mul::BatchMulPreprocessing};
use ark_ff::{Field as _, PrimeField as _};
use ark_poly::{EvaluationDomain as _, Radix2EvaluationDomain};

fn limbs(value: &Fq) -> impl Iterator<Item = u8> + use<> {
    value.0.0.into_iter().flat_map(u64::to_le_bytes)
}

fn g1(points: &[G1Affine]) -> Vec<u8> {
    points.iter().flat_map(|point| [point.x, point.y]).flat_map(|value| limbs(&value)).collect()
}

fn g2(points: &[G2Affine]) -> Vec<u8> {
    let values = points.iter().flat_map(|point| [point.x.c0, point.x.c1, point.y.c0, point.y.c1]);
    values.flat_map(|value| limbs(&value)).collect()
}

/// A `.ptau` for circuits whose domain is 2^power, and for no others: what only smaller ones need is left blank.
///
/// With `more` it goes on to the next power, as snarkjs needs it for circuits beyond 2^14.
pub fn powers(power: u32, more: bool) -> Vec<u8> {
    let (tau, alpha, beta) = (Fr::from(11).pow([100]), Fr::from(12).pow([101]), Fr::from(13).pow([102]));
    let size = 1_usize << power;
    let lagrange = |size: usize| {
        let domain = Radix2EvaluationDomain::<Fr>::new(size).unwrap();
        domain.evaluate_all_lagrange_coefficients(tau)
    };
    let (single, double) = (lagrange(size), lagrange(2 * size));
    let table = BatchMulPreprocessing::new(G1Projective::generator(), 8 * size);
    let table2 = BatchMulPreprocessing::new(G2Projective::generator(), size);
    let times = |factor: Fr| single.iter().map(|value| *value * factor).collect::<Vec<_>>();
    let successive: Vec<Fr> = std::iter::successors(Some(Fr::from(1)), |last| Some(*last * tau))
        .take(if more { 4 } else { 2 } * size - 1)
        .collect();

    let blank = |points: usize, len: usize| vec![0; points * len];
    let mut header = 32_u32.to_le_bytes().to_vec();
    header.extend(Fq::MODULUS.0.into_iter().flat_map(u64::to_le_bytes));
    header.extend((power + u32::from(more)).to_le_bytes());
    header.extend((power + u32::from(more)).to_le_bytes());
    let mut plain = blank(size - 1, 64);
    plain.extend(g1(&table.batch_mul(&single)));
    plain.extend(g1(&table.batch_mul(&double)));
    let in_g1 = |values: &[Fr]| [blank(size - 1, 64), g1(&table.batch_mul(values))].concat();
    let in_g2 = [blank(size - 1, 128), g2(&table2.batch_mul(&single))].concat();
    let one = G1Affine::generator();
    let sections = [
        (1_u32, header),
        (2, g1(&table.batch_mul(&successive))),
        (4, g1(&[(one * alpha).into_affine()])),
        (5, g1(&[(one * beta).into_affine()])),
        (6, g2(&[(G2Affine::generator() * beta).into_affine()])),
        (12, plain),
        (13, in_g2),
        (14, in_g1(&times(alpha))),
        (15, in_g1(&times(beta))),
    ];
    let mut file = b"ptau".to_vec();
    file.extend(1_u32.to_le_bytes());
    file.extend(u32::try_from(sections.len()).unwrap().to_le_bytes());
    for (number, content) in sections {
        file.extend(number.to_le_bytes());
        file.extend((content.len() as u64).to_le_bytes());
        file.extend(content);
    }
    file
}
