//! The log in `MongoDB` on a real engine: what it promises, and what is done to it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod conformance;
mod contended;
mod crash;
mod damage;
#[path = "../support/databases.rs"]
mod databases;
mod mailboxes;
mod opening;
mod retention;
mod snapshots;
mod unknown_outcome;
