//! Keys that many hands made.
//!
//! Groth16 needs a setup for each circuit, and whoever knows its randomness can forge proofs. In a ceremony many people
//! add randomness one after the other, and one of them forgetting theirs is enough. This crate reads and writes the
//! files of snarkjs, by which a ceremony is held, and verifies its result independently: [`to_r1cs`] gives a circuit's
//! constraints, [`verify`] checks a finished key and lists who contributed, [`VerifiedKey::proving_key`] turns it into
//! keys for this system. [`json`] has verifying keys and proofs as snarkjs writes them.
//!
//! Bytes in, verdict out: no files, no clock, and randomness is the caller's. The book's page on keys tells how a
//! ceremony goes.

mod container;
mod error;
mod import;
pub mod json;
mod points;
mod ptau;
mod r1cs;
mod relation;
mod transcript;
mod verify;
mod wtns;
mod zkey;

pub use container::Source;
pub use error::{CeremonyError, FileKind, KeyPart};
pub use ptau::PowersOfTau;
pub use r1cs::to_r1cs;
pub use relation::{Relation, RelationError, Row};
pub use transcript::CeremonyHash;
pub use verify::{CeremonyReport, ContributionReport, MAX_BEACON_EXPONENT, VerifiedKey, VerifyStage, verify};
pub use wtns::to_wtns;
pub use zkey::{Beacon, Contribution, Zkey};
