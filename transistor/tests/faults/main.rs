//! What must hold when the service, its database or its disk break: real processes, one fault per file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod bucket;
mod crowd;
mod disk_full;
mod drop;
mod erased;
mod http;
mod service;
mod states;
mod storm;
