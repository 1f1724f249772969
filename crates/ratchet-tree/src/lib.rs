//! The key tree of a group: placement, branch changes, marks, healing, structural hash.
//!
//! A left-balanced binary tree over leaf slots (array indices of RFC 9420, appendix C), in which the key of a node is
//! derived from the Diffie–Hellman value of its two children (asynchronous ratcheting trees, Cohn-Gordon et al. 2018).
//! The root secret is therefore a function of the leaf secrets alone, and who may know a leaf secret decides who can
//! follow the group: the tree keeps, per leaf, whom else than its member that is, and re-keys those leaves with them.
//!
//! Start with [`Tree`]: the public tree, a persistent structure that is cheap to clone and to change. [`Prepared`] is
//! a branch change under way, [`Tree::mark`] takes members out, and [`PathSecrets`] is what one member knows.
//!
//! This crate knows no frames, signatures, proofs, clocks or capabilities: who may change what is decided by its
//! callers. What it refuses, it refuses for the structure's sake, and every refusal leaves the tree as it was.

mod capacity;
mod error;
mod index;
mod leaf;
mod node;
mod path;
mod tree;

pub use capacity::Capacity;
pub use error::{AuditError, PathMismatch, TreeDecodeError, TreeError};
pub use leaf::{Leaf, LiveLeaf, Status};
pub use path::PathSecrets;
pub use tree::{
    PathLevel, Tree,
    branch::{Authored, BranchKeys, NewLeaf, Prepared, Target},
    mark::{Marked, MarkedLeaf},
};
