//! The rules of the tree one by one, on the real curve.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

mod codec;
mod corpus;
mod hash;
mod marks;
mod paths;
mod refusals;
mod shape;
mod support;
