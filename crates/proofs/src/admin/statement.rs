//! What an admin's proof states.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use curve::field;
use protocol::{AdminRoot, FrameDigest};

use crate::statement::digest_element;

/// Why a root cannot be proved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminRootError {
    /// The root is zero: the group has no admins but its owner.
    #[error("the group has no admins")]
    NoAdmins,
    /// The root is not below the modulus.
    #[error("admin root is not canonical")]
    NotCanonical,
}

/// "Whoever made this frame can open one of the commitments under this root."
///
/// There are a secret, a salt and a way of [`ADMIN_LEVELS`](super::ADMIN_LEVELS) levels from their hash up to the root.
/// The frame's digest is bound to the proof as a public input. The root must be the one of the verifier's own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminStatement {
    digest: FrameDigest,
    root: AdminRoot,
    element: Fr,
}

impl AdminStatement {
    /// Field elements in the statement: digest and root.
    pub const INPUTS: usize = 2;

    /// Puts a statement together.
    ///
    /// # Errors
    ///
    /// [`AdminRootError`] for the zero root and for one that is no field element.
    pub fn new(digest: FrameDigest, root: AdminRoot) -> Result<Self, AdminRootError> {
        let element = field::from_bytes(root.as_bytes()).ok_or(AdminRootError::NotCanonical)?;
        if element == Fr::ZERO {
            return Err(AdminRootError::NoAdmins);
        }
        Ok(Self { digest, root, element })
    }

    /// The frame digest.
    #[must_use]
    pub const fn digest(&self) -> &FrameDigest {
        &self.digest
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> &AdminRoot {
        &self.root
    }

    /// The public inputs in the circuit's order: digest, root.
    pub(crate) fn inputs(&self) -> [Fr; Self::INPUTS] {
        [digest_element(&self.digest), self.element]
    }
}
