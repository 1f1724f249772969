//! Many proofs at once.

use std::collections::BTreeMap;

use ark_bn254::{Fq12, Fr, G1Affine, G1Projective};
use ark_ff::AdditiveGroup;
use rand_core::CryptoRng;

use super::{
    PreparedKey, blame,
    coefficient::{Coefficient, scale},
};
use crate::{
    msm::msm_of_parts,
    pairing::{Lines, final_exponentiation, miller_product},
    parallel::{for_each, map_shares},
    proof::Proof,
    tier::Circuit,
};

/// Proofs with everything computed that does not depend on which of them are looked at together.
pub(super) struct Batch<'a> {
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    key: &'a PreparedKey,
    inputs: Vec<Fr>,
    proof: &'a Proof,
    lines: Lines,
    coefficient: Coefficient,
    /// A times the coefficient.
    scaled: G1Projective,
}

impl<'a> Batch<'a> {
    /// Draws a coefficient for each proof, after all of them are there.
    pub(super) fn new(
        entries: Vec<(&'a PreparedKey, Vec<Fr>, &'a Proof)>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let lines = Lines::batch(&entries.iter().map(|(_, _, proof)| proof.b).collect::<Vec<_>>());
        let points: Vec<_> =
            entries.iter().map(|(_, _, proof)| (proof.a, Coefficient::random(rng))).collect();
        let scaled = map_shares(&points, 1, scale).into_iter().flatten();
        let entries = entries.into_iter().zip(lines).zip(points.into_iter().zip(scaled));
        let entries = entries.map(|(((key, inputs, proof), lines), ((_, coefficient), scaled))| Entry {
            key,
            inputs,
            proof,
            lines,
            coefficient,
            scaled,
        });
        Self { entries: entries.collect() }
    }

    /// The positions of proofs that have to be checked singly, ascending; all others hold.
    ///
    /// A range in which all hold has the product one whatever the coefficients are. That a range has it although one
    /// does not hold happens with probability 2^-128; for all ranges looked at together, below 2^-119.
    pub(super) fn suspects(&self) -> Vec<usize> {
        blame::suspects(self.entries.len(), |range| self.entries.get(range).and_then(combination))
    }

    /// The lines of a proof's B.
    pub(super) fn lines(&self, index: usize) -> Option<&Lines> {
        self.entries.get(index).map(|entry| &entry.lines)
    }
}

/// One of the products a combination consists of for each circuit.
enum Term<'a> {
    /// e(−α, β) to the sum of the coefficients.
    AlphaBeta(Fr),
    /// The coefficients' combination of the input sums.
    Inputs(Vec<Fr>),
    /// The coefficients' combination of the points C.
    C(Vec<&'a Entry<'a>>),
}

/// Π (e(A, B) · e(−α, β) · e(−inputs, γ) · e(−C, δ))^r, which is one if all proofs hold.
fn combination(entries: &[Entry<'_>]) -> Option<Fq12> {
    let mut circuits: BTreeMap<Circuit, Vec<&Entry<'_>>> = BTreeMap::new();
    for entry in entries {
        circuits.entry(entry.key.key.circuit).or_default().push(entry);
    }
    let mut terms = Vec::with_capacity(3 * circuits.len());
    for entries in circuits.into_values() {
        let Some(first) = entries.first() else { continue };
        let key = first.key;
        let inputs = combined_inputs(&entries);
        let total = inputs.first().copied().unwrap_or_default();
        terms.push((key, Term::Inputs(inputs), G1Projective::ZERO));
        terms.push((key, Term::C(entries), G1Projective::ZERO));
        terms.push((key, Term::AlphaBeta(total), G1Projective::ZERO));
    }
    for_each(&mut terms, |(key, term, point)| {
        *point = match term {
            Term::AlphaBeta(total) => -(key.key.alpha * *total),
            Term::Inputs(inputs) => key.inputs.sum(inputs.iter().copied().enumerate()),
            Term::C(entries) => combined_c(entries),
        };
    });
    let mut pairs: Vec<(G1Projective, &Lines)> =
        entries.iter().map(|entry| (entry.scaled, &entry.lines)).collect();
    pairs.extend(terms.iter().map(|(key, term, point)| match term {
        Term::AlphaBeta(_) => (*point, &key.beta),
        Term::Inputs(_) => (*point, &key.gamma_negated),
        Term::C(_) => (*point, &key.delta_negated),
    }));
    final_exponentiation(&miller_product(&pairs))
}

/// The coefficients' combination of the inputs, beginning with the constant one.
fn combined_inputs(entries: &[&Entry<'_>]) -> Vec<Fr> {
    let coefficients: Vec<Fr> = entries.iter().map(|entry| entry.coefficient.scalar()).collect();
    let width = entries.first().map_or(0, |entry| entry.inputs.len());
    let mut sums: Vec<(usize, Fr)> = (0..width).map(|column| (column, Fr::ZERO)).collect();
    for_each(&mut sums, |(column, sum)| {
        for (entry, coefficient) in entries.iter().zip(&coefficients) {
            if let Some(input) = entry.inputs.get(*column) {
                *sum += *coefficient * input;
            }
        }
    });
    core::iter::once(coefficients.iter().sum()).chain(sums.into_iter().map(|(_, sum)| sum)).collect()
}

/// The coefficients' combination of the points C.
fn combined_c(entries: &[&Entry<'_>]) -> G1Projective {
    let points: Vec<G1Affine> = entries.iter().map(|entry| entry.proof.c).collect();
    let parts = entries.iter().map(|entry| entry.coefficient.parts().map(i128::from));
    msm_of_parts(&points, &parts.collect::<Vec<_>>())
}
