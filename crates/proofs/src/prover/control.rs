//! Following a proof, and giving it up.

use core::fmt;

/// What the prover is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProveStage {
    /// Compute every variable of the circuit.
    Witness,
    /// Transform the constraints to polynomials.
    Polynomials,
    /// Multiply the quotient's points; the longest stage but one.
    Quotient,
    /// Multiply the private variables' points.
    Private,
    /// Multiply the A side's points.
    SideA,
    /// Multiply the B side's points in G1.
    SideB,
    /// Multiply the B side's points in G2; as long as [`ProveStage::Quotient`].
    SideB2,
    /// Verify the proof.
    Check,
    /// All done.
    Finished,
}

impl ProveStage {
    /// The part of the work that lies before this stage, from 0 to 1, as measured for the branch circuits.
    #[must_use]
    pub const fn fraction(self) -> f32 {
        match self {
            Self::Witness => 0.0,
            Self::Polynomials => 0.01,
            Self::Quotient => 0.13,
            Self::Private => 0.41,
            Self::SideA => 0.58,
            Self::SideB => 0.69,
            Self::SideB2 => 0.76,
            Self::Check => 0.99,
            Self::Finished => 1.0,
        }
    }
}

/// How a caller follows a proof and gives it up.
///
/// Both functions are called on the thread that proves, at the beginning of each stage: a proof that was given up ends
/// within the longest stage, a quarter of the whole. They must not block.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    progress: &'a (dyn Fn(ProveStage) + Sync),
    given_up: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Control<'a> {
    /// Says what happens and asks whether to go on.
    #[must_use]
    pub const fn new(
        progress: &'a (dyn Fn(ProveStage) + Sync),
        given_up: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self { progress, given_up }
    }

    /// Whether to go on into a stage.
    pub(super) fn enter(&self, stage: ProveStage) -> Result<(), super::ProveError> {
        if (self.given_up)() {
            return Err(super::ProveError::GivenUp);
        }
        (self.progress)(stage);
        Ok(())
    }
}

impl Default for Control<'_> {
    /// Nobody watches, and nobody gives up.
    fn default() -> Self {
        Self { progress: &|_| {}, given_up: &|| false }
    }
}

impl fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control")
    }
}
