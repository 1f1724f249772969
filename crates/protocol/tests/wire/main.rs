//! The bytes of the protocol: one form for each value, bounds, digests, golden vectors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

mod bounds;
mod canonical;
mod corpus;
mod derivations;
mod fixtures;
mod mutations;
mod protobuf;
mod receipts;
mod served;
mod strategies;
mod vectors;
