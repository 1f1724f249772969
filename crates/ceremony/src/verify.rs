//! Whether a key follows from a circuit, powers of tau and a chain of contributions.

mod chain;
mod points;
mod start;

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use rand_core::CryptoRng;

pub use self::chain::{ContributionReport, MAX_BEACON_EXPONENT};
use crate::{
    error::{CeremonyError, KeyPart},
    ptau::PowersOfTau,
    relation::Relation,
    transcript::CeremonyHash,
    zkey::{Elements, Zkey},
};

/// What verification is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyStage {
    /// Compare constraints and sizes.
    Circuit,
    /// Follow the contributions.
    Contributions,
    /// Check the A and B points.
    Polynomials,
    /// Compute every variable's share of the first key; the longest stage.
    Shares,
    /// Check the shares and the quotient's points.
    Quotient,
    /// Hash the first key.
    Start,
}

/// What a ceremony was, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CeremonyReport {
    /// Hash of the key before all contributions, which snarkjs prints as the circuit's hash.
    pub circuit_hash: CeremonyHash,
    /// The contributions in their order.
    pub contributions: Vec<ContributionReport>,
}

/// A key that follows from its circuit, the powers of tau and at least one contribution.
pub struct VerifiedKey {
    pub(crate) elements: Elements,
    pub(crate) inputs: Vec<G1Affine>,
    pub(crate) a: Vec<G1Affine>,
    pub(crate) b_g1: Vec<G1Affine>,
    pub(crate) b_g2: Vec<G2Affine>,
    pub(crate) l: Vec<G1Affine>,
    pub(crate) h: Vec<G1Affine>,
    report: CeremonyReport,
}

impl core::fmt::Debug for VerifiedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("VerifiedKey").field("report", &self.report).finish_non_exhaustive()
    }
}

impl VerifiedKey {
    /// Who contributed.
    #[must_use]
    pub const fn report(&self) -> &CeremonyReport {
        &self.report
    }
}

/// Verifies a finished key from nothing but a circuit's own constraints and the powers of tau it began with.
///
/// - Sizes and the matrices in the file are those of `relation`; α and β are those of the powers; γ is the generator.
/// - Each contribution proves knowledge of its secret over the transcript of all before it, beacons are what their
///   value gives, and the δ of the last one is the key's. At least one is no beacon.
/// - A and B points are what the constraints give at tau, the input points and shares likewise, shares and the points
///   of the quotient divided by δ. Input points are compared one by one, the others as random combinations with
///   128-bit coefficients drawn after the file is fixed: a wrong key passes with a probability below 2^-126.
/// - The first key, before any contribution, has the hash that begins the transcript. So nobody's contribution was
///   obtained for another circuit.
///
/// The powers themselves are taken as they are; see [`PowersOfTau`].
///
/// Takes seconds for 2^15 constraints, and some hundred bytes of memory for each. `progress` is called at the start of
/// each stage.
///
/// # Errors
/// [`CeremonyError`] says what does not fit.
pub fn verify(
    relation: &Relation,
    powers: &PowersOfTau<'_>,
    key: &Zkey<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
    mut progress: impl FnMut(VerifyStage),
) -> Result<VerifiedKey, CeremonyError> {
    progress(VerifyStage::Circuit);
    key.check_circuit(relation)?;
    if !key.contributions().iter().any(|contribution| contribution.beacon().is_none()) {
        return Err(CeremonyError::NoContributions);
    }
    let power = key.domain().trailing_zeros();
    if powers.power() < power {
        return Err(CeremonyError::WrongPowers("there are too few for this circuit"));
    }
    let elements = key.elements;
    if powers.alpha_beta()? != (elements.alpha, elements.beta_g1, elements.beta) {
        return Err(CeremonyError::WrongPowers("the key was made from others"));
    }
    if elements.gamma != G2Affine::generator() {
        return Err(CeremonyError::WrongPoints(KeyPart::Gamma));
    }
    progress(VerifyStage::Contributions);
    let contributions = chain::follow(key)?;

    progress(VerifyStage::Polynomials);
    let bases = points::Bases::read(powers, power)?;
    let (a, b_g1, b_g2) = (key.a()?, key.b_g1()?, key.b_g2()?);
    points::check_polynomials(relation, &bases, powers.lagrange_g2(power)?, (&a, &b_g1, &b_g2), rng)?;

    progress(VerifyStage::Shares);
    let shares = points::first_shares(relation, &bases);
    let (first_inputs, first_l) = shares.split_at_checked(relation.public() + 1).unwrap_or_default();
    let inputs = key.input_points()?;
    if inputs != first_inputs {
        return Err(CeremonyError::WrongPoints(KeyPart::InputPoints));
    }

    progress(VerifyStage::Quotient);
    let (l, h) = (key.l()?, key.h()?);
    points::check_divided(KeyPart::L, first_l, &l, &elements, rng)?;
    points::check_divided(KeyPart::H, &points::first_quotient(powers, power)?, &h, &elements, rng)?;

    progress(VerifyStage::Start);
    let first = start::FirstKey { inputs: first_inputs, l: first_l, a: &a, b_g1: &b_g1, b_g2: &b_g2 };
    let circuit_hash = first.hash(&elements, powers, power)?;
    if circuit_hash != key.start() {
        return Err(CeremonyError::BrokenChain {
            position: 1,
            what: "it was made to the first key of another circuit",
        });
    }
    let report = CeremonyReport { circuit_hash, contributions };
    Ok(VerifiedKey { elements, inputs, a, b_g1, b_g2, l, h, report })
}
