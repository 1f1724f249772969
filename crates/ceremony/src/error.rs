//! What can be wrong with a ceremony's files.

use core::fmt;
use std::io;

/// Which kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// Constraints of a circuit.
    R1cs,
    /// The assignment of a circuit's variables.
    Wtns,
    /// A proving key together with the contributions it went through.
    Zkey,
    /// Powers of tau: the result of a ceremony's first phase.
    Ptau,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::R1cs => "r1cs",
            Self::Wtns => "wtns",
            Self::Zkey => "zkey",
            Self::Ptau => "ptau",
        })
    }
}

/// A part of a proving key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPart {
    /// One point for each public input.
    InputPoints,
    /// The A polynomials.
    A,
    /// The B polynomials in G1.
    B1,
    /// The B polynomials in G2.
    B2,
    /// The private variables' shares.
    L,
    /// The points for the quotient.
    H,
    /// γ, which has to be the generator.
    Gamma,
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InputPoints => "the input points (IC)",
            Self::A => "the A points",
            Self::B1 => "the B points in G1",
            Self::B2 => "the B points in G2",
            Self::L => "the shares of the private variables (L)",
            Self::H => "the points for the quotient (H)",
            Self::Gamma => "gamma",
        })
    }
}

/// Why a key is not taken from a ceremony.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// A file cannot be read. The machine's fault.
    #[error("a {file} file cannot be read")]
    Read {
        /// Which file.
        file: FileKind,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The file ends before what its own lengths announce.
    #[error("the {0} file is cut off")]
    Truncated(FileKind),
    /// The file is of another kind or version, or something in it is not what its place demands.
    #[error("the {file} file is malformed: {what}")]
    Malformed {
        /// Which file.
        file: FileKind,
        /// What is wrong.
        what: &'static str,
    },
    /// The key was made for other constraints.
    #[error("the key is for another circuit: {0}")]
    WrongCircuit(&'static str),
    /// The powers of tau cannot be the ones this key was made from.
    #[error("the powers of tau do not fit: {0}")]
    WrongPowers(&'static str),
    /// A part of the key does not follow from constraints, powers of tau and contributions.
    #[error("{0} do not follow from the circuit, the powers of tau and the contributions")]
    WrongPoints(KeyPart),
    /// Nobody, or nobody but a public beacon, contributed.
    #[error("nobody contributed to the key, so whoever made it can forge proofs")]
    NoContributions,
    /// The contributions do not lead from the circuit's first key to this one.
    #[error("the chain of contributions is broken at number {position}: {what}")]
    BrokenChain {
        /// Counted from 1; one more than there are contributions where the key itself does not fit.
        position: usize,
        /// What does not fit.
        what: &'static str,
    },
    /// The key verified but cannot serve this circuit. A defect of this program.
    #[error("the verified key cannot be used")]
    Unusable,
}

impl CeremonyError {
    /// A name of the kind of error that does not change between versions.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "io",
            Self::Truncated(_) => "truncated_file",
            Self::Malformed { .. } => "malformed_file",
            Self::WrongCircuit(_) => "wrong_circuit",
            Self::WrongPowers(_) => "wrong_ptau",
            Self::WrongPoints(_) => "wrong_points",
            Self::NoContributions => "no_contributions",
            Self::BrokenChain { .. } => "broken_chain",
            Self::Unusable => "failed",
        }
    }
}
