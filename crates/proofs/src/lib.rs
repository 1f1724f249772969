//! Proofs that a branch of the key tree was computed as the rules say.
//!
//! A [`Statement`] lists public keys: the new ones of a path and the siblings beside it. A [`Proof`] shows, in 128
//! bytes and without revealing any, that whoever made it knows a leaf secret from which all of them follow, and binds
//! the whole to the digest of a frame. [`VerifyingKeys`] checks proofs, alone or in batches; with the feature `prover`
//! this crate also makes keys and proofs.
//!
//! The proof system is Groth16 over BN254, the circuit is described in the book's page on proofs. This crate never
//! sees a group, a user or a message: points and a digest go in, a verdict comes out.

mod admin;
mod claim;
mod development;
mod hash;
mod msm;
mod pairing;
mod parallel;
mod proof;
mod statement;
mod table;
mod tier;
mod verifier;
mod verifying_key;

#[cfg(feature = "prover")]
mod circuit;
#[cfg(feature = "prover")]
mod prover;

pub use admin::{
    ADMIN_LEVELS, ADMIN_SLOTS, AdminPath, AdminRootError, AdminSecret, AdminSecretError, AdminStatement,
    AdminTree, AdminTreeError,
};
pub use claim::Claim;
pub use development::{DEVELOPMENT_KEYS, DevelopmentKey};
pub use hash::{ProvingKeyHash, VerifyingKeyHash};
pub use proof::{Proof, ProofFormatError};
#[cfg(feature = "prover")]
pub use prover::{
    Constraint, ConstraintSystem, Control, ProveError, ProveStage, ProvingKey, ProvingKeyError,
    ProvingKeyParts, SetupError, SetupStage, admin_witness, constraint_system, prove, prove_admin,
    setup_development,
};
pub use statement::{Statement, StatementError};
pub use tier::{Circuit, Tier};
pub use verifier::{KeySetError, ProofError, VerifyingKeys};
pub use verifying_key::{VerifyingKey, VerifyingKeyError};
