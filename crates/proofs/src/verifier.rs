//! Checking proofs, alone and in batches.

use core::fmt;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use ark_bn254::{Bn254, Fq12, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, pairing::Pairing};
use ark_ff::{AdditiveGroup, BigInt, Field};
use protocol::ParamsHash;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

use crate::{
    claim::Claim,
    hash::VerifyingKeyHash,
    msm::{FixedBases, msm},
    proof::Proof,
    statement::{Expanded, Statement},
    table::{LevelTable, TableCache},
    tier::{Circuit, Tier},
    verifying_key::VerifyingKey,
};

type G2Prepared = <Bn254 as Pairing>::G2Prepared;

/// Why a proof is not accepted for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The set has no key for the circuit: a limit of the parameters in force, not of the prover.
    #[error("no verifying key for {0}")]
    UnknownCircuit(Circuit),
    /// The proof does not hold for the statement. The fault of whoever made it.
    #[error("proof does not hold for its statement")]
    Mismatch,
}

/// Why keys do not form a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Two keys are for one circuit.
    #[error("two verifying keys for {0}")]
    Duplicate(Circuit),
    /// A set needs at least one key.
    #[error("no verifying keys")]
    Empty,
}

/// The verifying keys in force, one for each circuit, prepared for use.
///
/// About 1 MB for all circuits, mostly precomputed multiples of the input points, and up to 2 MB of tables derived from
/// siblings that occurred lately.
pub struct VerifyingKeys {
    keys: BTreeMap<Circuit, PreparedKey>,
    hash: ParamsHash,
    tables: TableCache,
}

impl VerifyingKeys {
    /// Prepares a set of keys.
    ///
    /// # Errors
    ///
    /// [`KeySetError`] for no key at all or two for one circuit.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        let mut circuits = BTreeSet::new();
        if let Some(key) = keys.iter().find(|key| !circuits.insert(key.circuit)) {
            return Err(KeySetError::Duplicate(key.circuit));
        }
        Ok(Self::prepare(keys))
    }

    /// As [`VerifyingKeys::new`] for keys known to differ in circuit.
    pub(crate) fn prepare(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        let keys: BTreeMap<_, _> = keys.into_iter().map(|key| (key.circuit, PreparedKey::new(key))).collect();
        let mut hasher = Sha256::new().chain_update(b"kith/v1/params");
        for (circuit, key) in &keys {
            hasher.update([circuit.number()]);
            hasher.update(key.hash.as_bytes());
        }
        Self { keys, hash: ParamsHash::new(hasher.finalize().into()), tables: TableCache::default() }
    }

    /// SHA-256 of the label `kith/v1/params` and, for each circuit in ascending order of number, its number as one
    /// byte and its key's hash.
    #[must_use]
    pub const fn params_hash(&self) -> ParamsHash {
        self.hash
    }

    /// The circuits with a key, ascending.
    pub fn circuits(&self) -> impl Iterator<Item = Circuit> + '_ {
        self.keys.keys().copied()
    }

    /// The hash of a circuit's key, `None` if the set has none.
    #[must_use]
    pub fn key_hash(&self, circuit: Circuit) -> Option<VerifyingKeyHash> {
        self.keys.get(&circuit).map(|key| key.hash)
    }

    /// A circuit's key, `None` if the set has none.
    #[must_use]
    pub fn key(&self, circuit: Circuit) -> Option<&VerifyingKey> {
        self.keys.get(&circuit).map(|key| &key.key)
    }

    /// The deepest path any proof under these keys can have, in Diffie–Hellman levels of the tree.
    #[must_use]
    pub fn max_dh_levels(&self) -> usize {
        self.keys
            .keys()
            .filter_map(|circuit| match circuit {
                Circuit::Branch(tier) => Some(tier.dh_levels()),
                Circuit::Admin => None,
            })
            .max()
            .unwrap_or(0)
    }

    /// Whether any key of the set is a development key, whose trapdoor everybody can compute.
    ///
    /// A program that runs with such keys says so where its operator sees it.
    #[must_use]
    pub fn are_for_development(&self) -> bool {
        self.keys.values().any(|key| crate::development::is_development_key(key.hash))
    }

    /// Checks one proof: one multi-scalar multiplication over the inputs and three Miller loops.
    ///
    /// # Errors
    ///
    /// [`ProofError::UnknownCircuit`] without a key for the claim's circuit, [`ProofError::Mismatch`] if the proof does
    /// not hold.
    pub fn verify(&self, claim: &Claim, proof: &Proof) -> Result<(), ProofError> {
        let circuit = claim.circuit();
        let key = self.keys.get(&circuit).ok_or(ProofError::UnknownCircuit(circuit))?;
        self.verify_with(key, claim, proof)
    }

    fn verify_with(&self, key: &PreparedKey, claim: &Claim, proof: &Proof) -> Result<(), ProofError> {
        match claim {
            Claim::Branch(statement) => {
                key.verify_branch(&self.expand(statement), statement.dh_levels(), proof)
            }
            Claim::Admin(statement) => key.verify_inputs(&statement.inputs(), proof),
        }
    }

    fn inputs(&self, claim: &Claim) -> Vec<Fr> {
        match claim {
            Claim::Branch(statement) => self.expand(statement).inputs(),
            Claim::Admin(statement) => statement.inputs().to_vec(),
        }
    }

    /// Checks many proofs at once and blames exactly those that do not hold.
    ///
    /// A random linear combination with fresh 128-bit coefficients is checked for up to 256 proofs at a time, of any
    /// mix of circuits; where it fails, halves are checked until single proofs are left. With b bad ones among n that
    /// takes up to about 2b·log₂(n) further combinations, so proofs of unproven senders are better batched apart.
    ///
    /// The outcomes are in the order of the items.
    pub fn verify_batch(
        &self,
        items: &[(Claim, Proof)],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<Result<(), ProofError>> {
        let mut outcomes = vec![Ok(()); items.len()];
        for (batch, outcomes) in items.chunks(Self::BATCH).zip(outcomes.chunks_mut(Self::BATCH)) {
            self.verify_chunk(batch, outcomes, rng);
        }
        outcomes
    }

    const BATCH: usize = 256;

    fn expand(&self, statement: &Statement) -> Expanded {
        statement.expand(self.tables.tables(statement.siblings()))
    }

    fn verify_chunk(
        &self,
        batch: &[(Claim, Proof)],
        outcomes: &mut [Result<(), ProofError>],
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let mut pending = Vec::with_capacity(batch.len());
        for ((claim, proof), outcome) in batch.iter().zip(outcomes) {
            match self.keys.get(&claim.circuit()) {
                Some(key) => pending.push(Pending { claim, inputs: Vec::new(), proof, key, outcome }),
                None => *outcome = Err(ProofError::UnknownCircuit(claim.circuit())),
            }
        }
        for_each(&mut pending, |item| item.inputs = self.inputs(item.claim));
        let mut unchecked = vec![&mut pending[..]];
        while let Some(range) = unchecked.pop() {
            if let [item] = range {
                *item.outcome = self.verify_with(item.key, item.claim, item.proof);
            } else if !range.is_empty() && !combination_holds(range, rng) {
                let (left, right) = range.split_at_mut(range.len() / 2);
                unchecked.extend([left, right]);
            }
        }
    }
}

impl fmt::Debug for VerifyingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.keys.iter().map(|(circuit, key)| (circuit, key.hash))).finish()
    }
}

struct Pending<'a> {
    claim: &'a Claim,
    inputs: Vec<Fr>,
    proof: &'a Proof,
    key: &'a PreparedKey,
    outcome: &'a mut Result<(), ProofError>,
}

/// Whether Π (e(A, B) · e(−α, β) · e(−inputs, γ) · e(−C, δ))^r = 1 for fresh random r, one for each proof.
fn combination_holds(items: &[Pending<'_>], rng: &mut (impl CryptoRng + ?Sized)) -> bool {
    struct Tally<'a> {
        key: &'a PreparedKey,
        inputs: Vec<Fr>,
        c_points: Vec<G1Affine>,
        c_coefficients: Vec<BigInt<4>>,
    }
    let mut tallies: BTreeMap<Circuit, Tally<'_>> = BTreeMap::new();
    let mut scaled = Vec::with_capacity(items.len());
    for item in items {
        let coefficient = coefficient(rng);
        let [low, high] = coefficient;
        let r = Fr::from(u128::from(high) << 64 | u128::from(low));
        let tally = tallies.entry(item.key.key.circuit).or_insert_with(|| Tally {
            key: item.key,
            inputs: vec![Fr::ZERO; item.inputs.len() + 1],
            c_points: Vec::new(),
            c_coefficients: Vec::new(),
        });
        for (sum, input) in tally.inputs.iter_mut().zip(core::iter::once(&Fr::ONE).chain(&item.inputs)) {
            *sum += r * input;
        }
        tally.c_points.push(item.proof.c);
        tally.c_coefficients.push(BigInt([low, high, 0, 0]));
        scaled.push((item.proof, coefficient, G1Projective::ZERO, None));
    }
    for_each(&mut scaled, |(proof, coefficient, a, b)| {
        *a = proof.a.mul_bigint(*coefficient);
        *b = Some(G2Prepared::from(proof.b));
    });
    let (mut g1, mut g2): (Vec<_>, Vec<_>) =
        scaled.into_iter().filter_map(|(_, _, a, b)| Some((a, b?))).unzip();
    for tally in tallies.into_values() {
        let key = tally.key;
        let total = tally.inputs.first().copied().unwrap_or_default();
        g1.push(-(key.key.alpha * total));
        g2.push(key.beta.clone());
        g1.push(key.inputs.sum(0, &tally.inputs));
        g2.push(key.gamma_negated.clone());
        g1.push(msm(&tally.c_points, &tally.c_coefficients));
        g2.push(key.delta_negated.clone());
    }
    is_one(&G1Projective::normalize_batch(&g1), g2)
}

/// A coefficient in 1 … 2^128 − 1 that nobody could foresee when the proofs were made; least significant limb first.
fn coefficient(rng: &mut (impl CryptoRng + ?Sized)) -> [u64; 2] {
    loop {
        let limbs = [rng.next_u64(), rng.next_u64()];
        if limbs != [0; 2] {
            return limbs;
        }
    }
}

/// Whether the product of the pairings is one.
fn is_one(g1: &[G1Affine], g2: Vec<G2Prepared>) -> bool {
    pairing_product(g1, g2) == Some(Fq12::ONE)
}

fn pairing_product(g1: &[G1Affine], g2: Vec<G2Prepared>) -> Option<Fq12> {
    Bn254::final_exponentiation(Bn254::multi_miller_loop(g1.iter().copied(), g2)).map(|output| output.0)
}

/// A key with everything that does not depend on a proof computed.
pub(crate) struct PreparedKey {
    key: VerifyingKey,
    hash: VerifyingKeyHash,
    alpha_beta: Option<Fq12>,
    beta: G2Prepared,
    gamma_negated: G2Prepared,
    delta_negated: G2Prepared,
    inputs: FixedBases<ark_bn254::g1::Config>,
    /// By number of tree levels: what the tables of the sign level and the padding above it add to the input sum.
    constant_shares: Vec<OnceLock<G1Projective>>,
}

impl PreparedKey {
    pub(crate) fn new(key: VerifyingKey) -> Self {
        let beta = G2Prepared::from(key.beta);
        Self {
            hash: key.hash(),
            alpha_beta: pairing_product(&[key.alpha], vec![beta.clone()]),
            beta,
            gamma_negated: negated(key.gamma),
            delta_negated: negated(key.delta),
            inputs: FixedBases::new(&key.inputs),
            constant_shares: match key.circuit {
                Circuit::Branch(tier) => (0..tier.levels()).map(|_| OnceLock::new()).collect(),
                Circuit::Admin => Vec::new(),
            },
            key,
        }
    }

    /// Checks a proof for a statement of this key's tier and so many levels of the tree.
    pub(crate) fn verify_branch(
        &self,
        statement: &Expanded,
        dh_levels: usize,
        proof: &Proof,
    ) -> Result<(), ProofError> {
        let mut inputs = statement.inputs();
        self.check_count(inputs.len())?;
        let Circuit::Branch(tier) = self.key.circuit else { return Err(ProofError::Mismatch) };
        // The constant tables come last, so the rest is a prefix.
        inputs.truncate(inputs.len() - 8 * (tier.levels() - dh_levels));
        inputs.insert(0, Fr::ONE);
        self.verify_sum(self.inputs.sum(0, &inputs) + self.constant_share(tier, dh_levels), proof)
    }

    /// Checks a proof for the public inputs of this key's circuit.
    pub(crate) fn verify_inputs(&self, inputs: &[Fr], proof: &Proof) -> Result<(), ProofError> {
        self.check_count(inputs.len())?;
        let inputs: Vec<Fr> = core::iter::once(Fr::ONE).chain(inputs.iter().copied()).collect();
        self.verify_sum(self.inputs.sum(0, &inputs), proof)
    }

    /// Neither more nor fewer inputs than the key has points for: a surplus input would go unchecked.
    fn check_count(&self, inputs: usize) -> Result<(), ProofError> {
        let fits = inputs == self.key.circuit.inputs() && self.key.inputs.len() == inputs + 1;
        if fits { Ok(()) } else { Err(ProofError::Mismatch) }
    }

    fn verify_sum(&self, sum: G1Projective, proof: &Proof) -> Result<(), ProofError> {
        let g1 = [proof.a, sum.into_affine(), proof.c];
        let g2 = vec![proof.b.into(), self.gamma_negated.clone(), self.delta_negated.clone()];
        match (pairing_product(&g1, g2), &self.alpha_beta) {
            (Some(product), Some(expected)) if product == *expected => Ok(()),
            _ => Err(ProofError::Mismatch),
        }
    }

    fn constant_share(&self, tier: Tier, dh_levels: usize) -> G1Projective {
        let compute = || {
            let padding = tier.dh_levels() - dh_levels;
            let tables = core::iter::once(LevelTable::sign())
                .chain(core::iter::repeat_n(LevelTable::padding(), padding));
            let inputs: Vec<Fr> = tables.flat_map(|table| table.inputs()).collect();
            self.inputs.sum(self.key.inputs.len() - inputs.len(), &inputs)
        };
        self.constant_shares.get(dh_levels).map_or_else(compute, |share| *share.get_or_init(compute))
    }
}

fn negated(point: G2Affine) -> G2Prepared {
    G2Prepared::from(-point)
}

#[cfg(feature = "parallel")]
fn for_each<T: Send>(items: &mut [T], work: impl Fn(&mut T) + Send + Sync) {
    use rayon::prelude::*;
    items.par_iter_mut().for_each(work);
}

#[cfg(not(feature = "parallel"))]
fn for_each<T>(items: &mut [T], work: impl Fn(&mut T)) {
    items.iter_mut().for_each(work);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ark_ff::AdditiveGroup;
    use curve::{Point, TreeSecret};
    use protocol::FrameDigest;

    use super::*;

    /// A statement of no tree levels, which needs no proof to be looked at.
    fn expanded() -> Expanded {
        let secret = TreeSecret::from_bytes(&[0; 32]).unwrap();
        let sign = secret.dh(&Point::sign_base()).derive().public();
        Statement::new(FrameDigest::new([9; 32]), vec![secret.public(), sign], Vec::new())
            .unwrap()
            .expand(Vec::new())
    }

    #[test]
    fn a_surplus_or_missing_input_is_refused() {
        let proof = Proof::from_bytes(include_bytes!("../tests/vectors/branch-t8.proof")).unwrap();
        let key = &VerifyingKeys::development().keys[&Circuit::Branch(Tier::T8)];
        let verify = |statement: &Expanded| key.verify_branch(statement, 0, &proof);
        let mut more_keys = expanded();
        more_keys.keys.push((Fr::ZERO, Fr::ZERO));
        assert_eq!(verify(&more_keys), Err(ProofError::Mismatch));
        let mut fewer_keys = expanded();
        fewer_keys.keys.pop();
        assert_eq!(verify(&fewer_keys), Err(ProofError::Mismatch));
        let mut more_tables = expanded();
        more_tables.tables.push(Arc::clone(LevelTable::padding()));
        assert_eq!(verify(&more_tables), Err(ProofError::Mismatch));
        let mut fewer_tables = expanded();
        fewer_tables.tables.pop();
        assert_eq!(verify(&fewer_tables), Err(ProofError::Mismatch));
    }

    #[test]
    fn the_split_input_sum_is_the_whole_one() {
        for key in VerifyingKeys::development().keys.values() {
            let Circuit::Branch(tier) = key.key.circuit else { continue };
            let statement = {
                let secret = TreeSecret::from_bytes(&[1; 32]).unwrap();
                let siblings = vec![secret.public(); tier.dh_levels() - 2];
                let keys = vec![secret.public(); siblings.len() + 2];
                Statement::new(FrameDigest::new([9; 32]), keys, siblings).unwrap()
            };
            let levels = statement.dh_levels();
            let mut inputs = statement.expand(LevelTable::batch(statement.siblings())).inputs();
            inputs.insert(0, Fr::ONE);
            let whole =
                key.key.inputs.iter().zip(&inputs).map(|(point, input)| *point * input).sum::<G1Projective>();
            assert_eq!(key.inputs.sum(0, &inputs), whole);
            let prefix = inputs.len() - 8 * (tier.levels() - levels);
            assert_eq!(key.inputs.sum(0, &inputs[..prefix]) + key.constant_share(tier, levels), whole);
        }
    }
}
