//! States as bytes, and what frames and states of large groups cost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "test helpers"
)]

mod corpus;
mod costs;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;
