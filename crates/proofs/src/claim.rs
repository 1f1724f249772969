//! What a proof can be a proof of.

use ark_bn254::Fr;
use protocol::FrameDigest;

use crate::{admin::AdminStatement, statement::Statement, table::LevelTable, tier::Circuit};

/// What a proof is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The change of a branch of the key tree.
    Branch(Statement),
    /// Membership in the tree of admins.
    Admin(AdminStatement),
}

impl Claim {
    /// The circuit the proof must be for.
    #[must_use]
    pub const fn circuit(&self) -> Circuit {
        match self {
            Self::Branch(statement) => Circuit::Branch(statement.tier()),
            Self::Admin(_) => Circuit::Admin,
        }
    }

    /// The frame digest it is bound to.
    #[must_use]
    pub const fn digest(&self) -> &FrameDigest {
        match self {
            Self::Branch(statement) => statement.digest(),
            Self::Admin(statement) => statement.digest(),
        }
    }

    /// The public inputs in the circuit's order, for those who check proofs with other programs.
    #[must_use]
    pub fn public_inputs(&self) -> Vec<Fr> {
        match self {
            Self::Branch(statement) => statement.expand(LevelTable::batch(statement.siblings())).inputs(),
            Self::Admin(statement) => statement.inputs().to_vec(),
        }
    }
}

impl From<Statement> for Claim {
    fn from(statement: Statement) -> Self {
        Self::Branch(statement)
    }
}

impl From<AdminStatement> for Claim {
    fn from(statement: AdminStatement) -> Self {
        Self::Admin(statement)
    }
}
