//! A frame's way from "may be applied" to "was applied".

use proofs::{Claim, Proof, VerifyingKeys};
use protocol::Refusal;
use rand_core::CryptoRng;

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

    /// Checks the proofs one by one: less than a millisecond of CPU each where their siblings were seen before, about
    /// two where not.
    ///
    /// # Errors
    /// [`Refusal::BadProof`] when one does not hold.
    pub fn verify(self, keys: &VerifyingKeys) -> Result<Accepted, Refusal> {
        for (claim, proof) in &self.claims {
            keys.verify(claim, proof).map_err(|_| Refusal::BadProof)?;
        }
        Ok(Accepted { state: self.next, effects: self.effects })
    }

    /// Checks the proofs together, which is several times faster for a frame of many changes.
    ///
    /// `rng` as in [`verify_batch`].
    ///
    /// # Errors
    /// [`Refusal::BadProof`] when one does not hold.
    pub fn verify_together(
        self,
        keys: &VerifyingKeys,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Accepted, Refusal> {
        verify_batch(vec![self], keys, rng).pop().unwrap_or(Err(Refusal::BadProof))
    }
}

/// Checks the proofs of many frames together, whatever groups they are of: several times faster than one by one.
///
/// The verdicts are in the order of the proposals. A proof that does not hold refuses its own frame and no other; it
/// makes the whole dearer, since the bad one has to be found, so frames of senders who lately sent bad ones are better
/// checked apart. `rng` gives the coefficients of the combination that is checked, and must be unforeseeable to those
/// who made the proofs; it is not used when there is one proof in all.
///
/// # Errors
/// Inside, [`Refusal::BadProof`] for each frame of which a proof does not hold.
pub fn verify_batch(
    proposals: Vec<Proposed>,
    keys: &VerifyingKeys,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<Result<Accepted, Refusal>> {
    let total = proposals.iter().map(Proposed::proof_count).sum();
    if total <= 1 {
        return proposals.into_iter().map(|proposed| proposed.verify(keys)).collect();
    }
    let mut claims = Vec::with_capacity(total);
    let mut frames = Vec::with_capacity(proposals.len());
    for mut proposed in proposals {
        frames.push((proposed.proof_count(), proposed.next, proposed.effects));
        claims.append(&mut proposed.claims);
    }
    let mut verdicts = keys.verify_batch(&claims, rng).into_iter();
    let verdict = |(count, state, effects)| {
        // A verdict that is not there is none in favour.
        let held = verdicts.by_ref().take(count).filter(Result::is_ok).count();
        if held == count { Ok(Accepted { state, effects }) } else { Err(Refusal::BadProof) }
    };
    frames.into_iter().map(verdict).collect()
}
