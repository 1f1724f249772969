//! Admins: secrets, what they are committed to by, and the tree whose root stands for all of them.
//!
//! The owner of a group commits to its admins by the root of a complete binary Merkle tree of [`ADMIN_SLOTS`] leaves.
//! A leaf is the hash of an admin's [`AdminSecret`]; leaves without an admin hold a padding of which nobody knows an
//! opening. Whoever knows an opening proves it for an [`AdminStatement`], and neither the proof nor the statement says
//! which leaf it was.

mod secret;
mod statement;
mod tree;

use std::sync::OnceLock;

use ark_bn254::Fr;
use ark_ff::PrimeField;
use curve::poseidon;
use sha2::{Digest, Sha256};

pub use self::{
    secret::{AdminSecret, AdminSecretError},
    statement::{AdminRootError, AdminStatement},
    tree::{AdminPath, AdminTree, AdminTreeError},
};

/// Levels of the admin tree between a leaf and the root.
pub const ADMIN_LEVELS: usize = 10;

/// Leaves of an admin tree, padding included.
pub const ADMIN_SLOTS: usize = 1 << ADMIN_LEVELS;

/// The capacity elements that keep leaves and nodes of the tree apart, and the leaf nobody can open.
pub(crate) struct Labels {
    pub(crate) leaf: Fr,
    pub(crate) node: Fr,
    pub(crate) padding: Fr,
}

impl Labels {
    pub(crate) fn get() -> &'static Self {
        static LABELS: OnceLock<Labels> = OnceLock::new();
        LABELS.get_or_init(|| Self {
            leaf: label_element("kith/v1/admin-leaf"),
            node: label_element("kith/v1/admin-node"),
            padding: label_element("kith/v1/admin-padding"),
        })
    }
}

/// The last 31 bytes of the label's SHA-256, big-endian: no hash of this module is known to give it.
fn label_element(label: &str) -> Fr {
    let [_, element @ ..]: [u8; 32] = Sha256::digest(label).into();
    Fr::from_be_bytes_mod_order(&element)
}

/// The inner node above two others.
pub(crate) fn node(left: Fr, right: Fr) -> Fr {
    poseidon::hash_pair(Labels::get().node, left, right)
}

#[cfg(test)]
mod tests;
