//! The program as a process, and what needs a process of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "../http/kit.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod kit;
mod logs;
mod program;
mod tus_client;
