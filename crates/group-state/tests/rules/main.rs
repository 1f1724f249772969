//! Each rule of the fold: what it takes, what it refuses with which code, and that a refusal changes nothing.
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

mod authoring;
mod authorisation;
mod base;
mod dirty;
mod founding;
mod gate;
mod heal;
mod invites;
mod leaves;
mod marks;
mod messages;
mod owner;
mod tickets;

mod scene;
mod served;
#[path = "../support/mod.rs"]
mod support;
