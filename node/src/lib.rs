//! The node: takes frames of private groups, checks and orders them, keeps them, pushes them to followers.
//!
//! It never sees content or identities, and yet stores nothing that would break a group: every frame is folded onto
//! the group's state, proofs included, before it is appended. It must never learn to open anything: the code for that
//! is not among its dependencies, and a test keeps it so.
//!
//! A frame crosses [`router`] → `http::frames` → `group` → `group::task` → `verify` and the fold → the log, and back as
//! a signed receipt. A follower crosses [`router`] → `http::events` → `follow` → the tail of the group or the log.
//! [`config`] names everything that can be set.
//!
//! Start with [`run`] for a process of its own, with [`run_on`] for one that does more with the same store, with
//! [`NodeBuilder`] to make a node part of another one.

mod access;
mod beside;
mod builder;
pub mod config;
mod failure;
mod feed;
mod follow;
mod group;
mod http;
mod identity;
mod key_packages;
mod keys;
mod metrics;
mod router;
mod run;
mod served;
mod store;
mod sweep;
mod verify;

pub use beside::Beside;
pub use builder::{Node, NodeBuilder, StartError};
pub use keys::ParametersError;
pub use run::{RunError, run, run_beside, run_on};
pub use store::{OpenStore, OpenStoreError, SharedStore, Store};
