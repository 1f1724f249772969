//! From a verified key to keys of this system.

use ark_serialize::CanonicalSerialize as _;
use proofs::{Circuit, ConstraintSystem, ProvingKey, ProvingKeyParts, VerifyingKey};

use crate::{
    error::CeremonyError,
    relation::{Relation, RelationError},
    verify::VerifiedKey,
};

impl TryFrom<&ConstraintSystem> for Relation {
    type Error = RelationError;

    fn try_from(system: &ConstraintSystem) -> Result<Self, RelationError> {
        let rows = system.constraints().map(|row| [row.a, row.b, row.c]).collect();
        Self::new(system.public_inputs(), system.variables(), rows)
    }
}

impl VerifiedKey {
    /// The key's verifying key, for a circuit of as many public inputs.
    ///
    /// # Errors
    /// [`CeremonyError::Unusable`] if it is none of that circuit, or leaves an input unbound.
    pub fn verifying_key(&self, circuit: Circuit) -> Result<VerifyingKey, CeremonyError> {
        let mut bytes = Vec::new();
        let elements = &self.elements;
        let written = elements.alpha.serialize_compressed(&mut bytes).is_ok()
            && [elements.beta, elements.gamma, elements.delta]
                .iter()
                .all(|point| point.serialize_compressed(&mut bytes).is_ok())
            && self.inputs.serialize_compressed(&mut bytes).is_ok();
        let key = written.then(|| VerifyingKey::from_bytes(circuit, &bytes).ok()).flatten();
        key.ok_or(CeremonyError::Unusable)
    }

    /// The key for proving, of the circuit whose constraints it was verified against.
    ///
    /// # Errors
    /// [`CeremonyError::Unusable`] if `relation` or `circuit` is not what it was verified for.
    pub fn proving_key(&self, circuit: Circuit, relation: &Relation) -> Result<ProvingKey, CeremonyError> {
        let mut used = [vec![false; relation.variables()], vec![false; relation.variables()]];
        for (is_b, _, variable, _) in relation.coefficients() {
            let [a, b] = &mut used;
            if let Some(slot) = if is_b { b } else { a }.get_mut(variable as usize) {
                *slot = true;
            }
        }
        let [a, b] = used;
        let parts = ProvingKeyParts {
            verifying_key: self.verifying_key(circuit)?,
            beta_g1: self.elements.beta_g1,
            delta_g1: self.elements.delta_g1,
            a: pick(&self.a, &a),
            b_g1: pick(&self.b_g1, &b),
            b_g2: pick(&self.b_g2, &b),
            l: self.l.clone(),
            h: self.h.clone(),
        };
        ProvingKey::from_parts(parts).map_err(|_| CeremonyError::Unusable)
    }
}

fn pick<P: Copy>(points: &[P], used: &[bool]) -> Vec<P> {
    points.iter().zip(used).filter(|(_, used)| **used).map(|(point, _)| *point).collect()
}
