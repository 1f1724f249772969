//! Both sources of the log in `MongoDB`, each against a server that has what it needs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "test helpers"
)]

mod conformance;
#[path = "../support/databases.rs"]
mod databases;
mod faults;
mod late;
mod load;
mod places;
mod poison;
mod support;
