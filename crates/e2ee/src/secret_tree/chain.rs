//! One sender's chain of generations.

use std::collections::BTreeMap;

use protocol::Slot;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Generation, MAX_KEPT, MAX_SKIP, RatchetError};
use crate::kdf;

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Kept(pub(super) [u8; 32]);

/// What is left of a sender's secrets: the head of the chain and the ratchet secrets of skipped generations.
pub(super) struct Chain {
    /// Secret of the chain at `next`.
    pub(super) head: Kept,
    /// Lowest generation never reached; above `u32::MAX` when all are used.
    pub(super) next: u64,
    /// Ratchet secrets of generations below `next` that were not used.
    pub(super) kept: BTreeMap<u32, Kept>,
}

impl Chain {
    pub(super) fn new(leaf: &[u8; 32], slot: Slot) -> Self {
        let head = Kept(*kdf::expand(leaf, "chain", &slot.get().to_be_bytes()));
        Self { head, next: 0, kept: BTreeMap::new() }
    }

    pub(super) fn next_generation(&self) -> Option<Generation> {
        u32::try_from(self.next).ok().map(Generation)
    }

    /// The ratchet secret of a generation, without change.
    pub(super) fn peek(&self, generation: Generation) -> Result<Zeroizing<[u8; 32]>, RatchetError> {
        let wanted = u64::from(generation.get());
        if wanted < self.next {
            let kept = self.kept.get(&generation.get()).ok_or(RatchetError::Used)?;
            return Ok(Zeroizing::new(kept.0));
        }
        self.check_skip(wanted)?;
        let mut head = self.head.clone();
        for at in self.next..wanted {
            head = step(&head, at);
        }
        Ok(ratchet(&head, wanted))
    }

    /// The same for good: keeps the skipped, deletes what is taken.
    pub(super) fn take(&mut self, generation: Generation) -> Result<Zeroizing<[u8; 32]>, RatchetError> {
        let wanted = u64::from(generation.get());
        if wanted < self.next {
            let kept = self.kept.remove(&generation.get()).ok_or(RatchetError::Used)?;
            return Ok(Zeroizing::new(kept.0));
        }
        self.check_skip(wanted)?;
        let mut skipped = self.next_generation();
        while let Some(at) = skipped.filter(|at| *at < generation) {
            self.kept.insert(at.get(), Kept(*ratchet(&self.head, self.next)));
            self.advance();
            skipped = self.next_generation();
        }
        let secret = ratchet(&self.head, self.next);
        self.advance();
        Ok(secret)
    }

    fn advance(&mut self) {
        self.head = step(&self.head, self.next);
        self.next += 1;
    }

    fn check_skip(&self, wanted: u64) -> Result<(), RatchetError> {
        let skip = u32::try_from(wanted - self.next).unwrap_or(u32::MAX);
        if skip > MAX_SKIP {
            return Err(RatchetError::TooFarAhead(skip));
        }
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        if self.kept.len().saturating_add(skip) > MAX_KEPT {
            return Err(RatchetError::TooManySkipped);
        }
        Ok(())
    }
}

fn step(head: &Kept, at: u64) -> Kept {
    Kept(*kdf::expand(&head.0, "next", &at.to_be_bytes()))
}

fn ratchet(head: &Kept, at: u64) -> Zeroizing<[u8; 32]> {
    kdf::expand(&head.0, "ratchet", &at.to_be_bytes())
}
