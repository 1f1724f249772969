//! Key generation, Groth16 (eprint 2016/260) section 3.2, from a public seed.

use ark_bn254::{Fr, G1Projective, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup, scalar_mul::BatchMulPreprocessing};
use ark_ff::{AdditiveGroup, Field, PrimeField};
use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    key::ProvingKey,
    qap::{self, Shape},
};
use crate::{parallel, tier::Circuit, verifying_key::VerifyingKey};

/// What key generation is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupStage {
    /// Lay down the circuit.
    Circuit,
    /// Evaluate its polynomials at the secret point.
    Polynomials,
    /// Multiply in G1; the longest stage.
    FirstGroup,
    /// Multiply in G2.
    SecondGroup,
    /// All done.
    Finished,
}

/// A circuit cannot be laid down: a defect of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("circuit {0} is inconsistent")]
pub struct SetupError(pub(super) Circuit);

/// The secrets a setup must forget. Those of the development keys are public.
pub(super) struct Trapdoor {
    alpha: Fr,
    beta: Fr,
    gamma: Fr,
    pub(super) delta: Fr,
    pub(super) point: Fr,
}

/// Makes the development keys of a circuit: the same bytes on every machine.
///
/// All randomness is `ChaCha20` under the seed SHA-256(`kith/v1/development-keys` ‖ circuit number), so anybody who reads
/// this can forge proofs under these keys. They serve development and tests, never people.
///
/// Takes some seconds for the largest circuit on one core. `progress` is called at the start of each stage.
///
/// # Errors
///
/// [`SetupError`] if this crate's circuit is inconsistent, which the tests rule out for every circuit.
pub fn setup_development(
    circuit: Circuit,
    mut progress: impl FnMut(SetupStage),
) -> Result<ProvingKey, SetupError> {
    progress(SetupStage::Circuit);
    let shape = Shape::of(circuit).ok_or(SetupError(circuit))?;
    let trapdoor = Trapdoor::for_development(circuit, &shape);
    let key = generate(circuit, shape, &trapdoor, &mut progress).ok_or(SetupError(circuit))?;
    progress(SetupStage::Finished);
    Ok(key)
}

impl Trapdoor {
    /// The one everybody can compute.
    pub(super) fn for_development(circuit: Circuit, shape: &Shape) -> Self {
        let seed = Sha256::new()
            .chain_update(b"kith/v1/development-keys")
            .chain_update([circuit.number()])
            .finalize();
        let mut rng = ChaCha20Rng::from_seed(seed.into());
        let mut draw = || loop {
            let scalar = scalar(&mut rng);
            if scalar != Fr::ZERO {
                return scalar;
            }
        };
        let (alpha, beta, gamma, delta) = (draw(), draw(), draw(), draw());
        let point = loop {
            let point = draw();
            if qap::is_usable(shape, point) {
                break point;
            }
        };
        Self { alpha, beta, gamma, delta, point }
    }
}

fn scalar(rng: &mut impl Rng) -> Fr {
    let mut bytes = [0; 64];
    rng.fill_bytes(&mut bytes);
    Fr::from_le_bytes_mod_order(&bytes)
}

fn generate(
    circuit: Circuit,
    shape: Shape,
    trapdoor: &Trapdoor,
    progress: &mut impl FnMut(SetupStage),
) -> Option<ProvingKey> {
    progress(SetupStage::Polynomials);
    let Trapdoor { alpha, beta, gamma, delta, point } = *trapdoor;
    let [a, b, c] = qap::evaluate_at(&shape, point);
    let (by_gamma, by_delta) = (gamma.inverse()?, delta.inverse()?);
    let combined = a.iter().zip(&b).zip(&c).map(|((a, b), c)| beta * a + alpha * b + c);
    let inputs = shape.matrices.inputs;
    let shares: Vec<Fr> = combined
        .enumerate()
        .map(|(variable, sum)| sum * if variable < inputs { by_gamma } else { by_delta })
        .collect();
    let quotient: Vec<Fr> =
        qap::quotient_basis(&shape, point)?.into_iter().map(|value| value * by_delta).collect();
    let pick = |values: &[Fr], columns: &[u32]| -> Vec<Fr> {
        columns.iter().filter_map(|column| values.get(*column as usize).copied()).collect()
    };
    let of_a = pick(&a, &shape.a_columns);
    let of_b = Zeroizing::new(pick(&b, &shape.b_columns));

    progress(SetupStage::FirstGroup);
    let g1 = G1Projective::generator();
    let table = BatchMulPreprocessing::new(g1, shape.matrices.variables + shape.quotient_len());
    let points = multiples(&table, &shares);
    let (public, private) = points.split_at_checked(inputs)?;
    let [alpha_g1, beta_g1, delta_g1] = [alpha, beta, delta].map(|scalar| (g1 * scalar).into_affine());
    let a = multiples(&table, &of_a);
    let b_g1 = multiples(&table, &of_b);
    let h = multiples(&table, &quotient);

    progress(SetupStage::SecondGroup);
    let g2 = G2Projective::generator();
    let b_g2 = multiples(&BatchMulPreprocessing::new(g2, of_b.len()), &of_b);
    let [beta, gamma, delta] = [beta, gamma, delta].map(|scalar| (g2 * scalar).into_affine());
    let verifying_key =
        VerifyingKey { circuit, alpha: alpha_g1, beta, gamma, delta, inputs: public.to_vec() };
    Some(ProvingKey::new(verifying_key, shape, [beta_g1, delta_g1], [a, b_g1, private.to_vec(), h], b_g2))
}

/// The products of a base with all scalars.
fn multiples<G: CurveGroup<ScalarField = Fr>>(
    base: &BatchMulPreprocessing<G>,
    scalars: &[Fr],
) -> Vec<G::Affine> {
    let length = scalars.len().div_ceil(4 * parallel::threads());
    parallel::map_chunks(scalars, length, |scalars| base.batch_mul(scalars)).concat()
}
