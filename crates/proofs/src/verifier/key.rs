//! A verifying key prepared for use.

use std::sync::OnceLock;

use ark_bn254::{Fq12, Fr, G1Affine, G1Projective};
use ark_ff::Field;

use super::ProofError;
use crate::{
    hash::VerifyingKeyHash,
    msm::FixedBases,
    pairing::{Lines, final_exponentiation, miller_product},
    proof::Proof,
    statement::Expanded,
    table::LevelTable,
    tier::{Circuit, Tier},
    verifying_key::VerifyingKey,
};

/// A key with everything that does not depend on a proof computed.
pub(crate) struct PreparedKey {
    pub(super) key: VerifyingKey,
    pub(super) hash: VerifyingKeyHash,
    alpha_beta: Option<Fq12>,
    pub(super) beta: Lines,
    pub(super) gamma_negated: Lines,
    pub(super) delta_negated: Lines,
    pub(super) inputs: FixedBases<ark_bn254::g1::Config>,
    /// By number of tree levels: what the tables of the sign level and the padding above it add to the input sum.
    constant_shares: Vec<OnceLock<G1Projective>>,
}

impl PreparedKey {
    pub(crate) fn new(key: VerifyingKey) -> Self {
        let beta = Lines::of(&key.beta);
        Self {
            hash: key.hash(),
            alpha_beta: final_exponentiation(&miller_product(&[(key.alpha.into(), &beta)])),
            beta,
            gamma_negated: Lines::of(&-key.gamma),
            delta_negated: Lines::of(&-key.delta),
            inputs: FixedBases::new(&key.inputs),
            constant_shares: match key.circuit {
                Circuit::Branch(tier) => (0..tier.levels()).map(|_| OnceLock::new()).collect(),
                Circuit::Admin => Vec::new(),
            },
            key,
        }
    }

    /// The input sum for a statement of this key's tier.
    ///
    /// `shares` has an element for each level of the tree: the share of the level's table, if it is known.
    ///
    /// # Errors
    ///
    /// [`ProofError::Mismatch`] if the key is for another circuit or number of inputs.
    pub(super) fn branch_sum(
        &self,
        statement: &Expanded,
        shares: &[Option<G1Affine>],
    ) -> Result<G1Projective, ProofError> {
        let inputs = statement.inputs();
        self.check_count(inputs.len())?;
        let Circuit::Branch(tier) = self.key.circuit else { return Err(ProofError::Mismatch) };
        // The constant tables come last.
        let known = |table: usize| table >= shares.len() || shares.get(table).is_some_and(Option::is_some);
        let first_table = Self::first_of_table(tier, 0);
        let terms = core::iter::once(Fr::ONE).chain(inputs).enumerate();
        let terms = terms.filter(|(index, _)| *index < first_table || !known((index - first_table) / 8));
        let sum = self.inputs.sum(terms) + self.constant_share(tier, shares.len());
        Ok(shares.iter().flatten().fold(sum, |sum, share| sum + share))
    }

    /// The input sum for the public inputs of this key's circuit.
    ///
    /// # Errors
    ///
    /// [`ProofError::Mismatch`] if the key is for another number of inputs.
    pub(super) fn sum(&self, inputs: &[Fr]) -> Result<G1Projective, ProofError> {
        self.check_count(inputs.len())?;
        Ok(self.inputs.sum(core::iter::once(Fr::ONE).chain(inputs.iter().copied()).enumerate()))
    }

    /// Checks a proof for the public inputs of this key's circuit.
    ///
    /// # Errors
    ///
    /// [`ProofError::Mismatch`] if the proof does not hold, or the key is for another number of inputs.
    #[cfg(feature = "prover")]
    pub(crate) fn verify_inputs(&self, inputs: &[Fr], proof: &Proof) -> Result<(), ProofError> {
        self.verify_sum(&self.sum(inputs)?, proof, &Lines::of(&proof.b))
    }

    /// Neither more nor fewer inputs than the key has points for: a surplus input would go unchecked.
    pub(super) fn check_count(&self, inputs: usize) -> Result<(), ProofError> {
        let fits = inputs == self.key.circuit.inputs() && self.key.inputs.len() == inputs + 1;
        if fits { Ok(()) } else { Err(ProofError::Mismatch) }
    }

    /// Checks the pairing equation for an input sum and the lines of the proof's B.
    pub(super) fn verify_sum(
        &self,
        sum: &G1Projective,
        proof: &Proof,
        lines: &Lines,
    ) -> Result<(), ProofError> {
        let pairs =
            [(proof.a.into(), lines), (*sum, &self.gamma_negated), (proof.c.into(), &self.delta_negated)];
        match (final_exponentiation(&miller_product(&pairs)), &self.alpha_beta) {
            (Some(product), Some(expected)) if product == *expected => Ok(()),
            _ => Err(ProofError::Mismatch),
        }
    }

    /// What a table adds to the input sum as the sibling of a level.
    pub(super) fn share(&self, tier: Tier, level: usize, table: &LevelTable) -> G1Projective {
        self.inputs.sum((Self::first_of_table(tier, level)..).zip(table.inputs()))
    }

    /// The position of a table's first input among the key's input points.
    const fn first_of_table(tier: Tier, level: usize) -> usize {
        tier.inputs() + 1 - 8 * (tier.levels() - level)
    }

    fn constant_share(&self, tier: Tier, dh_levels: usize) -> G1Projective {
        let compute = || {
            let padding = tier.dh_levels() - dh_levels;
            let tables = core::iter::once(LevelTable::sign())
                .chain(core::iter::repeat_n(LevelTable::padding(), padding));
            let inputs = tables.flat_map(|table| table.inputs());
            self.inputs.sum((Self::first_of_table(tier, dh_levels)..).zip(inputs))
        };
        self.constant_shares.get(dh_levels).map_or_else(compute, |share| *share.get_or_init(compute))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ark_ec::CurveGroup;
    use ark_ff::AdditiveGroup;
    use curve::{Point, TreeSecret};
    use protocol::FrameDigest;

    use super::*;
    use crate::{statement::Statement, verifier::VerifyingKeys};

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
        let proof = Proof::from_bytes(include_bytes!("../../tests/vectors/branch-t8.proof")).unwrap();
        let key = &VerifyingKeys::development().keys[&Circuit::Branch(Tier::T8)];
        let lines = Lines::of(&proof.b);
        let verify = |statement: &Expanded| key.verify_sum(&key.branch_sum(statement, &[])?, &proof, &lines);
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
            let tables = LevelTable::batch(statement.siblings());
            let shares: Vec<Option<G1Affine>> = tables
                .iter()
                .enumerate()
                .map(|(level, table)| Some(key.share(tier, level, table).into_affine()))
                .collect();
            let expanded = statement.expand(tables);
            let inputs: Vec<Fr> = core::iter::once(Fr::ONE).chain(expanded.inputs()).collect();
            let whole =
                key.key.inputs.iter().zip(&inputs).map(|(point, input)| *point * input).sum::<G1Projective>();
            assert_eq!(key.sum(&inputs[1..]), Ok(whole));
            // With all, none and some shares at hand.
            assert_eq!(key.branch_sum(&expanded, &shares), Ok(whole));
            assert_eq!(key.branch_sum(&expanded, &vec![None; shares.len()]), Ok(whole));
            let mut some = shares;
            some.iter_mut().step_by(2).for_each(|share| *share = None);
            assert_eq!(key.branch_sum(&expanded, &some), Ok(whole));
        }
    }
}
