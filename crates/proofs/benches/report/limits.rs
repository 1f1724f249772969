//! What the arithmetic costs by itself: the limit for everything above it.

use ark_bn254::{Bn254, Fq, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::{PrimeField, UniformRand};
use ark_std::rand::{SeedableRng, rngs::StdRng};

use crate::{
    clock::{Time, median},
    say,
};

/// Pairs of a large product of pairings.
const MANY: u32 = 64;

/// One thread's costs, in milliseconds of processor time.
#[derive(Debug)]
pub(crate) struct Limits {
    multiplication: f64,
    pub(crate) pairing: f64,
    final_exponentiation: f64,
    /// Miller loops of three pairs, two of them prepared, and a final exponentiation: what no verification can do
    /// without.
    pub(crate) three_pairs: f64,
    /// Preparing a point and its Miller loop, among many.
    pub(crate) pair_of_many: f64,
}

impl Limits {
    pub(crate) fn measure() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let (x, y) = (Fq::rand(&mut rng), Fq::rand(&mut rng));
        // A chain, as in the formulas for points, where a product is waited for.
        let multiplication = median(5, || (0..1000).fold(x, |product, _| product * y)).each(1000);
        let g1: Vec<G1Affine> = (0..MANY).map(|_| G1Projective::rand(&mut rng).into_affine()).collect();
        let g2: Vec<G2Affine> = (0..MANY).map(|_| G2Projective::rand(&mut rng).into_affine()).collect();
        let (p, q) = (G1Affine::generator(), G2Affine::generator());
        let pairing = median(5, || Bn254::pairing(p, q));
        let looped = Bn254::miller_loop(p, q);
        let final_exponentiation = median(5, || Bn254::final_exponentiation(looped));
        let prepared = <Bn254 as Pairing>::G2Prepared::from(q);
        let three_pairs = median(5, || {
            let loops = Bn254::multi_miller_loop([p, p, p], [q.into(), prepared.clone(), prepared.clone()]);
            Bn254::final_exponentiation(loops)
        });
        let many = median(5, || Bn254::multi_miller_loop(g1.iter().copied(), g2.iter().copied()));
        Self {
            multiplication: multiplication.processor,
            pairing: pairing.processor,
            final_exponentiation: final_exponentiation.processor,
            three_pairs: three_pairs.processor,
            pair_of_many: many.each(MANY).processor,
        }
    }

    pub(crate) fn report(&self) {
        say(format_args!("## The arithmetic (arkworks), one thread, processor time\n"));
        say(format_args!("| what | ms | pairings |\n|---|---|---|"));
        let row = |name: &str, time: f64| {
            say(format_args!("| {name} | {time:.6} | {:.4} |", time / self.pairing));
        };
        row("multiplication in the field of the curve, in a chain", self.multiplication);
        row("pairing", self.pairing);
        row("final exponentiation", self.final_exponentiation);
        row("three pairs, two of them prepared, and a final exponentiation", self.three_pairs);
        row(&format!("Miller loop and preparation of one pair among {MANY}"), self.pair_of_many);
    }

    /// The least a sum over so many points and full-size scalars costs with buckets in affine coordinates: six
    /// multiplications an addition (eprint 2022/1400 counts alike), scalars halved by the endomorphism, windows of the
    /// best width, 26 multiplications to empty a bucket.
    pub(crate) fn bucket_floor(&self, points: usize) -> f64 {
        let count = |width: u32| {
            let windows = f64::from(127u32.div_ceil(width) + 1);
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let additions = 2.0 * points as f64;
            windows * (additions * 6.0 + f64::from(1u32 << (width - 1)) * 26.0)
        };
        (4..=16).map(count).fold(f64::INFINITY, f64::min) * self.multiplication
    }
}

/// arkworks' sum over the same points and random scalars, in the pool it is called in.
pub(crate) fn peer_msm(points: &[G1Affine]) -> Time {
    let mut rng = StdRng::seed_from_u64(2);
    let scalars: Vec<_> = points.iter().map(|_| Fr::rand(&mut rng).into_bigint()).collect();
    median(3, || G1Projective::msm_bigint(points, &scalars))
}
