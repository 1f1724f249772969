//! Checking proofs, alone and in batches.

mod batch;
mod blame;
mod coefficient;
mod key;

use core::fmt;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use protocol::ParamsHash;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

use self::batch::Batch;
pub(crate) use self::key::PreparedKey;
use crate::{
    claim::Claim,
    hash::VerifyingKeyHash,
    pairing::Lines,
    parallel::for_each,
    proof::Proof,
    statement::Statement,
    table::{LevelTable, Place, TableCache},
    tier::Circuit,
    verifying_key::VerifyingKey,
};

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
/// About 1 MB for all circuits, mostly precomputed multiples of the input points, and up to 3 MB of tables derived from
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

    /// Checks one proof: a sum over the inputs, one product of three pairings.
    ///
    /// What a sibling adds to the sum is remembered for next time, for up to four siblings that are new.
    ///
    /// # Errors
    ///
    /// [`ProofError::UnknownCircuit`] without a key for the claim's circuit, [`ProofError::Mismatch`] if the proof does
    /// not hold.
    pub fn verify(&self, claim: &Claim, proof: &Proof) -> Result<(), ProofError> {
        let circuit = claim.circuit();
        let key = self.keys.get(&circuit).ok_or(ProofError::UnknownCircuit(circuit))?;
        self.verify_with(key, claim, proof, &Lines::of(&proof.b))
    }

    /// Checks one proof under a key of its circuit, given the lines of its B.
    fn verify_with(
        &self,
        key: &PreparedKey,
        claim: &Claim,
        proof: &Proof,
        lines: &Lines,
    ) -> Result<(), ProofError> {
        let sum = match claim {
            Claim::Branch(statement) => {
                let tables = self.tables.tables(statement.siblings());
                let shares = self.shares(key, statement, &tables);
                key.branch_sum(&statement.expand(tables), &shares)?
            }
            Claim::Admin(statement) => key.sum(&statement.inputs())?,
        };
        key.verify_sum(&sum, proof, lines)
    }

    /// What a path's siblings add to the input sum, where that is at hand or among the first that are not.
    fn shares(
        &self,
        key: &PreparedKey,
        statement: &Statement,
        tables: &[Arc<LevelTable>],
    ) -> Vec<Option<G1Affine>> {
        let tier = statement.tier();
        let siblings = statement.siblings();
        let mut shares = self.tables.shares(tier, siblings);
        let missing = siblings.iter().zip(tables).zip(&mut shares).enumerate();
        let missing: Vec<_> =
            missing.filter(|(_, (_, share))| share.is_none()).take(Self::NEW_SHARES).collect();
        let points: Vec<G1Projective> =
            missing.iter().map(|(level, ((_, table), _))| key.share(tier, *level, table)).collect();
        for ((level, ((sibling, _), slot)), share) in
            missing.into_iter().zip(G1Projective::normalize_batch(&points))
        {
            self.tables.note(sibling, Place { tier, level }, share);
            *slot = Some(share);
        }
        shares
    }

    /// How many shares one check computes: apart from the rest of the sum they cost more than in it.
    const NEW_SHARES: usize = 4;

    fn inputs(&self, claim: &Claim) -> Vec<Fr> {
        match claim {
            Claim::Branch(statement) => statement.expand(self.tables.tables(statement.siblings())).inputs(),
            Claim::Admin(statement) => statement.inputs().to_vec(),
        }
    }

    /// Checks many proofs at once and blames exactly those that do not hold.
    ///
    /// A random linear combination with fresh coefficients of 128 bits is checked for up to 256 proofs at a time, of
    /// any mix of circuits. Where it fails, halves are checked, as long as that is cheaper than checking one by one
    /// what is left; so a batch full of bad proofs takes about half as long again as checking all of them singly.
    ///
    /// The outcomes are in the order of the items.
    pub fn verify_batch(
        &self,
        items: &[(Claim, Proof)],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<Result<(), ProofError>> {
        let mut outcomes = vec![Ok(()); items.len()];
        for (items, outcomes) in items.chunks(Self::BATCH).zip(outcomes.chunks_mut(Self::BATCH)) {
            self.verify_chunk(items, outcomes, rng);
        }
        outcomes
    }

    const BATCH: usize = 256;

    fn verify_chunk(
        &self,
        items: &[(Claim, Proof)],
        outcomes: &mut [Result<(), ProofError>],
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let mut known = Vec::with_capacity(items.len());
        for ((claim, proof), outcome) in items.iter().zip(outcomes) {
            match self.keys.get(&claim.circuit()) {
                Some(key) => known.push(Item { claim, proof, key, inputs: Vec::new(), outcome }),
                None => *outcome = Err(ProofError::UnknownCircuit(claim.circuit())),
            }
        }
        for_each(&mut known, |item| item.inputs = self.inputs(item.claim));
        let (mut fitting, misfits): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|item| item.key.check_count(item.inputs.len()).is_ok());
        for item in misfits {
            *item.outcome = Err(ProofError::Mismatch);
        }
        let entries =
            fitting.iter_mut().map(|item| (item.key, core::mem::take(&mut item.inputs), item.proof));
        let batch = Batch::new(entries.collect(), rng);
        let suspects = batch.suspects();
        let mut suspects: Vec<_> = fitting
            .into_iter()
            .enumerate()
            .filter(|(index, _)| suspects.binary_search(index).is_ok())
            .filter_map(|(index, item)| Some((item, batch.lines(index)?)))
            .collect();
        for_each(&mut suspects, |(item, lines)| {
            *item.outcome = self.verify_with(item.key, item.claim, item.proof, lines);
        });
    }
}

struct Item<'a> {
    claim: &'a Claim,
    proof: &'a Proof,
    key: &'a PreparedKey,
    inputs: Vec<Fr>,
    outcome: &'a mut Result<(), ProofError>,
}

impl fmt::Debug for VerifyingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.keys.iter().map(|(circuit, key)| (circuit, key.hash))).finish()
    }
}
