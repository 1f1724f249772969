//! Making keys and proofs.

mod control;
mod key;
mod qap;
mod raw;
mod setup;
mod system;
mod transform;

use ark_bn254::{Fr, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::PrimeField;
use curve::TreeSecret;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub use self::{
    control::{Control, ProveStage},
    key::{ProvingKey, ProvingKeyError, ProvingKeyParts},
    setup::{SetupError, SetupStage, setup_development},
    system::{Constraint, ConstraintSystem, constraint_system},
};
use crate::{
    admin::{AdminPath, AdminSecret, AdminStatement},
    circuit::{self, Builder, SynthesisError, synthesize},
    msm::msm,
    proof::Proof,
    statement::Statement,
    table::LevelTable,
    tier::Circuit,
};

/// Why there is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The proving key is for another circuit than the statement needs. The caller's fault.
    #[error("statement needs {needed}, proving key is for {got}")]
    WrongCircuit {
        /// The statement's circuit.
        needed: Circuit,
        /// The key's circuit.
        got: Circuit,
    },
    /// The secret does not lead to the statement's keys: this one, counted from the leaf, differs first. The caller's
    /// fault.
    #[error("secret does not lead to key {position}")]
    SecretMismatch {
        /// Position in the statement's keys; positions beyond the signing key are padding. 0 for admins, whose secret
        /// does not lead to the root.
        position: usize,
    },
    /// One secret in about 2^60 has no proof; start again with another leaf secret.
    #[error("this secret has no proof, take another")]
    Unprovable,
    /// The finished proof does not verify: a damaged key file, faulty hardware, or a key of another circuit version.
    #[error("proof did not verify under the key's own verifying key")]
    Invalid,
    /// [`Control`] said to give up.
    #[error("given up")]
    GivenUp,
}

/// Proves a statement.
///
/// Needs tens of megabytes and, for the larger tiers, some hundred milliseconds of one core; callers with an async
/// runtime run it on a blocking thread. Without the feature `parallel` it works on the calling thread alone; with it,
/// on the threads of the rayon pool it is called in, and on no others. The proof is verified before it is returned, so
/// that neither a wrong secret nor a fault can yield one that others refuse. The witness is wiped; its curve arithmetic
/// is not constant-time.
///
/// # Errors
///
/// See [`ProveError`].
pub fn prove(
    key: &ProvingKey,
    statement: &Statement,
    secret: &TreeSecret,
    control: &Control<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Proof, ProveError> {
    let needed = Circuit::Branch(statement.tier());
    if needed != key.circuit() {
        return Err(ProveError::WrongCircuit { needed, got: key.circuit() });
    }
    control.enter(ProveStage::Witness)?;
    let expanded = statement.expand(LevelTable::batch(statement.siblings()));
    let mut builder = Builder::for_witness(key.shape.matrices.variables);
    synthesize(&mut builder, &expanded, secret).map_err(|error| match error {
        SynthesisError::WrongKey(position) => ProveError::SecretMismatch { position },
        SynthesisError::Unlucky => ProveError::Unprovable,
    })?;
    finish(key, &builder.into_values(), &expanded.inputs(), control, rng)
}

/// Proves that one knows the secret of an admin.
///
/// About a tenth of a second of one core and a few megabytes; else as [`prove`]. The path must be the one of the secret's
/// commitment in the tree whose root the statement names.
///
/// # Errors
///
/// [`ProveError::SecretMismatch`] at position 0 if secret and path do not lead to the statement's root; else see
/// [`ProveError`].
pub fn prove_admin(
    key: &ProvingKey,
    statement: &AdminStatement,
    secret: &AdminSecret,
    path: &AdminPath,
    control: &Control<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Proof, ProveError> {
    control.enter(ProveStage::Witness)?;
    let values = admin_witness(key, statement, secret, path)?;
    finish(key, &values, &statement.inputs(), control, rng)
}

/// The assignment of the admin circuit's variables, for comparing provers: the constant one, the public inputs, the
/// private variables.
///
/// IMPORTANT: it contains the secret.
///
/// # Errors
///
/// [`ProveError::WrongCircuit`], [`ProveError::SecretMismatch`].
pub fn admin_witness(
    key: &ProvingKey,
    statement: &AdminStatement,
    secret: &AdminSecret,
    path: &AdminPath,
) -> Result<Zeroizing<Vec<Fr>>, ProveError> {
    if key.circuit() != Circuit::Admin {
        return Err(ProveError::WrongCircuit { needed: Circuit::Admin, got: key.circuit() });
    }
    let mut builder = Builder::for_witness(key.shape.matrices.variables);
    circuit::admin::synthesize(&mut builder, statement, secret, path)
        .map_err(|_| ProveError::SecretMismatch { position: 0 })?;
    Ok(builder.into_values())
}

/// From an assignment to a proof that was checked against the public inputs it is meant for.
fn finish(
    key: &ProvingKey,
    values: &[Fr],
    inputs: &[Fr],
    control: &Control<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Proof, ProveError> {
    if values.len() != key.shape.matrices.variables {
        return Err(ProveError::Invalid);
    }
    let proof = assemble(key, values, [random_scalar(rng), random_scalar(rng)], control)?;
    control.enter(ProveStage::Check)?;
    key.prepared().verify_inputs(inputs, &proof).map_err(|_| ProveError::Invalid)?;
    control.enter(ProveStage::Finished)?;
    Ok(proof)
}

/// Groth16 (eprint 2016/260), section 3.2: the three elements of a proof.
fn assemble(
    key: &ProvingKey,
    values: &[Fr],
    [r, s]: [Zeroizing<Fr>; 2],
    control: &Control<'_>,
) -> Result<Proof, ProveError> {
    control.enter(ProveStage::Polynomials)?;
    let quotient = qap::quotient(&key.shape, values);
    let integers = Zeroizing::new(values.iter().map(|value| value.into_bigint()).collect::<Vec<_>>());
    let pick = |columns: &[u32]| {
        let picked = columns.iter().filter_map(|column| integers.get(*column as usize).copied());
        Zeroizing::new(picked.collect::<Vec<_>>())
    };
    let (of_a, of_b) = (pick(&key.shape.a_columns), pick(&key.shape.b_columns));
    let private = integers.get(key.shape.matrices.inputs..).unwrap_or_default();

    control.enter(ProveStage::Quotient)?;
    let mut c = msm(&key.h, &quotient);
    drop(quotient);
    control.enter(ProveStage::Private)?;
    c += msm(&key.l, private);
    control.enter(ProveStage::SideA)?;
    let a = msm(&key.a, &of_a) + key.verifying_key.alpha + key.delta_g1 * *r;
    control.enter(ProveStage::SideB)?;
    let b1 = msm(&key.b_g1, &of_b) + key.beta_g1 + key.delta_g1 * *s;
    control.enter(ProveStage::SideB2)?;
    let b2 = msm(&key.b_g2, &of_b) + key.verifying_key.beta + key.verifying_key.delta * *s;
    c += a * *s + b1 * *r - key.delta_g1 * *Zeroizing::new(*r * *s);
    let g1 = G1Projective::normalize_batch(&[a, c]);
    let [a, c] = [0, 1].map(|index| g1.get(index).copied().unwrap_or_default());
    Ok(Proof::from_points(a, b2.into_affine(), c))
}

/// A uniform scalar, by reducing 64 bytes. Wiped, also where a proof is given up half-way.
fn random_scalar(rng: &mut (impl CryptoRng + ?Sized)) -> Zeroizing<Fr> {
    let mut bytes = Zeroizing::new([0; 64]);
    rng.fill_bytes(&mut bytes[..]);
    Zeroizing::new(Fr::from_le_bytes_mod_order(&bytes[..]))
}

/// Turns any assignment into what would be its proof, for provers who cheat.
#[cfg(test)]
pub(crate) fn assemble_unchecked(key: &ProvingKey, values: &[Fr]) -> Option<Proof> {
    assemble(key, values, [11u64, 13].map(|scalar| Zeroizing::new(Fr::from(scalar))), &Control::default())
        .ok()
}

#[cfg(test)]
mod zero_knowledge;
