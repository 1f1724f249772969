//! Attacks on groups of this sort, each under the name of what it would have won.
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

mod delivery;
mod entry;
mod ghosts;
mod impersonation;
mod keeping_the_group_from_going_on;
mod keys_and_ranks;

#[path = "../support/mod.rs"]
mod support;
