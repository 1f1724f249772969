//! The relay between a log and a real NATS server that is killed, wiped, paused and lied to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "test helpers"
)]

mod centrifugo;
mod instances;
mod kit;
mod losses;
mod order;
mod poison;
