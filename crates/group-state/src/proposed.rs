//! A frame's way from "may be applied" to "was applied".

use proofs::{Claim, Proof, VerifyingKeys};
use protocol::Refusal;

use crate::{Effects, GroupState};

/// The state a frame would lead to, with everything checked but its proofs.
#[derive(Debug)]
#[must_use = "nothing has changed until the accepted state replaces the old one"]
pub struct Proposed {
    pub(crate) next: GroupState,
    pub(crate) effects: Effects,
    pub(crate) claims: Vec<(Claim, Proof)>,
}

/// The state after a frame whose every signature and proof holds.
#[derive(Debug)]
#[must_use = "nothing has changed until this state replaces the old one"]
pub struct Accepted {
    /// The state that replaces the old one.
    pub state: GroupState,
    /// What happened.
    pub effects: Effects,
}

impl Proposed {
    /// How many proofs are to be checked; a message has none.
    #[must_use]
    pub fn proof_count(&self) -> usize {
        self.claims.len()
    }

    /// Checks the proofs: about 1 to 3 milliseconds of CPU each, less when there are many.
    ///
    /// # Errors
    /// [`Refusal::BadProof`] when one does not hold.
    pub fn verify(self, keys: &VerifyingKeys) -> Result<Accepted, Refusal> {
        for (claim, proof) in &self.claims {
            keys.verify(claim, proof).map_err(|_| Refusal::BadProof)?;
        }
        Ok(Accepted { state: self.next, effects: self.effects })
    }
}
