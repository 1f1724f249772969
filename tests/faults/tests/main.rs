//! What must survive crashes, pauses, bad networks and lost servers. Real processes, one fault per file; every record that
//! was acknowledged to a test is in its ledger, and what arrives is compared with that.
//!
//! A run takes about a minute. `KITH_FAULT_CYCLES` sets how often faults that are repeated are repeated.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod rig;

mod bad_database;
mod bad_network;
mod clock_jumps;
mod dead_place;
mod message_deleted;
mod nats_lost;
mod poison;
mod relay_killed;
mod silence_and_burst;
mod two_relays;
